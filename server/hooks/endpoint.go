package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/internal/privateaddr"
	"github.com/godwit-io/godwit/internal/redact"
)

const (
	// idleTimeout is less than servers keep an idle connection (2 s and 5 s are common), so that
	// a request is not sent into one that is just being closed. Such a request may have arrived and
	// could not be sent again.
	idleTimeout = 1500 * time.Millisecond

	headerBytesMax = 16 << 10
	drainBytesMax  = 4 << 10          // of a body that is not read, so that its connection can be used again
	complaintEvery = time.Second      // at most one of an endpoint's is logged
	retryAfterMax  = 24 * time.Hour   // a later time is this
	dialKeepAlive  = 15 * time.Second // between probes of a connection in use
)

// endpoint is a URL to which signed requests go.
type endpoint struct {
	hook   string
	url    *url.URL
	shown  string // the URL without its secrets
	signer *signer
	client *http.Client
	logger *slog.Logger

	mu       sync.Mutex // guards what follows
	quiet    time.Time  // until then nothing is logged
	unlogged int
}

// newEndpoint makes one. name is that of the option that has the URL, for errors.
func newEndpoint(hook, name, rawURL string, connections int, timeout time.Duration, o *Options, s *signer) (*endpoint, error) {
	u, err := parseURL(name, rawURL, o.AllowPrivate)
	if err != nil {
		return nil, err
	}
	dial := o.dial
	if dial == nil {
		d := &net.Dialer{Timeout: timeout, KeepAlive: dialKeepAlive}
		if !o.AllowPrivate {
			d.ControlContext = privateaddr.Guard
		}
		dial = d.DialContext
	}
	transport := &http.Transport{
		// No Proxy: one in the environment would connect in our place, and check nothing.
		DialContext:            dial,
		TLSClientConfig:        o.TLSConfig.Clone(),
		TLSHandshakeTimeout:    timeout,
		MaxIdleConns:           connections,
		MaxIdleConnsPerHost:    connections,
		MaxConnsPerHost:        connections,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: headerBytesMax,
		DisableCompression:     true,
		// One request at a time on a connection: what hangs is closed with its request.
		Protocols: new(http.Protocols),
	}
	transport.Protocols.SetHTTP1(true)
	sender := http.RoundTripper(transport)
	if o.Wrap != nil {
		sender = o.Wrap(transport)
	}
	return &endpoint{
		hook: hook, url: u, shown: redact.URL(u), signer: s, logger: o.Logger,
		client: &http.Client{
			Transport:     sender,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func parseURL(name, raw string, allowPrivate bool) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, &OptionError{name, "there is none; write one such as https://example.com/hooks"}
	case err != nil: // which may quote a password
		return nil, &OptionError{name, redact.Text(raw) + " is no URL; write one such as https://example.com/hooks"}
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, &OptionError{name, fmt.Sprintf("the scheme of %s is %q; only http and https can be asked", redact.Text(raw), u.Scheme)}
	case u.Hostname() == "":
		return nil, &OptionError{name, redact.Text(raw) + " names no host; write one such as https://example.com/hooks"}
	case u.Fragment != "":
		return nil, &OptionError{name, redact.URL(u) + " has a fragment, which is never sent; leave out what follows #"}
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !allowPrivate {
		if what := privateaddr.What(a); what != "" {
			return nil, &OptionError{name, (&privateaddr.Error{Addr: a, What: what}).Error()}
		}
	}
	return u, nil
}

// reply is the answer to a request.
type reply struct {
	status     int
	body       []byte
	retryAfter time.Duration // as the answer says; 0 if it does not
}

// postError says why there is no reply.
type postError struct {
	err    error
	unsent bool // the application cannot have received anything
}

func (e *postError) Error() string { return e.err.Error() }
func (e *postError) Unwrap() error { return e.err }

// post sends a request once. fields are further ones. It returns a *postError or a
// reply, whose body is at most bytesMax long. With statusOnly the body does not matter,
// however long it is and whether it arrives.
func (e *endpoint) post(ctx context.Context, id string, fields http.Header, body []byte, bytesMax int) (*reply, error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url.String(), bytes.NewReader(body))
	if err != nil {
		return nil, &postError{err, true}
	}
	for name, values := range fields {
		request.Header[name] = values
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", "Godwit")
	now := time.Now()
	e.signer.sign(request.Header, id, now, body)
	response, err := e.client.Do(request)
	if err != nil {
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err // the URL may have secrets in it
		}
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			err = errTimeout
		}
		return nil, &postError{err, !connected.Load()}
	}
	defer response.Body.Close()
	r := &reply{status: response.StatusCode, retryAfter: parseRetryAfter(response.Header.Get("Retry-After"), time.Now())}
	if bytesMax == statusOnly {
		_, _ = io.CopyN(io.Discard, response.Body, drainBytesMax)
		return r, nil
	}
	r.body, err = io.ReadAll(io.LimitReader(response.Body, int64(min(bytesMax, noBytesLimit))+1))
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return nil, &postError{errTimeout, false}
	case err != nil:
		return nil, &postError{fmt.Errorf("the answer is cut off: %w", err), false}
	case len(r.body) > bytesMax:
		return nil, &postError{fmt.Errorf("the answer is longer than %d bytes", bytesMax), false}
	}
	return r, nil
}

const statusOnly = -1

// noBytesLimit is a length that nothing has, and to which one can be added.
const noBytesLimit = 1 << 30

var errTimeout = errors.New("no answer in time")

// statusError is what a reply that is no success is.
func statusError(status int) error {
	text := fmt.Sprintf("the status of the answer is %d (%s)", status, http.StatusText(status))
	if status/100 == 3 {
		text += ", and redirects are not followed; write the URL to which it leads"
	}
	return errors.New(text)
}

// parseRetryAfter reads the field of RFC 9110 §10.2.3. What makes no sense, or is
// over, is 0.
func parseRetryAfter(field string, now time.Time) time.Duration {
	field = strings.TrimSpace(field)
	if seconds, err := strconv.ParseUint(field, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(retryAfterMax/time.Second))) * time.Second
	}
	at, err := http.ParseTime(field)
	if err != nil || !at.After(now) {
		return 0
	}
	return min(at.Sub(now), retryAfterMax)
}

// complain logs a failure, unless one was logged just now.
func (e *endpoint) complain(what string, err error) {
	now := time.Now()
	e.mu.Lock()
	if now.Before(e.quiet) {
		e.unlogged++
		e.mu.Unlock()
		return
	}
	unlogged := e.unlogged
	e.unlogged, e.quiet = 0, now.Add(complaintEvery)
	e.mu.Unlock()
	attrs := []any{"hook", e.hook, "url", e.shown, "error", err}
	if unlogged > 0 {
		attrs = append(attrs, "others_since_the_last", unlogged)
	}
	e.logger.Warn(what, attrs...)
}
