package ws

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/handshake"
)

const (
	// responseHeadBytesMax bounds what a server may send before its head ends.
	responseHeadBytesMax = 64 << 10

	// responseBodyBytesMax is how much of the body of a refusal is kept.
	responseBodyBytesMax = 64 << 10
)

// ErrURL is in the chain of Dial's error when the URL cannot be dialled.
var ErrURL = errors.New("websocket: a URL begins with ws:// or wss:// (http:// and https:// mean the same), has a host and no fragment")

// Dial connects to a server. target has the scheme ws or wss; http and https
// mean the same. o may be nil.
//
// The response is the server's, also when it refused: its body then holds what
// the server said, up to 64 KiB, and need not be closed. The error is a
// *handshake.ResponseError if the server answered and the answer opens no
// WebSocket. ctx bounds the handshake only, not the life of the connection.
func Dial(ctx context.Context, target string, o *DialOptions) (*Conn, *http.Response, error) {
	if o == nil {
		o = &DialOptions{}
	}
	u, err := parseURL(target)
	if err != nil {
		return nil, nil, err
	}
	if timeout := orDefault(o.HandshakeTimeout, DefaultHandshakeTimeout); timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	nc, err := connect(ctx, u, o)
	if err != nil {
		return nil, nil, fmt.Errorf("websocket: dial %s: %w", u.Host, err)
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(longAgo) })
	conn, response, err := open(nc, u, o)
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

// parseURL reads a URL per RFC 6455 §3.
func parseURL(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrURL, err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	if (u.Scheme != "ws" && u.Scheme != "wss") || u.Hostname() == "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("%w: got %.200q", ErrURL, target)
	}
	return u, nil
}

// connect opens the transport: TCP, and TLS for wss.
func connect(ctx context.Context, u *url.URL, o *DialOptions) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "wss" {
			port = "443"
		}
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil || u.Scheme == "ws" {
		return nc, err
	}
	config := o.TLSConfig.Clone()
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
		return nil, err
	}
	return secure, nil
}

// open does the opening handshake on nc.
func open(nc net.Conn, u *url.URL, o *DialOptions) (*Conn, *http.Response, error) {
	var random [16]byte
	rand.Read(random[:])
	header := o.Header
	if u.User != nil && header.Get("Authorization") == "" {
		password, _ := u.User.Password()
		r := http.Request{Header: header.Clone()}
		if r.Header == nil {
			r.Header = http.Header{}
		}
		r.SetBasicAuth(u.User.Username(), password)
		header = r.Header
	}
	offer := &handshake.Offer{
		Host:         hostField(u),
		RequestURI:   u.RequestURI(),
		Key:          handshake.NewKey(random),
		Subprotocols: o.Subprotocols,
		Header:       header,
	}
	request, err := handshake.AppendRequest(nil, offer)
	if err != nil {
		return nil, nil, err
	}
	if _, err := nc.Write(request); err != nil {
		return nil, nil, err
	}

	head := &io.LimitedReader{R: nc, N: responseHeadBytesMax}
	br := bufio.NewReader(head)
	response, err := http.ReadResponse(br, &http.Request{Method: http.MethodGet})
	if err != nil {
		if head.N <= 0 {
			err = fmt.Errorf("the head of the response is longer than %d bytes", responseHeadBytesMax)
		}
		return nil, nil, err
	}
	result, err := handshake.CheckResponse(response.StatusCode, response.ProtoMajor, response.ProtoMinor, response.Header, offer)
	if err != nil {
		keepBody(nc, response, head)
		return nil, response, err
	}
	response.Body = http.NoBody
	var early []byte
	if n := br.Buffered(); n > 0 {
		early = make([]byte, n)
		br.Read(early)
	}
	return newConn(nc, wsproto.Client, o.Options, result.Subprotocol, early), response, nil
}

// hostField is the Host field for u: without the zone of an IPv6 address, which
// means something on this machine only (RFC 6874 §4).
func hostField(u *url.URL) string {
	host, zone, scoped := strings.Cut(u.Host, "%")
	if !scoped {
		return host
	}
	_, port, _ := strings.Cut(zone, "]")
	return host + "]" + port
}

// keepBody reads the body of a refusal, which ends with the connection.
func keepBody(nc net.Conn, r *http.Response, limit *io.LimitedReader) {
	limit.N = responseBodyBytesMax
	nc.SetReadDeadline(time.Now().Add(time.Second)) // what it said at once is enough
	body, _ := io.ReadAll(io.LimitReader(r.Body, responseBodyBytesMax))
	r.Body = io.NopCloser(bytes.NewReader(body))
}
