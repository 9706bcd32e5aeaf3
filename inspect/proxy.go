package inspect

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/proxy"
)

// proxyError is a refusal of the proxy, as opposed to a failure to reach it.
type proxyError struct {
	status int // 0 if it did not answer with one
	reason string
}

func (e *proxyError) Error() string { return e.reason }

// chooseProxy returns the proxy for t, nil for none.
func (in *inspector) chooseProxy(t *target) (*url.URL, error) {
	p, err := in.options.Proxy(&http.Request{URL: t.httpURL(), Header: http.Header{}})
	if err != nil && strings.Contains(err.Error(), "@") { // net/http quotes the URL, password and all
		return nil, errors.New("it is no URL, such as http://proxy.example:3128")
	}
	if err != nil || p == nil {
		return nil, err
	}
	switch p.Scheme {
	case "http", "https", "socks5", "socks5h":
		return p, nil
	}
	return nil, fmt.Errorf("there is no proxy protocol %s; use http, https or socks5", quote(p.Scheme))
}

// throughProxy returns a connection to t that p has opened. The proxy resolves names.
func (in *inspector) throughProxy(ctx context.Context, p *url.URL, t *target, x *Exchange) (net.Conn, error) {
	port := p.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[p.Scheme]
	}
	if port == "" {
		port = "1080"
	}
	nc, _, err := in.connect(ctx, p.Hostname(), port, x)
	if err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, in.options.Timeout)
	defer cancel()
	stop := context.AfterFunc(limit, func() { nc.SetDeadline(longAgo) })
	defer stop()
	switch p.Scheme {
	case "https":
		secure := tls.Client(nc, &tls.Config{ServerName: p.Hostname(), RootCAs: in.options.Roots, NextProtos: []string{"http/1.1"}})
		if err = secure.HandshakeContext(limit); err == nil {
			err = connectTunnel(secure, p, t.hostPort())
		}
		if err != nil {
			nc.Close()
			return nil, err
		}
		return secure, nil
	case "http":
		err = connectTunnel(nc, p, t.hostPort())
	default:
		err = socksTunnel(limit, nc, p, t.hostPort())
	}
	if err == nil && !stop() {
		err = limit.Err()
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}

// connectTunnel opens a tunnel with CONNECT (RFC 9110 §9.3.6).
func connectTunnel(nc net.Conn, p *url.URL, address string) error {
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if p.User != nil {
		password, _ := p.User.Password()
		request += "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(p.User.Username()+":"+password)) + "\r\n"
	}
	if _, err := nc.Write([]byte(request + "\r\n")); err != nil {
		return err
	}
	raw, n, err := readHead(nc, nil)
	if err != nil {
		return err
	}
	h, err := parseHead(raw[:max(n, 0)])
	switch {
	case err != nil:
		return &proxyError{0, "its answer is not HTTP: " + err.Error()}
	case h.status/100 != 2:
		return &proxyError{h.status, "it answered " + quote(h.start)}
	case n < len(raw):
		// Nobody at the other end speaks before the client does.
		return &proxyError{h.status, "it sent something of its own into the tunnel"}
	}
	return nil
}

// socksTunnel opens a tunnel with SOCKS5 (RFC 1928) over nc.
func socksTunnel(ctx context.Context, nc net.Conn, p *url.URL, address string) error {
	var auth *proxy.Auth
	if p.User != nil {
		password, _ := p.User.Password()
		auth = &proxy.Auth{User: p.User.Username(), Password: password}
	}
	s, err := proxy.SOCKS5("tcp", p.Host, auth, connected{nc})
	if err != nil {
		return err
	}
	if _, err := s.(proxy.ContextDialer).DialContext(ctx, "tcp", address); err != nil {
		if k := errorKind(err); k != otherwise {
			return err
		}
		return &proxyError{0, explainError(err)}
	}
	return nil
}

// connected gives the SOCKS client the connection there is.
type connected struct{ nc net.Conn }

func (c connected) Dial(string, string) (net.Conn, error) { return c.nc, nil }

func (c connected) DialContext(context.Context, string, string) (net.Conn, error) { return c.nc, nil }

var longAgo = time.Unix(1, 0)

// judgeProxy explains why there is no tunnel.
func (in *inspector) judgeProxy(x *Exchange, err error) {
	const unset = "Correct or unset HTTPS_PROXY and HTTP_PROXY, or list the host in NO_PROXY"
	name := x.Proxy
	if name == "" {
		in.found("proxy-unusable", "The proxy that the environment names cannot be used: "+explainError(err)+".", unset+".")
		return
	}
	var pe *proxyError
	switch {
	case errors.As(err, &pe) && pe.status == http.StatusProxyAuthRequired:
		in.found("proxy-credentials", "The proxy "+name+" wants credentials.",
			"Write them into the proxy's URL in the environment, http://user:password@host:port.")
	case errors.As(err, &pe):
		in.found("proxy-refused", "The proxy "+name+" does not connect to the server: "+pe.reason+".",
			"Ask whoever runs the proxy to allow CONNECT to this host and port, or list the host in NO_PROXY.")
	default:
		in.found("proxy-unreachable", "There is no way through the proxy "+name+": "+explainError(err)+".", unset+", or start the proxy.")
	}
}
