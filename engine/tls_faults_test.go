//go:build linux

package engine_test

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// Ciphertext a byte at a time, in both directions and during the handshake, makes
// everything slower and nothing different.
func TestTLSShortReadsAndWrites(t *testing.T) {
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
	a := newAuthority(t)
	s := &engine.Server{Handler: echo{}}
	s.Interfere(nil, short, short)
	c, _, err := ws.Dial(within(t), "wss://"+startTLS(t, s, a.server(t)), &ws.DialOptions{TLSConfig: a.client()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	comesBack(t, c, 0, 1, 125, 1000, 20_000, 70_000)
}

// A connection that breaks at any call, of the handshake too, ends once, and the
// others go on.
func TestTLSResetAtEveryCall(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a second or more")
	}
	a := newAuthority(t)
	for _, direction := range []string{"read", "write"} {
		for at := int64(1); at <= 8; at++ {
			var count atomic.Int64
			breaks := func(do call, p []byte) (int, error) {
				if count.Add(1) == at {
					return 0, syscall.ECONNRESET
				}
				return do(p)
			}
			n := newNotes()
			s := &engine.Server{Handler: panics{n, ""}, Options: engine.Options{CloseTimeout: 100 * time.Millisecond}} // an echo that takes notes
			if direction == "read" {
				s.Interfere(nil, breaks, nil)
			} else {
				s.Interfere(nil, nil, breaks)
			}
			address := startTLS(t, s, a.server(t))
			c, _, err := ws.Dial(within(t), "wss://"+address, &ws.DialOptions{TLSConfig: a.client()})
			for err == nil {
				if err = c.Write(within(t), ws.MessageText, []byte("x")); err == nil {
					_, _, err = c.Read(within(t))
				}
			}
			if c != nil {
				_ = c.CloseNow()
			}
			for range len(n.open) {
				next(t, n.end)
			}
			count.Store(at) // what was not reached is not the next one's
			upgradeTLS(t, address, a.client(), text("next")...).expect(t, wire.Text, "next")
			if len(n.end) != 0 {
				t.Errorf("%s %d: a connection ended twice", direction, at)
			}
			_ = s.Close()
		}
	}
}

// A client that has the server answer over TLS and does not take the answers is let go
// before they are many.
func TestTLSAnswersAreBounded(t *testing.T) {
	for _, state := range []string{"open", "head"} {
		t.Run(state, func(t *testing.T) {
			n := newNotes()
			var full atomic.Bool // the system takes no more
			s := &engine.Server{Handler: n, Options: engine.Options{WriteTimeout: time.Hour, PingInterval: engine.NoLimit}}
			s.Interfere(nil, nil, func(do call, p []byte) (int, error) {
				if full.Load() {
					return 0, engine.ErrAgain
				}
				return do(p)
			})
			r := connectRecords(t, s)
			if state == "open" {
				c := rawConn(t, r)
				c.send(t, []byte(opening))
				c.switched(t)
			}
			full.Store(true)
			updates := 0
			for err := error(nil); err == nil; updates++ {
				b := r.send.keyUpdate(nil)
				if state == "open" { // crypto/tls itself counts those that nothing comes between
					b = r.send.seal(b, applicationRecord, masked(true, wire.Pong, ""))
				}
				_, err = r.Conn.Write(b)
			}
			const most = 100_000 // 256 KiB of answers, and what is under way
			if updates > most {
				t.Errorf("it went on for %d KeyUpdates", updates)
			}
			if state == "open" {
				if end := next(t, n.end); end.Err == nil || !strings.Contains(end.Err.Error(), "does not take") {
					t.Errorf("%+v", end)
				}
			}
		})
	}
}
