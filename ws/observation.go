//go:build !js

package ws

import (
	"slices"
	"sync"

	"github.com/godwit-io/godwit/ws/wire"
)

// observation has what an Observer is to be told of one connection. Frames are
// noted where a lock is held and told where none is, in their order, by the first
// goroutine that finds no other at it.
type observation struct {
	observer Observer
	conn     *Conn

	mu      sync.Mutex // guards what follows
	frames  []Frame    // noted and not told
	closed  *CloseError
	over    bool // nothing is told after the end
	telling bool
}

// observe makes c's settings its own, with an observation in them, if it has an
// Observer. Other connections pay nothing for that there are Observers.
func (s *settings) observe(c *Conn) *settings {
	if s.Observer == nil {
		return s
	}
	own := *s
	o := &observation{observer: s.Observer, conn: c}
	own.observation = o
	own.protocol.Observe = o.note
	return &own
}

// open tells the beginning.
func (o *observation) open() {
	o.mu.Lock()
	o.telling = true
	o.mu.Unlock()
	o.observer.OnOpen(o.conn)
	o.mu.Lock()
	o.telling = false
	o.mu.Unlock()
	o.tell()
}

func (o *observation) note(sent bool, h wire.Header) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	o.frames = append(o.frames, Frame{
		Sent: sent, Opcode: h.Opcode, Fin: h.Fin, Compressed: h.RSV&wire.RSV1 != 0, Bytes: h.Length,
	})
}

// noteEncoded notes frames that are sent and were encoded elsewhere.
func (c *Conn) noteEncoded(p []byte) {
	o := c.options.observation
	for o != nil && len(p) > 0 {
		h, n, err := wire.ParseHeader(p)
		if n == 0 || err != nil || h.Length > int64(len(p)-n) {
			return // what it is, only its caller knows
		}
		o.note(true, h)
		p = p[n+int(h.Length):]
	}
}

// end notes the end.
func (o *observation) end(e *CloseError) {
	o.mu.Lock()
	o.closed, o.over = e, true
	o.mu.Unlock()
}

// tellObserver tells c's Observer, if there is one, what was noted. No lock may be
// held.
func (c *Conn) tellObserver() {
	if o := c.options.observation; o != nil {
		o.tell()
	}
}

// tell tells what was noted. No lock may be held.
func (o *observation) tell() {
	o.mu.Lock()
	if o.telling {
		o.mu.Unlock()
		return
	}
	o.telling = true
	var frames []Frame
	for len(o.frames) > 0 || o.closed != nil {
		frames = append(frames[:0], o.frames...)
		o.frames = slices.Delete(o.frames, 0, len(o.frames))
		closed := o.closed
		o.closed = nil
		o.mu.Unlock()
		for _, f := range frames {
			o.observer.OnFrame(o.conn, f)
		}
		if closed != nil {
			o.observer.OnClose(o.conn, closed)
		}
		o.mu.Lock()
	}
	o.telling = false
	o.mu.Unlock()
}
