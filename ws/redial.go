package ws

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The defaults of a Redialer.
const (
	DefaultBackoffMin = 500 * time.Millisecond
	DefaultBackoffMax = 30 * time.Second
)

// Redialer keeps a client connected: it dials, runs a function on the
// connection, and when that ends because the connection did, dials again. The
// zero value with a URL is ready; it must not be changed while it runs.
type Redialer struct {
	// URL and DialOptions are those of Dial.
	URL         string
	DialOptions *DialOptions

	// BackoffMin and BackoffMax bound the pause before the next attempt. It is
	// drawn anew each time between nothing and a bound that doubles from
	// BackoffMin to BackoffMax ("full jitter"), so that clients that lost the
	// same server do not come back together. A Retry-After of the server is the
	// least it waits. The bound begins again once a connection has lasted for
	// BackoffMax. Defaults: 500 ms and 30 s.
	BackoffMin, BackoffMax time.Duration

	// Permanent, if not nil, says which errors end Run instead of being tried
	// again. Default: IsPermanent.
	Permanent func(error) bool

	// OnRetry, if not nil, is told why there is no connection, and how long the
	// pause will be. It is called by Run's goroutine.
	OnRetry func(err error, pause time.Duration)
}

// Run stays connected until ctx ends, handle returns nil, or an error is
// permanent, and returns ctx's error, nil or that error. It returns an error that
// wraps an *OptionError at once if BackoffMin or BackoffMax is negative.
//
// handle is called with each connection, one at a time: it authenticates,
// subscribes again, and reads until an error, which it returns. The connection
// is closed after it. An error of handle counts as the connection's: Run dials
// again unless it is permanent.
func (r *Redialer) Run(ctx context.Context, handle func(ctx context.Context, conn *Conn) error) error {
	permanent := r.Permanent
	if permanent == nil {
		permanent = IsPermanent
	}
	least, most := r.BackoffMin, r.BackoffMax
	if err := cmp.Or(driver.Resolve("BackoffMin", &least, DefaultBackoffMin), driver.Resolve("BackoffMax", &most, DefaultBackoffMax)); err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	bound := least
	for {
		conn, response, err := Dial(ctx, r.URL, r.DialOptions)
		if err == nil {
			began := time.Now()
			err = handle(ctx, conn)
			code, reason := StatusNormal, ""
			if err != nil && ctx.Err() == nil {
				code = StatusGoingAway
			}
			_ = conn.Close(code, reason)
			if time.Since(began) >= most {
				bound = least
			}
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case permanent(err):
			return err
		}
		pause := max(jitter(bound), retryAfter(response))
		bound = min(2*bound, most)
		if r.OnRetry != nil {
			r.OnRetry(err, pause)
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// jitter returns a duration from 0 to bound, evenly.
func jitter(bound time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return time.Duration(binary.NativeEndian.Uint64(b[:]) % uint64(bound+1)) // a bias of 2^-30 does not matter
}

// IsPermanent reports whether trying again can hardly help: the URL, an option or
// the request is wrong, the certificate does not verify, the server refused with a
// status of 400 to 499 other than 408, 425 and 429, or the peer closed because of
// something this side does (1002, 1003, 1007, 1008, 1009, 1010).
func IsPermanent(err error) bool {
	if errors.Is(err, ErrURL) {
		return true
	}
	if _, ok := errors.AsType[*handshake.FieldError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*OptionError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*handshake.ResponseError](err); ok {
		switch e.Status {
		case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
			return false
		}
		return e.Status >= 400 && e.Status < 500
	}
	switch CloseStatus(err) {
	case 1002, 1003, 1007, 1008, 1009, 1010:
		return true
	}
	return false
}

// retryAfterMax is the longest Retry-After that is obeyed: a mistake of a server
// must not silence a client for good.
const retryAfterMax = 10 * time.Minute

// retryAfter reads Retry-After (RFC 9110 §10.2.3): seconds, or a date.
func retryAfter(r *http.Response) time.Duration {
	if r == nil {
		return 0
	}
	value := r.Header.Get("Retry-After")
	var wait time.Duration
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if date, err := http.ParseTime(value); err == nil {
		wait = time.Until(date)
	}
	return min(max(wait, 0), retryAfterMax)
}
