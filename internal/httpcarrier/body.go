package httpcarrier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// bodies are for the content of requests, which is not kept.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// bodyKept is how long a content may be whose memory is used again.
const bodyKept = 64 << 10

// takeBody reads the content of the request and makes the first call. It returns an error
// if the content does not arrive.
func (x *httpExchange) takeBody(route *Route) error {
	most := int64(route.BodyBytesMax)
	switch {
	case most == 0:
		most = engine.DefaultBodyBytesMax
	case most < 0:
		most = 0
	}
	if length := x.r.ContentLength; length > most {
		x.tooLarge(length)
		return nil
	}
	if x.r.Body == nil || x.r.Body == http.NoBody || x.r.ContentLength == 0 {
		// The server may have given the request a time, which a response that lasts
		// outlives.
		_ = x.control.SetReadDeadline(time.Time{})
		x.responder.OnBody(x, nil)
		return nil
	}
	b := bodies.Get().(*bytes.Buffer)
	defer func() {
		if b.Cap() <= bodyKept {
			b.Reset()
			bodies.Put(b)
		}
	}()
	// A writer without deadlines is one in memory, which has all of the content.
	_ = x.control.SetReadDeadline(time.Now().Add(route.BodyTimeout))
	var limited *http.MaxBytesError // of the program around
	n, err := b.ReadFrom(io.LimitReader(x.r.Body, most+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		if err := x.refuse(http.StatusRequestTimeout, "the content of the request did not arrive in time\n"); err != nil {
			return err
		}
		return engine.ErrBodyTimeout
	case errors.As(err, &limited):
		x.tooLarge(limited.Limit + 1)
		return nil
	case err != nil:
		return fmt.Errorf("%w: %w", engine.ErrClientGone, err)
	}
	// net/http waits for the end of the connection from here on, and takes a deadline that
	// passes for it.
	_ = x.control.SetReadDeadline(time.Time{})
	if n > most {
		x.tooLarge(n)
		return nil
	}
	x.responder.OnBody(x, b.Bytes())
	return nil
}

// tooLarge says so. The connection ends behind the answer.
func (x *httpExchange) tooLarge(length int64) {
	x.CloseAfter()
	x.responder.OnTooLarge(x, length)
}

// refuse answers a request that the responder has not been asked about.
func (x *httpExchange) refuse(status int, text string) error {
	x.CloseAfter()
	if err := x.Respond(status, plainText, []byte(text)); err != nil {
		return err
	}
	_, err := x.send()
	x.answered = err == nil
	return err
}

var plainText, _ = engine.AppendField(nil, "Content-Type", "text/plain; charset=utf-8")
