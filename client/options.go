package client

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/client/internal/session"
)

// Transport is how a Client's objects travel.
type Transport string

// The transports, in the order in which they are tried by default.
const (
	WebSocket Transport = "websocket"
	Stream    Transport = "stream" // lines of JSON over HTTP, and POSTs
	LongPoll  Transport = "poll"
)

// Options are for Dial. Nil and the zero value are a client without a token.
type Options struct {
	// Token returns the token that the server is shown, and is called in a goroutine of its
	// own: at first, before a token expires, and when the server has refused one. An error
	// is tried again later, while the Client is Waiting. Nil: none is shown, unless Header
	// has one.
	Token func(ctx context.Context, why Reason) (string, error)

	// Name says which program this is, for the server's logs, such as "importer/1.2". At most 255
	// bytes. Default "godwit-go".
	Name string

	// Header is sent with each handshake and request. It is cloned.
	Header http.Header

	// TLS is for https and wss. It is cloned. Nil verifies the server against the system's roots.
	TLS *tls.Config

	// Transports may be used, and are tried in this order. Default:
	// all of them.
	Transports []Transport

	// NoMessages has no messages to the client's user come, which are Client.Messages.
	NoMessages bool

	// Logger is told why a Handler could not answer a call, which its caller is not. Default slog.Default().
	Logger *slog.Logger

	// OnStatus is called when Client.Status changes, one call at a time. It must not block.
	OnStatus func(Status)
}

// Reason is why a token is asked for.
type Reason = session.Reason

// The reasons.
const (
	TokenFirst   = session.TokenFirst   // there is none yet
	TokenExpired = session.TokenExpired // it ends soon, or has ended
	TokenRefused = session.TokenRefused // the server does not accept it
)

// ErrOptions is wrapped by the error of Dial and Subscribe for options that cannot be used.
var ErrOptions = errors.New("client: invalid options")

func (o *Options) normalize() (*Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.Name == "" {
		c.Name = "godwit-go"
	}
	if len(c.Name) > 255 {
		return nil, fmt.Errorf("%w: Name has %d bytes; at most 255 are possible", ErrOptions, len(c.Name))
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Header = c.Header.Clone()
	if c.TLS != nil {
		c.TLS = c.TLS.Clone()
	}
	c.Transports = slices.Clone(c.Transports)
	if len(c.Transports) == 0 {
		c.Transports = []Transport{WebSocket, Stream, LongPoll}
	}
	for _, t := range c.Transports {
		if !slices.Contains([]Transport{WebSocket, Stream, LongPoll}, t) {
			return nil, fmt.Errorf("%w: there is no transport %q; use websocket, stream or poll", ErrOptions, t)
		}
	}
	return &c, nil
}

// connectURL is where sessions are, of a server's URL.
func connectURL(target string) (*url.URL, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("%w: this is no URL of a server; write for example http://127.0.0.1:8000", ErrOptions)
	}
	switch u.Scheme {
	case "ws":
		u.Scheme = "http"
	case "wss":
		u.Scheme = "https"
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%w: this is no URL of a server; write for example http://127.0.0.1:8000", ErrOptions)
	}
	u = u.JoinPath()
	if !strings.HasSuffix(u.Path, "/connect") {
		u = u.JoinPath("connect")
	}
	return u, nil
}
