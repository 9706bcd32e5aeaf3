package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// waits is an echo of which "wait" holds a call until the test lets it go.
type waits struct {
	*notes
	entered chan string
	leave   chan struct{}
}

func newWaits() waits {
	return waits{newNotes(), make(chan string, 100), make(chan struct{})}
}

func (h waits) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	h.notes.OnMessage(c, typ, p)
	if s := string(p); strings.HasPrefix(s, "wait") {
		h.entered <- s
		<-h.leave
		if string(p) != s {
			panic("the payload has changed")
		}
	}
	_ = c.Write(typ, p)
}

// A handler that conforms on the loop conforms in the pool.
func TestBlockingConformance(t *testing.T) {
	if testing.Short() {
		t.Skip("the whole suite takes ten seconds")
	}
	skipUnderRace(t)
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = engine.Blocking(echo{})
		s.Subprotocols = []string{"echo", "chat"}
		s.Options = engine.Options{CloseTimeout: 5 * time.Second, Compression: &deflate.Options{}}
		conforms(t, "ws://"+start(t, s)+"/echo?x=1")
	})
}

// A call that blocks delays nobody else, and its own connection's pings are
// answered. Frames behind the message wait, the close frame too.
func TestBlockingDelaysNobody(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newWaits()
		s.Handler, s.Loops = engine.Blocking(h), 1
		address := start(t, s)
		slow, quick := upgrade(t, address), upgrade(t, address)
		slow.send(t, text("wait"))
		next(t, h.entered)
		for i := range 10 {
			m := fmt.Sprint(i)
			quick.send(t, text(m))
			quick.expect(t, wire.Text, m)
		}
		slow.send(t, masked(true, wire.Ping, "there?"))
		slow.expect(t, wire.Pong, "there?")
		slow.send(t, append(append(text("next"), text("last")...), closing(1000)...))
		quick.send(t, text("still quick"))
		quick.expect(t, wire.Text, "still quick")
		close(h.leave)
		slow.expect(t, wire.Text, "wait")
		slow.expect(t, wire.Text, "next")
		slow.expect(t, wire.Text, "last")
		slow.closes(t, 1000)
		if end := next(t, h.end); end.Code != 1000 || end.Err != nil {
			t.Errorf("%+v", end)
		}
	})
}

// ordered checks that the calls of a connection come one after another, in order.
type ordered struct {
	engine.NopHandler
	calls  atomic.Int64 // of all connections
	faults chan string
	ended  chan struct{}
}

// progress is what has happened on a connection. Only its calls touch it, and the
// race detector sees if two do at the same time.
type progress struct {
	opened, closed bool
	messages       int
	wakes          int
}

func (h *ordered) at(c *engine.Conn, ok func(p *progress) bool) {
	p := c.Value().(*progress)
	runtime.Gosched()
	if !ok(p) {
		select {
		case h.faults <- fmt.Sprintf("%+v", *p):
		default: // one is enough
		}
	}
	h.calls.Add(1)
}

func (h *ordered) OnOpen(c *engine.Conn) {
	h.at(c, func(p *progress) bool { p.opened = true; return p.messages == 0 && !p.closed })
}

func (h *ordered) OnMessage(c *engine.Conn, typ engine.MessageType, m []byte) {
	h.at(c, func(p *progress) bool {
		p.messages++
		return p.opened && !p.closed && string(m[:6]) == fmt.Sprintf("%06d", p.messages)
	})
	_ = c.Write(typ, m)
	c.Wake()
	clear(m) // it is ours until we return
}

func (h *ordered) OnWake(c *engine.Conn) {
	h.at(c, func(p *progress) bool { p.wakes++; return p.opened && !p.closed && p.wakes <= p.messages })
}

func (h *ordered) OnClose(c *engine.Conn, _ *engine.CloseError) {
	h.at(c, func(p *progress) bool { was := p.closed; p.closed = true; return p.opened && !was })
	h.ended <- struct{}{}
}

// Many connections, more than workers, send without waiting for answers, and
// every answer comes, in order. Some are handled on the loop.
func TestBlockingKeepsOrder(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		const conns = 24
		h := &ordered{faults: make(chan string, 1), ended: make(chan struct{}, conns)}
		s.Handler, s.Workers = engine.Blocking(h), 3
		s.Admit = func(r *engine.Request) engine.Admission {
			a := engine.Admission{Value: new(progress)}
			if r.Path() == "/inline" {
				a.Handler = h
			}
			return a
		}
		s.Options.Compression = &deflate.Options{}
		address := start(t, s)
		var clients sync.WaitGroup
		for i := range conns {
			clients.Go(func() {
				url := "ws://" + address + "/"
				if i%4 == 0 {
					url += "inline"
				}
				options := &ws.DialOptions{}
				if i%3 == 0 {
					options.Compression = &deflate.Options{}
				}
				c, _, err := ws.Dial(within(t), url, options)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.CloseNow()
				size, messages := []int{6, 100, 2_000, 90_000}[i%4], []int{200, 200, 200, 20}[i%4]
				message := func(n int) string { return fmt.Sprintf("%06d%s", n, strings.Repeat("x", size-6)) }
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for n := range messages {
						if err := c.Write(within(t), ws.MessageText, []byte(message(n+1))); err != nil {
							return // the reader says what it was
						}
					}
				}()
				for n := range messages {
					if _, p, err := c.Read(within(t)); err != nil || string(p) != message(n+1) {
						t.Errorf("connection %d, message %d: %.20q of %d bytes, %v", i, n+1, p, len(p), err)
						return
					}
				}
				<-sent
				_ = c.Close(ws.StatusNormal, "")
			})
		}
		clients.Wait()
		for range conns {
			next(t, h.ended)
		}
		select {
		case f := <-h.faults:
			t.Error("out of order:", f)
		default:
		}
		if h.calls.Load() < conns/4*(3*200+20)+2*conns {
			t.Errorf("%d calls", h.calls.Load())
		}
	})
}

// Many messages in one read are handed on one by one, and answered.
func TestBlockingTinyMessages(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = engine.Blocking(echo{})
		c := upgrade(t, start(t, s))
		const messages = 30_000
		go c.Write(bytes.Repeat(text(""), messages)) // the reader finds out what is missing
		for range messages {
			c.expect(t, wire.Text, "")
		}
	})
}

// No more calls run than there are workers, the next in the queue gets the first
// that is free, and it is said that all are busy, once.
func TestWorkersAreBounded(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		const workers, conns = 3, 8
		j := newJournal()
		h := newWaits()
		s.Handler, s.Workers, s.Log, s.StallAfter = engine.Blocking(h), workers, j.logger(), 10*time.Millisecond
		address := start(t, s)
		clients := make([]*raw, conns)
		for i := range clients {
			clients[i] = upgrade(t, address)
			next(t, h.open) // a worker had time for it
		}
		for i, c := range clients {
			c.send(t, text(fmt.Sprintf("wait %d", i)))
		}
		for range workers {
			next(t, h.entered)
		}
		j.wait(t, "every worker is busy", "engine_test.waits", "workers=3")
		for left := conns - workers; left > 0; left-- {
			select {
			case m := <-h.entered:
				t.Fatalf("%q runs beside %d others", m, workers)
			default:
			}
			h.leave <- struct{}{}
			next(t, h.entered)
		}
		close(h.leave)
		for i, c := range clients {
			c.expect(t, wire.Text, fmt.Sprintf("wait %d", i))
		}
	})
}

// A peer whose messages wait can send no more than a buffer or two of them.
func TestBlockingHoldsThePeerBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newWaits()
		m := newMemory()
		s := &engine.Server{Handler: engine.Blocking(h), Options: engine.Options{IdleTimeout: time.Minute}}
		s.UseStreams()
		serve(t, s, m)
		c := m.upgrade(t)
		c.send(t, text("wait"))
		next(t, h.entered)
		const messages = 900
		var sent atomic.Int64
		p := masked(true, wire.Binary, strings.Repeat("x", 1000))
		go func() {
			for range messages {
				n, _ := c.Write(p) // the reader finds out what is missing
				sent.Add(int64(n))
			}
		}()
		synctest.Wait()
		if n := sent.Load(); n > 128<<10 {
			t.Errorf("%d bytes were taken while the first message is being handled", n)
		}
		// However long it takes: the peer cannot show that it lives, and what it
		// has said waits. Neither keepalive nor IdleTimeout may end that.
		time.Sleep(10 * time.Minute)
		close(h.leave)
		c.expect(t, wire.Text, "wait")
		for answered := 0; answered < messages; {
			switch h, p := c.frame(t); {
			case h.Opcode == wire.Binary && len(p) == 1000:
				answered++
			case h.Opcode != wire.Ping: // keepalive is late
				t.Fatalf("%v %.50q", h.Opcode, p)
			}
		}
		c.send(t, closing(1000))
		c.closes(t, 1000)
		if end := next(t, h.end); end.Code != 1000 {
			t.Errorf("%+v", end)
		}
	})
}

// The peer resets the connection while a message is handled and others wait:
// nothing spins, and everything is called that is to be, OnClose at last.
func TestPeerVanishesBehindACall(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newWaits()
		s.Handler, s.Loops = engine.Blocking(h), 1
		address := start(t, s)
		c, other := upgrade(t, address), upgrade(t, address)
		c.send(t, text("wait"))
		next(t, h.entered)
		for range 3 { // each is seen by the loop, and held or left where it is
			c.send(t, text("behind"))
			other.send(t, text("turn"))
			other.expect(t, wire.Text, "turn")
		}
		_ = c.Conn.(*net.TCPConn).SetLinger(0)
		c.Close()
		const trips = 200
		turns := s.Turns()
		for range trips {
			other.send(t, text("turn"))
			other.expect(t, wire.Text, "turn")
		}
		if n := s.Turns() - turns; n > 10*trips {
			t.Errorf("%d turns for %d messages: the loop spins", n, trips)
		}
		if len(h.end) != 0 {
			t.Error("OnClose came before the call was over")
		}
		close(h.leave)
		if end := next(t, h.end); end.Code != wire.CloseAbnormal || end.Err == nil {
			t.Errorf("%+v", end)
		}
	})
}

// Close and CloseNow in a call, and beside one: no message comes after it, and
// the end comes although the peer's bytes were not read.
func TestCloseWhileACallRuns(t *testing.T) {
	for _, now := range []bool{false, true} {
		drivers(t, func(t *testing.T, s *engine.Server) {
			h := newWaits()
			s.Handler, s.Loops = engine.Blocking(h), 1
			c := upgrade(t, start(t, s))
			conn := next(t, h.open)
			c.send(t, text("wait"))
			next(t, h.entered)
			next(t, h.message)
			c.send(t, append(text("unwanted"), text("unwanted")...))
			if now {
				conn.CloseNow()
				_, _ = io.Copy(io.Discard, c.r) // an end or a reset, as something was not read
			} else {
				_ = conn.Close(4000, "")
				c.expect(t, wire.Close, "\x0f\xa0")
				c.send(t, append(text("unwanted"), closing(4000)...))
				c.ends(t)
			}
			if len(h.end) != 0 {
				t.Error("OnClose came before the call was over")
			}
			close(h.leave)
			next(t, h.end)
			if len(h.message) != 0 {
				t.Errorf("%q was handed on after Close", <-h.message)
			}
		})
	}
}

// The handler of a connection can be changed at any time, from the loop to the
// pool and back.
func TestChangingToBlockingAndBack(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		inline, pooled := newWaits(), newWaits()
		close(inline.leave)
		s.Handler = inline
		c := upgrade(t, start(t, s))
		conn := next(t, inline.open)
		c.send(t, text("1"))
		c.expect(t, wire.Text, "1")
		conn.SetHandler(engine.Blocking(engine.Blocking(pooled)))
		c.send(t, append(text("wait"), text("3")...))
		next(t, pooled.entered)
		conn.SetHandler(nil)
		close(pooled.leave)
		c.expect(t, wire.Text, "wait")
		c.expect(t, wire.Text, "3")
		c.send(t, closing(1000))
		c.closes(t, 1000)
		next(t, inline.end)
		if len(inline.message) != 2 || len(pooled.message) != 1 {
			t.Errorf("%d messages on the loop, %d in the pool", len(inline.message), len(pooled.message))
		}
	})
}

// Shutdown waits for calls, as long as it may; Close does not.
func TestShutdownWaitsForCalls(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newWaits()
		s.Handler = engine.Blocking(h)
		c := upgrade(t, start(t, s))
		c.send(t, text("wait"))
		next(t, h.entered)
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Shutdown(impatient); !errors.Is(err, context.Canceled) {
			t.Errorf("Shutdown with a call under way: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if len(h.end) != 0 {
			t.Error("OnClose came before the call was over")
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Shutdown(within(t)) }()
		h.leave <- struct{}{}
		if err := next(t, ended); err != nil {
			t.Error(err)
		}
		if len(h.end) != 1 {
			t.Error("Shutdown has returned before OnClose")
		}
	})
}

// OnDrain comes to blocking handlers, too.
func TestBlockingDrain(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		h := newNotes()
		s.Handler = engine.Blocking(h)
		c := upgrade(t, start(t, s))
		conn := next(t, h.open)
		big := strings.Repeat("x", 60_000)
		n := 0
		for conn.Write(engine.MessageBinary, []byte(big)) == nil {
			n++
		}
		for range n {
			c.expect(t, wire.Binary, big)
		}
		if next(t, h.drain) != conn || conn.Buffered() != 0 {
			t.Error("not drained")
		}
	})
}
