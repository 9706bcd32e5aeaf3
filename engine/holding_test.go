package engine_test

import (
	"bytes"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// relay sends what it gets to a subscriber.
type relay struct {
	engine.NopHandler
	opened     chan *engine.Conn
	subscriber atomic.Pointer[engine.Conn]
	full       atomic.Int64
}

func (h *relay) OnOpen(c *engine.Conn) { h.opened <- c }

func (h *relay) OnMessage(_ *engine.Conn, typ engine.MessageType, p []byte) {
	if h.subscriber.Load().Write(typ, p) != nil {
		h.full.Add(1)
	}
}

// A read with thousands of messages in it is delivered in parts, so a queue that
// takes a few turns' worth is not full.
func TestAReadIsDeliveredInParts(t *testing.T) {
	h := &relay{opened: make(chan *engine.Conn, 2)}
	s := &engine.Server{Handler: h, Loops: 1, Options: engine.Options{QueueMessagesMax: 200}}
	address := start(t, s)
	subscriber := upgrade(t, address)
	h.subscriber.Store(next(t, h.opened))
	publisher := upgrade(t, address)
	const messages = 20_000
	go func() {
		var all []byte
		for i := range messages {
			all = append(all, text(strconv.Itoa(i))...)
		}
		_, _ = publisher.Write(all)
	}()
	for i := range messages {
		subscriber.expect(t, wire.Text, strconv.Itoa(i))
		if h.full.Load() > 0 {
			t.Fatalf("the queue was full after %d messages", i)
		}
	}
}

// pauses is a handler that takes notes, and pauses at some messages.
type pauses struct{ *notes }

func (h pauses) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	if bytes.HasPrefix(p, []byte("pause")) {
		c.PauseReading()
	}
	h.notes.OnMessage(c, typ, p)
}

func (n *notes) silent(t *testing.T) {
	t.Helper()
	select {
	case m := <-n.message:
		t.Errorf("%q was handed on in a pause", m)
	default:
	}
}

func TestPauseReading(t *testing.T) {
	a := newAuthority(t)
	for form, listen := range map[string]func(testing.TB, *engine.Server) func() net.Conn{"plain": listenTCP, "TLS": listenTLS(a.server(t), a.client())} {
		t.Run(form, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				n := newNotes()
				s.Handler = pauses{n}
				connect := listen(t, s)
				open := func() (*raw, *engine.Conn) {
					c := rawConn(t, connect())
					c.send(t, []byte(opening))
					c.switched(t)
					return c, next(t, n.open)
				}
				c, conn := open()
				expect := func(want string) {
					t.Helper()
					if got := next(t, n.message); got != want {
						t.Fatalf("%q, want %q", got, want)
					}
				}
				// Input that comes with the message, and behind it, waits.
				c.send(t, append(text("pause 1"), text("with it")...))
				expect("pause 1")
				c.send(t, bytes.Repeat(text("behind"), 100))
				if err := conn.Write(engine.MessageText, []byte("written in a pause")); err != nil {
					t.Fatal(err)
				}
				c.expect(t, wire.Text, "written in a pause")
				n.silent(t)
				conn.ResumeReading()
				conn.ResumeReading()
				expect("with it")
				for range 100 {
					expect("behind")
				}
				// Again, in the middle of something.
				frames := append(text("pause 2"), text("a")...)
				c.send(t, frames[:len(frames)-1])
				expect("pause 2")
				c.send(t, frames[len(frames)-1:])
				_ = conn.Write(engine.MessageText, []byte("still"))
				c.expect(t, wire.Text, "still")
				n.silent(t)
				conn.ResumeReading()
				expect("a")
				// Close reads again, and what was kept is not wanted.
				c.send(t, append(text("pause 3"), text("never")...))
				expect("pause 3")
				_ = conn.Close(1000, "")
				c.expect(t, wire.Close, "\x03\xe8")
				c.send(t, closing(1000))
				c.ends(t)
				if end := next(t, n.end); end.Err != nil || end.Code != 1000 {
					t.Errorf("%+v", end)
				}
				n.silent(t)
				// A peer that has gone is noticed when reading goes on.
				c, conn = open()
				c.send(t, text("pause 4"))
				expect("pause 4")
				c.Close()
				conn.ResumeReading()
				next(t, n.end)
				// CloseNow needs no reading.
				c, conn = open()
				c.send(t, append(text("pause 5"), text("never")...))
				expect("pause 5")
				conn.CloseNow()
				next(t, n.end)
				n.silent(t)
			})
		})
	}
}

// A connection that is paused is not closed for the peer's silence, and lives on
// afterwards.
func TestPausesHaveNoTimeout(t *testing.T) {
	s := &engine.Server{Options: engine.Options{IdleTimeout: time.Minute}}
	synctest.Test(t, func(t *testing.T) {
		n, m := newNotes(), newMemory()
		s.Handler, s.Loops = pauses{n}, 1
		s.UseStreams()
		serve(t, s, m)
		c := m.upgrade(t)
		conn := <-n.open
		c.send(t, text("pause"))
		<-n.message
		time.Sleep(time.Hour)
		conn.ResumeReading()
		c.send(t, text("after"))
		if got := <-n.message; got != "after" {
			t.Errorf("%q", got)
		}
		began := time.Now()
		if h, _ := c.frame(t); h.Opcode != wire.Ping { // keepalive goes on
			t.Errorf("%v", h.Opcode)
		}
		if took := time.Since(began); took > engine.DefaultPingInterval+2*time.Second {
			t.Errorf("the ping came after %v", took)
		}
	})
}
