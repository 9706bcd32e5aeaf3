package transport

import (
	"errors"
	"net/http"
	"os"
	"time"
)

// writePart is how many bytes a client has WriteTimeout to take: a large page
// may take longer over a slow link than a client that does not read at all.
const writePart = 32 << 10

// writer writes a response to a client that may have stopped reading. It gives
// every part a deadline of its own.
type writer struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	left    int // bytes until the deadline is renewed
	http2   bool
}

func (t *Transport) newWriter(w http.ResponseWriter, r *http.Request) *writer {
	return &writer{
		ResponseWriter: w,
		control:        http.NewResponseController(w),
		timeout:        t.o.WriteTimeout,
		http2:          r.ProtoMajor >= 2,
	}
}

func (w *writer) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		if w.left == 0 {
			if err := w.renew(); err != nil {
				return n, err
			}
		}
		part := p[:min(len(p), w.left)]
		wrote, err := w.ResponseWriter.Write(part)
		n += wrote
		if err != nil {
			return n, err
		}
		w.left -= wrote
		p = p[wrote:]
	}
	return n, nil
}

// renew sets a new deadline. A ResponseWriter without deadlines is an in-memory
// one, which never blocks.
func (w *writer) renew() error {
	w.left = writePart
	err := w.control.SetWriteDeadline(time.Now().Add(w.timeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// flush sends the written data. Afterwards the next write begins a new part.
func (w *writer) flush() error {
	if err := w.renew(); err != nil {
		return err
	}
	if err := w.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	w.left = 0
	if w.http2 {
		// Over HTTP/2 a deadline that passes resets the stream even if nothing
		// is being written then, so silence must not have one.
		err := w.control.SetWriteDeadline(time.Time{})
		if !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	return nil
}

// finish gives what net/http writes after the handler a deadline.
func (w *writer) finish() { _ = w.renew() }

// ended says why a write failed.
func ended(err error) End {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return EndSlow
	}
	return EndClient
}
