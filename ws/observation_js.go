package ws

import (
	"log/slog"
	"sync"

	"github.com/godwit-io/godwit/ws/wire"
)

// observation has what an Observer is to be told of one connection. It is noted
// anywhere and told, in its order, by the first goroutine that finds no other at
// it. A nil one does nothing.
type observation struct {
	observer Observer
	conn     *Conn

	mu      sync.Mutex // guards what follows; taken after Conn.mu
	untold  []func()
	telling bool
}

// newObservation tells nothing before open.
func newObservation(c *Conn, observer Observer) *observation {
	if observer == nil {
		return nil
	}
	return &observation{observer: observer, conn: c, telling: true}
}

// open tells the beginning.
func (o *observation) open() {
	if o == nil {
		return
	}
	o.observer.OnOpen(o.conn)
	o.mu.Lock()
	o.telling = false
	o.mu.Unlock()
	o.tell()
}

// message notes a message, of which a page does not see the frames, nor whether
// it is compressed.
func (o *observation) message(sent bool, typ MessageType, bytes int) {
	if o == nil {
		return
	}
	f := Frame{Sent: sent, Opcode: wire.Opcode(typ), Fin: true, Bytes: int64(bytes)}
	o.note(func() { o.observer.OnFrame(o.conn, f) })
}

// end notes the end.
func (o *observation) end(e *CloseError) {
	if o == nil {
		return
	}
	o.note(func() { o.observer.OnClose(o.conn, e) })
}

func (o *observation) note(event func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.untold = append(o.untold, event)
}

// tell tells what was noted. No lock may be held, and no event handler may call
// it, as an Observer may take its time: the page would stand still.
func (o *observation) tell() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.telling && len(o.untold) > 0 {
		events := o.untold
		o.untold, o.telling = nil, true
		o.mu.Unlock()
		for _, event := range events {
			event()
		}
		o.mu.Lock()
		o.telling = false
	}
}

// LogValue implements slog.LogValuer: the URL and what was agreed on.
func (c *Conn) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("remote", c.url)}
	if c.subprotocol != "" {
		attrs = append(attrs, slog.String("subprotocol", c.subprotocol))
	}
	return slog.GroupValue(append(attrs, slog.Bool("compressed", c.compressed))...)
}
