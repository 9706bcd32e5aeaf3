package ws

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
)

// errHandshake is all that a page gets to know.
var errHandshake = errors.New("the browser opened no connection and does not say why; its console may. The server cannot be reached, refused, or answered something else")

// Dial connects to a server with the browser's WebSocket object. target has the
// scheme ws or wss; http and https mean the same. o may be nil.
//
// A page decides less than another program. Dial returns an error that names
// them when something is set that a browser has no place for: a user in the URL,
// Header, TLSConfig, Jar, Proxy, ProxyTLSConfig, NetDial, a RedirectsMax above 0, a FragmentsMax, PingInterval or
// PingTimeout other than 0 and NoLimit, and Compression with fields of its own (browsers offer
// permessage-deflate anyway). The error wraps a *handshake.FieldError for each
// and errors.ErrUnsupported, and IsPermanent knows it. Cookies of the server's
// site are sent, and so is the page's origin.
//
// The response is made up from what the browser tells, status 101, subprotocol
// and extensions, and nil after an error: why a handshake failed is kept from
// pages, so that every refusal looks like a server that is down, for IsPermanent
// also. ctx bounds the handshake only, not the life of the connection.
func Dial(ctx context.Context, target string, o *DialOptions) (*Conn, *http.Response, error) {
	if o == nil {
		o = &DialOptions{}
	}
	u, err := parseURL(target)
	if err != nil {
		return nil, nil, err
	}
	if err := checkOptions(u, o); err != nil {
		return nil, nil, err
	}
	timeout, _, err := o.resolve()
	if err != nil {
		return nil, nil, err
	}
	options, err := o.Options.resolve()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, nil, fmt.Errorf("websocket: dial %s: %w", u.Host, err)
	}
	c := newConn(options)
	c.url = u.String()
	if c.socket, err = openSocket(c.url, o.Subprotocols); err != nil {
		if refused, ok := errors.AsType[browserError](err); ok {
			err = browserError(hideURL(string(refused), c.url))
		}
		return nil, nil, fmt.Errorf("websocket: dial %s: %w", u.Host, err)
	}
	opened := make(chan struct{})
	c.listen(opened)
	select {
	case <-opened:
	case <-c.done:
	case <-ctx.Done():
		c.hangUp(ctx.Err(), true)
		return nil, nil, fmt.Errorf("websocket: handshake with %s: %w", u.Host, ctx.Err())
	}
	select {
	case <-opened: // and perhaps closed since, by a server that did not say much
	default:
		return nil, nil, fmt.Errorf("websocket: handshake with %s: %w", u.Host, c.handshakeError())
	}
	response := c.response()
	c.observed.open()
	c.start()
	return c, response, nil
}

// handshakeError is why no connection was opened, as far as it is known.
func (c *Conn) handshakeError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failure != "" {
		return fmt.Errorf("%w: %.200q", errHandshake, c.failure)
	}
	return errHandshake
}

// hideURL takes what may be secret in url out of text of the browser, which likes
// to quote it.
func hideURL(text, url string) string { return strings.ReplaceAll(text, url, redact.Text(url)) }

// response learns what was agreed on, and puts it as a response.
func (c *Conn) response() *http.Response {
	r := &http.Response{
		StatusCode: http.StatusSwitchingProtocols,
		Status:     "101 Switching Protocols",
		Header:     http.Header{},
		Body:       http.NoBody,
	}
	if c.subprotocol = text(c.socket.object.Get("protocol")); c.subprotocol != "" {
		r.Header.Set("Sec-WebSocket-Protocol", c.subprotocol)
	}
	if extensions := text(c.socket.object.Get("extensions")); extensions != "" {
		r.Header.Set("Sec-WebSocket-Extensions", extensions)
		// The browser has checked it; this takes it apart.
		if accepted, err := handshake.ParseExtensions([]string{extensions}); err == nil {
			c.compression, c.compressed, _ = deflate.CheckResponse(accepted, deflate.Offer(nil))
		}
	}
	return r
}

// unsupported is what Dial was asked for and a browser has no place for.
type unsupported []*handshake.FieldError

func (u unsupported) Error() string {
	var b strings.Builder
	b.WriteString("websocket: not possible in a browser")
	for _, e := range u {
		b.WriteString("; " + e.Field + ": " + e.Reason)
	}
	return b.String()
}

func (u unsupported) Unwrap() []error {
	errs := []error{errors.ErrUnsupported}
	for _, e := range u {
		errs = append(errs, e)
	}
	return errs
}

// checkOptions refuses what would not be done, rather than leaving it out.
func checkOptions(u *url.URL, o *DialOptions) error {
	var refused unsupported
	for _, option := range []struct {
		set           bool
		field, reason string
	}{
		{u.User != nil, "URL", "a browser sends no user and password of it; use a cookie, the query or a subprotocol"},
		{len(o.Header) > 0, "Header", "a page sends no header fields of its own; use a cookie, the URL's query or a subprotocol"},
		{o.TLSConfig != nil, "TLSConfig", "the browser verifies servers itself"},
		{o.Jar != nil, "Jar", "the browser keeps cookies itself"},
		{o.Proxy != nil, "Proxy", "the browser chooses its proxy itself"},
		{o.ProxyTLSConfig != nil, "ProxyTLSConfig", "the browser verifies proxies itself"},
		{o.RedirectsMax > 0, "RedirectsMax", "browsers follow no redirects"},
		{o.NetDial != nil, "NetDial", "the browser opens connections itself"},
		{isLimit(o.FragmentsMax), "FragmentsMax", "a page does not see the frames of a message"},
		{isLimit(o.PingInterval), "PingInterval", "a page cannot send pings; let the server do it"},
		{isLimit(o.PingTimeout), "PingTimeout", "a page cannot send pings; let the server do it"},
		{isTuned(o.Compression), "Compression", "the browser chooses how to compress; leave its fields zero"},
	} {
		if option.set {
			refused = append(refused, &handshake.FieldError{Field: option.field, Reason: option.reason})
		}
	}
	if refused != nil {
		return refused
	}
	// What is wrong with the rest is found as elsewhere. The request is the
	// browser's to write.
	_, err := handshake.AppendRequest(nil, &handshake.Offer{
		Host: hostField(u), RequestURI: u.RequestURI(), Key: handshake.NewKey([16]byte{}), Subprotocols: o.Subprotocols,
	})
	if err != nil {
		return fmt.Errorf("websocket: handshake with %s: %w", u.Host, err)
	}
	return nil
}

// isLimit reports whether an option says more than its default or NoLimit does.
func isLimit[T int | time.Duration](v T) bool { return v > 0 && v != NoLimit }

// isTuned reports whether o asks for more than to compress.
func isTuned(o *deflate.Options) bool {
	if o == nil {
		return false
	}
	own := *o
	own.MessageBytesMax = 0 // replaced by that of Options
	return own != deflate.Options{}
}
