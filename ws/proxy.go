//go:build !js

package ws

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/proxy"
)

// proxy returns the proxy for u, nil for none.
func (d *dialer) proxy(u *url.URL) (*url.URL, error) {
	choose := d.options.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	p, err := choose(&http.Request{URL: httpURL(u), Header: http.Header{}})
	if err != nil {
		if strings.Contains(err.Error(), "@") { // net/http quotes the URL, password and all
			err = errors.New("what is configured, perhaps in HTTP_PROXY or HTTPS_PROXY, is no URL of a proxy, such as http://proxy.example:3128")
		}
		return nil, fmt.Errorf("proxy: %w", err)
	}
	return p, nil
}

// throughProxy returns a connection to address that p has opened.
func (d *dialer) throughProxy(ctx context.Context, p *url.URL, address string) (nc net.Conn, err error) {
	switch p.Scheme {
	case "http", "https":
		nc, err = d.httpProxy(ctx, p, address)
	case "socks5", "socks5h":
		nc, err = d.socksProxy(ctx, p, address)
	default:
		err = fmt.Errorf("there is no proxy protocol %q; use http, https or socks5", p.Scheme)
	}
	if err != nil {
		return nil, fmt.Errorf("proxy %s: %w", p.Host, err)
	}
	return nc, nil
}

// httpProxy opens a tunnel with CONNECT (RFC 9110 §9.3.6).
func (d *dialer) httpProxy(ctx context.Context, p *url.URL, address string) (net.Conn, error) {
	nc, err := d.netDial(ctx, hostPort(p))
	if err != nil {
		return nil, err
	}
	if p.Scheme == "https" {
		if nc, err = startTLS(ctx, nc, d.options.ProxyTLSConfig, p); err != nil {
			return nil, err
		}
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(longAgo) })
	br, err := connectTunnel(nc, p, address)
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	if br.Buffered() > 0 {
		// Nobody at the other end speaks before the client does.
		nc.Close()
		return nil, fmt.Errorf("sent %d bytes before it was spoken to", br.Buffered())
	}
	return nc, nil
}

func connectTunnel(nc net.Conn, p *url.URL, address string) (*bufio.Reader, error) {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.User != nil {
		password, _ := p.User.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := nc.Write([]byte(request + "\r\n")); err != nil {
		return nil, err
	}
	br, response, err := readHead(nc, p.Scheme)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		err := fmt.Errorf("it refused to connect to %s: %.100q", address, response.Status)
		if response.StatusCode == http.StatusBadRequest {
			err = explainRefusal(err, response, keepBody(nc, response), p.Scheme)
		}
		return nil, err
	}
	return br, nil
}

// socksProxy opens a tunnel with SOCKS5 (RFC 1928). The proxy resolves names.
func (d *dialer) socksProxy(ctx context.Context, p *url.URL, address string) (net.Conn, error) {
	var auth *proxy.Auth
	if p.User != nil {
		password, _ := p.User.Password()
		auth = &proxy.Auth{User: p.User.Username(), Password: password}
	}
	at := p.Host
	if p.Port() == "" {
		at = net.JoinHostPort(p.Hostname(), "1080")
	}
	s, err := proxy.SOCKS5("tcp", at, auth, forward{d})
	if err != nil {
		return nil, err
	}
	return s.(proxy.ContextDialer).DialContext(ctx, "tcp", address)
}

// forward is how the SOCKS client reaches its proxy.
type forward struct{ d *dialer }

func (f forward) Dial(network, address string) (net.Conn, error) {
	return f.DialContext(context.Background(), network, address)
}

func (f forward) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	return f.d.netDial(ctx, address)
}
