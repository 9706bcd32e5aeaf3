//go:build !js

package ws

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Dial connects to a server. target has the scheme ws or wss; http and https
// mean the same. o may be nil.
//
// The response is the server's final one, also when it refused: its body then holds what
// the server said, up to 64 KiB, and need not be closed. The error is a
// *handshake.ResponseError if the server answered and the answer opens no
// WebSocket, and wraps an *OptionError if o is wrong. ctx bounds the handshake only, not the life of the connection.
func Dial(ctx context.Context, target string, o *DialOptions) (*Conn, *http.Response, error) {
	if o == nil {
		o = &DialOptions{}
	}
	u, err := parseURL(target)
	if err != nil {
		return nil, nil, err
	}
	timeout, redirectsMax, err := o.resolve()
	if err != nil {
		return nil, nil, err
	}
	settings, err := newSettings(o.Options, wsproto.Client)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	d := dialer{options: o, settings: settings, header: o.Header}
	for redirects := 0; ; redirects++ {
		conn, response, err := d.dial(ctx, u)
		next, isRedirect := redirectTarget(u, response)
		if err == nil || !isRedirect || redirectsMax == 0 {
			return conn, response, err
		}
		if redirects == redirectsMax {
			return nil, response, fmt.Errorf("websocket: dial %s: more than %d redirects", u.Host, redirectsMax)
		}
		if u, err = d.follow(u, next); err != nil {
			return nil, response, err
		}
	}
}

// dialer is one Dial, which may be several handshakes.
type dialer struct {
	options  *DialOptions
	settings *settings
	header   http.Header // what may be sent to the present origin
}

// dial does one handshake, without following a redirect.
func (d *dialer) dial(ctx context.Context, u *url.URL) (*Conn, *http.Response, error) {
	nc, err := d.connect(ctx, u)
	if err != nil {
		return nil, nil, fmt.Errorf("websocket: dial %s: %w", u.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(longAgo) })
	conn, response, err := d.open(nc, u)
	if !stop() && err == nil {
		err = ctx.Err() // the deadline is or will be in the past
	}
	if err != nil {
		nc.Close()
		if ctxErr := ctx.Err(); ctxErr != nil && response == nil {
			err = ctxErr
		}
		if conn != nil {
			conn.CloseNow()
		}
		return nil, response, fmt.Errorf("websocket: handshake with %s: %w", u.Host, err)
	}
	return conn, response, nil
}

// connect opens the transport: TCP, perhaps through a proxy, and TLS for wss.
func (d *dialer) connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	address := hostPort(u)
	proxy, err := d.proxy(u)
	if err != nil {
		return nil, err
	}
	var nc net.Conn
	if proxy == nil {
		nc, err = d.netDial(ctx, address)
	} else {
		nc, err = d.throughProxy(ctx, proxy, address)
	}
	if err != nil || u.Scheme == "ws" {
		return nc, err
	}
	return startTLS(ctx, nc, d.options.TLSConfig, u)
}

func (d *dialer) netDial(ctx context.Context, address string) (net.Conn, error) {
	if d.options.NetDial != nil {
		return d.options.NetDial(ctx, "tcp", address)
	}
	return new(net.Dialer).DialContext(ctx, "tcp", address)
}

// startTLS verifies that the other end is u's host. It closes nc if it is not.
func startTLS(ctx context.Context, nc net.Conn, config *tls.Config, u *url.URL) (net.Conn, error) {
	config = config.Clone()
	if config == nil {
		config = &tls.Config{}
	}
	if config.ServerName == "" {
		config.ServerName = u.Hostname()
	}
	config.NextProtos = []string{"http/1.1"}
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, explainTLS(err, u.Scheme)
	}
	return secure, nil
}

// hostPort is u's host with its port, the scheme's default if it has none.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "wss" || u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// httpURL is u with the scheme that cookies and proxies are configured for.
func httpURL(u *url.URL) *url.URL {
	v := *u
	v.Scheme = "http"
	if u.Scheme == "wss" {
		v.Scheme = "https"
	}
	return &v
}

// fields are the request's own header fields.
func (d *dialer) fields(u *url.URL) http.Header {
	header := d.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	r := http.Request{Header: header}
	if u.User != nil && header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		r.SetBasicAuth(u.User.Username(), password)
	}
	if d.options.Jar != nil {
		for _, cookie := range d.options.Jar.Cookies(httpURL(u)) {
			r.AddCookie(cookie)
		}
	}
	return header
}

// open does the opening handshake on nc.
func (d *dialer) open(nc net.Conn, u *url.URL) (*Conn, *http.Response, error) {
	var random [16]byte
	rand.Read(random[:])
	deflateOffer, extensions, err := d.settings.offer()
	if err != nil {
		return nil, nil, err
	}
	offer := &handshake.Offer{
		Host:         hostField(u),
		Extensions:   extensions,
		RequestURI:   u.RequestURI(),
		Key:          handshake.NewKey(random),
		Subprotocols: d.options.Subprotocols,
		Header:       d.fields(u),
	}
	request, err := handshake.AppendRequest(nil, offer)
	if err != nil {
		return nil, nil, err
	}
	if _, err := nc.Write(request); err != nil {
		return nil, nil, err
	}
	br, response, err := readHead(nc, u.Scheme)
	if err != nil {
		return nil, nil, err
	}
	if cookies := response.Cookies(); d.options.Jar != nil && len(cookies) > 0 {
		d.options.Jar.SetCookies(httpURL(u), cookies)
	}
	result, err := handshake.CheckResponse(response.StatusCode, response.ProtoMajor, response.ProtoMinor, response.Header, offer)
	agreed := agreement{subprotocol: result.Subprotocol}
	if err == nil {
		agreed.compression, agreed.compressed, err = deflate.CheckResponse(result.Extensions, deflateOffer)
	}
	if err != nil {
		body := keepBody(nc, response)
		return nil, response, explainRefusal(err, response, body, u.Scheme)
	}
	response.Body = http.NoBody
	var early []byte
	if n := br.Buffered(); n > 0 {
		early = make([]byte, n)
		br.Read(early)
	}
	return newConn(nc, d.settings, agreed, early), response, nil
}
