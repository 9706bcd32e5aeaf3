package httpcarrier

import (
	"errors"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/ws/driver"
)

// send sends what there is. done says that the response is complete.
func (x *httpExchange) send() (done bool, err error) {
	x.mu.Lock()
	if x.aborted {
		x.mu.Unlock()
		return false, errAborted
	}
	status, header, last := x.status, x.header, x.last
	x.status, x.header = 0, nil
	out := x.queue
	x.queue, x.spare = x.spare, chunks{}
	x.sending = len(out.bytes)
	done = x.phase == phaseDone
	x.mu.Unlock()
	if status != 0 {
		x.sendHead(status, header, last)
	}
	if err = x.sendChunks(&out, status != 0, header["Content-Length"] != nil); err != nil {
		return false, x.ended(err)
	}
	if done {
		// It is for what net/http sends behind the handler. A client that has gone is
		// noticed there.
		_ = x.renew(0)
	}
	out.reset()
	x.mu.Lock()
	x.spare = out
	x.mu.Unlock()
	return done, nil
}

// sendHead hands the head of the response to net/http, which sends it with what follows.
func (x *httpExchange) sendHead(status int, header http.Header, last bool) {
	h := x.w.Header()
	for name, values := range header {
		h[name] = values
	}
	if _, ok := header["Content-Type"]; !ok {
		h["Content-Type"] = nil // net/http would guess
	}
	if last && x.r.ProtoMajor == 1 {
		h["Connection"] = []string{"close"} // HTTP/2 ends the stream alone
	}
	x.w.WriteHeader(status)
}

// sendChunks sends each of out by itself. A response that is whole may leave in parts, and a
// head that is new leaves without any.
func (x *httpExchange) sendChunks(out *chunks, isNew, isWhole bool) error {
	begin := 0
	for _, end := range out.ends {
		p := out.bytes[begin:end]
		begin = end
		for isWhole && len(p) > writePart { // its length is known, so it is not divided on the wire
			if err := x.write(p[:writePart]); err != nil {
				return err
			}
			p = p[writePart:]
		}
		if err := x.write(p); err != nil {
			return err
		}
		if err := x.flush(); err != nil {
			return err
		}
		x.mu.Lock()
		x.sending = len(out.bytes) - end
		x.mu.Unlock()
	}
	if isNew && len(out.ends) == 0 {
		if err := x.renew(0); err != nil {
			return err
		}
		return x.flush()
	}
	return nil
}

// writePart is how many bytes a client has the time of WriteTimeout to take: much takes
// longer over a slow link than a client that does not read at all.
const writePart = 32 << 10

// write gives p the time that its length takes. It is one chunk.
func (x *httpExchange) write(p []byte) error {
	if err := x.renew(len(p)); err != nil {
		return err
	}
	_, err := x.w.Write(p)
	return err
}

// renew sets a new deadline, for size bytes. A writer without deadlines is one in memory,
// which never blocks.
func (x *httpExchange) renew(size int) error {
	parts := time.Duration(size/writePart + 1)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.aborted {
		return errAborted
	}
	if x.writeTimeout >= driver.Forever {
		return nil
	}
	err := x.control.SetWriteDeadline(time.Now().Add(parts * x.writeTimeout))
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// flush sends what was written.
func (x *httpExchange) flush() error {
	if err := x.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if x.r.ProtoMajor == 1 {
		return nil
	}
	// Over HTTP/2 a deadline that passes resets the stream even if nothing is being
	// written then, so silence must not have one.
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.control.SetWriteDeadline(time.Time{}); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
