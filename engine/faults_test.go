//go:build linux

package engine_test

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

type call = func(p []byte) (int, error)

// A system that takes and gives a byte at a time, and says "not now" in between,
// makes everything slower and nothing different.
func TestShortReadsAndWrites(t *testing.T) {
	var count atomic.Int64
	short := func(do call, p []byte) (int, error) {
		switch n := count.Add(1); {
		case n%3 == 0:
			return 0, engine.ErrAgain
		case n%3 == 1 && len(p) > 1:
			return do(p[:1])
		case len(p) > 7:
			return do(p[:7])
		}
		return do(p)
	}
	s := &engine.Server{Handler: echo{}}
	s.Interfere(nil, short, short)
	c := dial(t, start(t, s))
	comesBack(t, c, 0, 1, 125, 126, 1000, 20_000)
}

// comesBack has a message of each size echoed, and ends c in good order.
func comesBack(t *testing.T, c *ws.Conn, sizes ...int) {
	t.Helper()
	for _, size := range sizes {
		message := strings.Repeat("x", size)
		if err := c.Write(within(t), ws.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, p, err := c.Read(within(t)); err != nil || string(p) != message {
			t.Fatalf("%d bytes came back as %d, %v", size, len(p), err)
		}
	}
	if err := c.Close(ws.StatusNormal, ""); err != nil {
		t.Error(err)
	}
}

// A connection that breaks at any call ends, once, and the others go on.
func TestResetAtEveryCall(t *testing.T) {
	for _, direction := range []string{"read", "write"} {
		for at := int64(1); at <= 6; at++ {
			var count atomic.Int64
			breaks := func(do call, p []byte) (int, error) {
				if count.Add(1) == at {
					return 0, syscall.ECONNRESET
				}
				return do(p)
			}
			n := newNotes()
			s := &engine.Server{Handler: panics{n, ""}} // an echo that takes notes
			if direction == "read" {
				s.Interfere(nil, breaks, nil)
			} else {
				s.Interfere(nil, nil, breaks)
			}
			address := start(t, s)
			c := connect(t, address)
			_, _ = c.Write([]byte(opening)) // it may break at any point
			for range 6 {
				_, _ = c.Write(text("x"))
			}
			_, _ = c.Write(closing(1000))
			for {
				if _, err := c.r.ReadByte(); err != nil {
					break
				}
			}
			c.Close()
			opened := len(n.open)
			for range opened {
				next(t, n.end)
			}
			count.Store(at) // what was not reached is not the next one's
			d := dial(t, address)
			if err := d.Write(within(t), ws.MessageText, []byte("next")); err != nil {
				t.Fatal(err)
			}
			if _, p, err := d.Read(within(t)); string(p) != "next" {
				t.Fatalf("%s %d: %q, %v", direction, at, p, err)
			}
			if len(n.end) != 0 {
				t.Errorf("%s %d: a connection ended twice", direction, at)
			}
			_ = s.Close()
		}
	}
}

// No descriptor is left: it is counted, and said once for all loops; nothing spins,
// and when there are some again the connections that waited are served.
func TestDescriptorsRunOut(t *testing.T) {
	j := newJournal()
	var failures atomic.Int64
	const fails = 5
	enough := make(chan struct{})
	s := &engine.Server{Handler: echo{}, Loops: 2, Log: j.logger()}
	s.Interfere(func(do func() error) error {
		switch n := failures.Add(1); {
		case n < fails:
			return syscall.EMFILE
		case n == fails:
			close(enough)
			return syscall.EMFILE
		}
		return do()
	}, nil, nil)
	c := connect(t, start(t, s))
	c.send(t, append([]byte(opening), text("patient")...))
	j.wait(t, "cannot accept", "open files", "ulimit")
	<-enough
	c.switched(t)
	c.expect(t, wire.Text, "patient")
	if len(j.lines) != 1 {
		t.Errorf("it was said %d times: %q", len(j.lines), j.lines)
	}
	expectAcceptErrors(t, s, fails)
}

// expectAcceptErrors waits until s has counted so many.
func expectAcceptErrors(t *testing.T, s *engine.Server, want uint64) {
	t.Helper()
	eventually(t, func() (string, bool) { // it is told when the loop rests
		var n uint64
		for _, l := range s.Stats() {
			n += l.AcceptErrors
		}
		return fmt.Sprintf("%d accepts failed, want %d", n, want), n == want
	})
}

// exhausted is a listener that cannot accept a few times.
type exhausted struct {
	net.Listener
	fails int
}

func (ln *exhausted) Accept() (net.Conn, error) {
	if ln.fails--; ln.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return ln.Listener.Accept()
}

// The same goes for a listener that the loops do not watch.
func TestDescriptorsRunOutElsewhere(t *testing.T) {
	j := newJournal()
	s := &engine.Server{Handler: echo{}, Log: j.logger()}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, &exhausted{ln, 3})
	j.wait(t, "cannot accept", "open files", "ulimit")
	c := upgrade(t, ln.Addr().String(), text("patient")...)
	c.expect(t, wire.Text, "patient")
	if len(j.lines) != 1 {
		t.Errorf("it was said %d times: %q", len(j.lines), j.lines)
	}
	expectAcceptErrors(t, s, 3)
}

// Errors of one connection that was not accepted are nobody else's.
func TestAcceptGoesOn(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ECONNABORTED, syscall.EPROTO, syscall.EINTR} {
		var count atomic.Int64
		j := newJournal()
		s := &engine.Server{Handler: echo{}, Loops: 1, Log: j.logger()}
		s.Interfere(func(do func() error) error {
			if count.Add(1)%2 == 1 {
				return errno
			}
			return do()
		}, nil, nil)
		c := upgrade(t, start(t, s), text("hello")...)
		c.expect(t, wire.Text, "hello")
		if len(j.more) > 0 {
			t.Errorf("%v: it says %q", errno, j.lines)
		}
	}
}
