package httpcarrier_test

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
	"github.com/godwit-io/godwit/ws/wstest"
)

// socket is a Handler of functions. It checks that its calls come one after another, in
// order.
type socket struct {
	t       *testing.T
	open    func(c Conn)
	message func(c Conn, text string)
	wake    func(c Conn)
	drain   func(c Conn)
	opened  chan Conn
	closed  chan *driver.CloseError

	turn          sync.Mutex // is never waited for
	isOpen, ended bool
}

func (s *socket) inTurn(f func()) {
	if !s.turn.TryLock() {
		s.t.Error("two calls at a time")
		return
	}
	defer s.turn.Unlock()
	if !s.isOpen || s.ended {
		s.t.Error("a call before OnOpen or after OnClose")
	}
	f()
}

func (s *socket) OnOpen(c Conn) {
	s.isOpen = true
	s.inTurn(func() {
		if s.open != nil {
			s.open(c)
		}
	})
	s.opened <- c
}

func (s *socket) OnMessage(c Conn, _ driver.MessageType, p []byte) {
	s.inTurn(func() {
		if s.message != nil {
			s.message(c, string(p))
		}
	})
}

func (s *socket) OnWake(c Conn) {
	s.inTurn(func() {
		if s.wake != nil {
			s.wake(c)
		}
	})
}

func (s *socket) OnDrain(c Conn) {
	s.inTurn(func() {
		if s.drain != nil {
			s.drain(c)
		}
	})
}

func (s *socket) OnClose(_ Conn, err *driver.CloseError) {
	s.inTurn(func() { s.ended = true })
	s.closed <- err
}

// accept has h serve every request for a WebSocket.
func (w *world) accept(h *socket, a Admission) *socket {
	h.t, h.opened, h.closed = w.t, make(chan Conn, 1), make(chan *driver.CloseError, 1)
	a.Handler = h
	w.admitting(func(*Request) Admission { return a })
	return h
}

const opening = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

// upgrade opens a WebSocket.
func (w *world) upgrade() *wstest.Peer {
	w.t.Helper()
	c := w.dial()
	c.send(opening)
	if r := c.head("GET"); r.StatusCode != 101 {
		w.t.Fatalf("%v", r)
	}
	if c.r.Buffered() > 0 {
		w.t.Fatal("frames came with the response; read them with c.r")
	}
	return wstest.NewPeer(w.t, c.Conn, true)
}

func text(s string) []byte { return wire.AppendFrame(nil, true, wire.Text, []byte(s)) }

func TestConversation(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := w.accept(&socket{message: func(c Conn, text string) {
			if err := c.Write(driver.MessageText, []byte("got "+text)); err != nil {
				t.Error(err)
			}
		}, wake: func(c Conn) {
			frames := append(text("two"), wire.AppendFrame(nil, true, wire.Binary, []byte("three"))...)
			if err := c.WriteFrames(text("one"), frames); err != nil {
				t.Error(err)
			}
		}}, Admission{})
		p := w.upgrade()
		c := next(t, h.opened)
		if c.RemoteAddr() == nil {
			t.Error("it has an address")
		}
		p.Text("a")
		p.Want(`text "got a"`)
		c.Wake()
		for _, want := range []string{`text "one"`, `text "two"`, `binary "three"`} {
			p.Want(want)
		}
		if err := c.Write(driver.MessageText, []byte("from another goroutine")); err != nil {
			t.Error(err)
		}
		p.Want(`text "from another goroutine"`)
		for name, tt := range map[string]struct{ got, want error }{
			"not UTF-8": {c.Write(driver.MessageText, []byte("\xff")), driver.ErrNotUTF8},
			"no type":   {c.Write(9, nil), driver.ErrMessageType},
			"no code":   {c.Close(1006, ""), driver.ErrCloseCode},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: %v", name, tt.got)
			}
		}
		p.Close(1000, "bye")
		p.Want(`close 1000 ""`)
		if e := next(t, h.closed); e.Code != 1000 || e.Err != nil {
			t.Error(e)
		}
		if err := c.Write(driver.MessageText, []byte("late")); driver.CloseStatus(err) != 1000 {
			t.Errorf("%v", err)
		}
		c.Wake()
		c.WakeAt(time.Now())
		c.CloseNow()
		c.PauseReading()
		c.ResumeReading()
		p.WantEnd()
	})
}

// Earlier writes leave earlier, and nothing is heard or said behind.
func TestCloseOfAConn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := w.accept(&socket{message: func(c Conn, text string) {
			if text != "close" {
				t.Errorf("%q came behind Close", text)
			}
			_ = c.Write(driver.MessageText, []byte("last"))
			if err := c.Close(4001, "enough"); err != nil {
				t.Error(err)
			}
			if err := c.Write(driver.MessageText, []byte("late")); err != driver.ErrClosing {
				t.Errorf("%v", err)
			}
			if err := c.Close(1000, ""); err != driver.ErrClosing {
				t.Errorf("%v", err)
			}
		}}, Admission{})
		p := w.upgrade()
		p.Text("close")
		p.Want(`text "last"`)
		p.Want(`close 4001 "enough"`)
		p.Text("unheard")
		p.Close(4001, "")
		if e := next(t, h.closed); e.Code != 4001 || e.Sent != 4001 || e.Err != nil {
			t.Error(e)
		}
		p.WantEnd()
	})
}

// A peer that does not answer is waited for a while.
func TestCloseIsNotAnswered(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		limit := 5 * w.unit
		h := w.accept(&socket{open: func(c Conn) { c.PauseReading() }}, Admission{Limits: &engine.Options{CloseTimeout: limit}})
		p := w.upgrade()
		c := next(t, h.opened)
		began := time.Now()
		_ = c.Close(1000, "")
		p.Want(`close 1000 ""`)
		if e := next(t, h.closed); e.Err == nil || e.Sent != 1000 {
			t.Error(e)
		}
		w.took(began, limit)
	})
}

func TestCloseNow(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		h := w.accept(&socket{}, Admission{})
		p := w.upgrade()
		next(t, h.opened).CloseNow()
		if e := next(t, h.closed); !errors.Is(e, net.ErrClosed) {
			t.Error(e)
		}
		p.WantEnd()
	})
}

// Wakes from everywhere are calls one after another, and none is lost.
func TestWakesOfAConn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		asked, seen := 0, 0
		h := w.accept(&socket{wake: func(c Conn) {
			mu.Lock()
			seen = asked
			mu.Unlock()
			_ = c.Write(driver.MessageText, []byte("woken"))
		}, message: func(c Conn, _ string) { c.Wake() }}, Admission{})
		p := w.upgrade()
		c := next(t, h.opened)
		var others sync.WaitGroup
		for range 8 {
			others.Go(func() {
				for range 100 {
					mu.Lock()
					asked++
					mu.Unlock()
					c.Wake()
				}
			})
		}
		for range 10 {
			p.Text("wake")
		}
		others.Wait()
		for {
			mu.Lock()
			done := seen == asked
			mu.Unlock()
			if done {
				break
			}
			p.Want(`text "woken"`)
		}
		p.Hangup()
		next(t, h.closed)
	})
}

func TestWakeAtOfAConn(t *testing.T) {
	onBoth(t, func(t *testing.T, w *world) {
		var began time.Time
		at := make(chan time.Duration, 1)
		h := w.accept(&socket{open: func(c Conn) {
			began = time.Now()
			c.WakeAt(began.Add(100 * w.unit))
			c.WakeAt(began.Add(w.unit)) // replaces it
		}, wake: func(Conn) { at <- time.Since(began) }}, Admission{})
		p := w.upgrade()
		c := next(t, h.opened)
		check := func(want time.Duration) {
			t.Helper()
			if got := next(t, at); got < want || w.virtual && got > want {
				t.Errorf("it came at %v, want %v", got, want)
			}
		}
		check(w.unit)
		c.WakeAt(began.Add(3 * w.unit))
		check(3 * w.unit)
		c.WakeAt(began) // is over: now
		check(3 * w.unit)
		c.WakeAt(began.Add(4 * w.unit))
		c.WakeAt(time.Time{})
		<-time.After(6 * w.unit)
		if len(at) > 0 {
			t.Error("it was taken back")
		}
		c.WakeAt(time.Now().Add(3 * w.unit))
		p.Hangup()
		next(t, h.closed)
		<-time.After(6 * w.unit)
		if len(at) > 0 {
			t.Error("a call behind OnClose")
		}
	})
}

func TestPause(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		heard := make(chan string, 10)
		h := w.accept(&socket{message: func(c Conn, text string) {
			heard <- text
			c.PauseReading()
		}}, Admission{})
		p := w.upgrade()
		c := next(t, h.opened)
		for _, text := range []string{"a", "b", "c"} {
			p.Text(text)
		}
		for _, want := range []string{"a", "b", "c"} {
			if got := next(t, heard); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			<-time.After(w.unit)
			if len(heard) > 0 {
				t.Error("reading is paused")
			}
			c.ResumeReading()
		}
		// It does not keep Close from being answered.
		c.PauseReading()
		_ = c.Close(1000, "")
		p.Want(`close 1000 ""`)
		p.Close(1000, "")
		if e := next(t, h.closed); e.Err != nil {
			t.Error(e)
		}
	})
}

// The queue is bounded, a batch is refused as a whole, and OnDrain says when there is room
// again.
func TestQueueOfAConn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		frame := wire.AppendFrame(nil, true, wire.Binary, bytes.Repeat([]byte("x"), 9_996))
		const batches = 300
		left := batches
		fill := func(c Conn) {
			for left > 0 {
				before := c.Buffered()
				err := c.WriteFrames(frame, frame)
				if err == nil {
					left--
					continue
				}
				if n := c.Buffered(); err != driver.ErrQueueFull || before+20_000 <= 65_000 || n > before {
					t.Errorf("%v: %d bytes waited, and %d do", err, before, n)
				}
				return
			}
			_ = c.Close(1000, "all")
		}
		drained := 0
		h := w.accept(&socket{wake: fill, drain: func(c Conn) {
			drained++
			fill(c)
		}}, Admission{Limits: &engine.Options{QueueBytesMax: 65_000}})
		p := w.upgrade()
		next(t, h.opened).Wake()
		for range 2 * batches {
			if f, err := p.Receive(); err != nil || len(f.Payload) != 9_996 {
				t.Fatalf("%v, %v", f, err)
			}
		}
		p.Want(`close 1000 "all"`)
		p.Close(1000, "")
		if e := next(t, h.closed); e.Err != nil || drained == 0 {
			t.Errorf("%v, %d drains", e, drained)
		}
	})
}

func TestNeverReadsAConn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		limit := 10 * w.unit
		h := w.accept(&socket{wake: func(c Conn) {
			for c.Write(driver.MessageBinary, make([]byte, 10_000)) == nil {
			}
			c.WakeAt(time.Now().Add(w.unit)) // the kernel takes a lot
		}}, Admission{Limits: &engine.Options{QueueBytesMax: 300_000, WriteTimeout: limit}})
		w.upgrade()
		c := next(t, h.opened)
		began := time.Now()
		c.Wake()
		if e := next(t, h.closed); !errors.Is(e, driver.ErrWriteTimeout) {
			t.Error(e)
		}
		if took := time.Since(began); took < limit || w.virtual && took > 2*limit {
			t.Errorf("it took %v", took)
		}
	})
}

func TestPanicOfAHandler(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		for name, cause := range map[string]func(c Conn, p *wstest.Peer){
			"OnMessage": func(_ Conn, p *wstest.Peer) { p.Text("panic") },
			"OnWake":    func(c Conn, _ *wstest.Peer) { c.Wake() },
		} {
			h := w.accept(&socket{message: func(Conn, string) { panic("oops") }, wake: func(Conn) { panic("oops") }}, Admission{})
			p := w.upgrade()
			cause(next(t, h.opened), p)
			if f, err := p.Receive(); err != nil || !strings.HasPrefix(f.String(), "close 1011") {
				t.Errorf("%s: %v, %v", name, f, err)
			}
			p.Close(1011, "")
			if e := next(t, h.closed); e.Sent != 1011 {
				t.Errorf("%s: %v", name, e)
			}
		}
	})
}
