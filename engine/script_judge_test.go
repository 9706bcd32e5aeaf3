//go:build linux

package engine

import (
	"bytes"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// judge is the handler in a world: an echo that does what some messages say and
// holds the engine to what Handler promises.
type judge struct{ w *world }

func (j judge) OnOpen(c *Conn) {
	p := j.w.sockets[c.fd]
	if p.opened || p.conn != nil {
		j.w.t.Fatal("OnOpen comes twice")
	}
	p.opened, p.conn = true, c
	c.SetValue(p)
}

// open returns the peer of c, which a callback is for.
func (j judge) open(c *Conn, callback string) *peer {
	p, ok := c.Value().(*peer)
	if !ok || p.conn != c || p.ended != nil {
		j.w.t.Fatalf("%s outside of OnOpen and OnClose", callback)
	}
	return p
}

func (j judge) OnMessage(c *Conn, typ MessageType, b []byte) {
	p := j.open(c, "OnMessage")
	switch {
	case p.closing:
		j.w.t.Fatal("OnMessage after Close")
	case p.heard == len(p.messages) || string(b) != p.messages[p.heard]:
		j.w.t.Fatalf("message %d is %.100q", p.heard, b)
	}
	p.heard++
	switch string(b) {
	case "close":
		p.closing, p.disturbed = true, true
		_ = c.Close(4000, "as you wish")
	case "now":
		p.closing, p.disturbed = true, true
		c.CloseNow()
	case "panic":
		p.closing, p.disturbed = true, true
		panic("as you wish")
	case "many":
		for range 40 {
			p.says(MessageBinary, strings.Repeat("0123456789", 100))
		}
	default:
		p.says(typ, string(b))
	}
	if most := max(c.settings.QueueBytesMax, 1<<17) + 1<<16; c.Buffered() > most {
		j.w.t.Fatalf("%d bytes are buffered", c.Buffered())
	}
}

func (j judge) OnDrain(c *Conn) {
	if j.open(c, "OnDrain"); c.Buffered() != 0 {
		j.w.t.Fatalf("OnDrain with %d bytes buffered", c.Buffered())
	}
}

func (j judge) OnWake(c *Conn) { j.open(c, "OnWake").says(MessageText, "awake") }

func (j judge) OnClose(c *Conn, err *CloseError) {
	p := j.open(c, "OnClose")
	if p.ended = err; err == nil || c.Err() != error(err) {
		j.w.t.Fatalf("OnClose has %v, Err %v", err, c.Err())
	}
	if got := c.Write(MessageText, nil); got != error(err) {
		j.w.t.Fatalf("a write in OnClose returns %v", got)
	}
}

// released checks that nothing is held for anyone when nothing can happen.
func (w *world) released() {
	l := w.loop
	for _, c := range l.conns {
		if c != nil {
			w.t.Fatalf("a connection waits for ever: state %d, mode %b, flags %b, queued %d", c.state, c.mode, c.flags, c.queued)
		}
	}
	switch {
	case len(w.sockets) > 0 || len(w.waiting) > 0:
		w.t.Fatalf("%d descriptors are open, %d connections were not accepted", len(w.sockets), len(w.waiting))
	case l.wheel.Len() != 0 || l.open.Load() != 0 || !l.server.isEmpty():
		w.t.Fatalf("%d timers, %d and %d connections are left", l.wheel.Len(), l.open.Load(), l.server.count.Load())
	case l.tally.QueueBytes != 0 || len(l.cork.Bytes) != 0:
		w.t.Fatalf("%d bytes are counted as queued, %d are in the cork", l.tally.QueueBytes, len(l.cork.Bytes))
	case len(l.free) != len(l.conns):
		w.t.Fatalf("%d slots of %d are free", len(l.free), len(l.conns))
	}
	for _, p := range w.peers {
		if c := p.conn; c != nil && (c.out != nil || c.message != nil || c.queued != 0 || c.fd >= 0) {
			w.t.Fatalf("a connection that has ended holds %v %v %d %d", c.out, c.message, c.queued, c.fd)
		}
	}
}

// verdict checks what each peer has seen.
func (w *world) verdict() {
	for _, p := range w.peers {
		if p.opened && p.ended == nil {
			w.t.Fatal("OnClose did not come")
		}
		w.judge(p)
	}
}

func (w *world) judge(p *peer) {
	refusal := "HTTP/1.1 4"
	if p.disturbed && len(p.got) > len("HTTP/1.1 ") && p.got[len("HTTP/1.1 ")] == '5' {
		refusal = "HTTP/1.1 503 " // time jumped twice in a row: the loop took itself to be behind
	}
	head := string(p.got[:min(len(p.got), len(scriptResponse))])
	if !p.opened {
		if !strings.HasPrefix(refusal, head[:min(len(head), len(refusal))]) {
			w.t.Fatalf("got %q without OnOpen", p.got)
		}
		return
	}
	if !strings.HasPrefix(scriptResponse, head) {
		w.t.Fatalf("got %q where the response was expected", head)
	}
	rest, owed, pings := p.got[len(head):], p.owed, p.pings
	closed := false
	for len(rest) > 0 && len(head) == len(scriptResponse) {
		h, n, err := wire.ParseHeader(rest)
		if err != nil || closed {
			w.t.Fatalf("got %.100q, %v, behind a close frame: %v", rest, err, closed)
		}
		if n == 0 || int64(len(rest)-n) < h.Length {
			break // it was cut
		}
		frame := rest[:n+int(h.Length)]
		rest = rest[len(frame):]
		switch payload := string(frame[n:]); h.Opcode {
		case wire.Pong: // RFC 6455 §5.5.3: of several pings the newest may be answered alone
			i := slices.Index(pings, payload)
			if i < 0 {
				w.t.Fatalf("a pong with %q, and the pings left are %q", payload, pings)
			}
			pings = pings[i+1:]
		case wire.Ping:
		case wire.Close:
			closed = true
		default:
			if len(owed) == 0 || !bytes.Equal(frame, owed[0]) {
				w.t.Fatalf("got %.50q, %d messages before the last", frame, len(owed))
			}
			owed = owed[1:]
		}
	}
	if len(rest) > 0 && rest[0]&0x0f < byte(wire.Close) && (len(owed) == 0 || !bytes.HasPrefix(owed[0], rest)) {
		w.t.Fatalf("got %.50q at the end", rest)
	}
	if p.disturbed {
		return
	}
	// Nothing was done to it that may not be done to anyone: it has got everything.
	if p.heard != len(p.messages) || len(owed) > 0 || len(rest) > 0 || !closed {
		w.t.Fatalf("%d of %d messages were heard, %d echoes and %q are missing, close frame: %v; %v",
			p.heard, len(p.messages), len(owed), rest, closed, p.ended)
	}
}
