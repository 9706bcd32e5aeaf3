package engine_test

import (
	"bytes"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestMessageLimits(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.Options = engine.Options{MessageBytesMax: 1000, FragmentsMax: 3}
		address := start(t, s)
		c := upgrade(t, address)
		exact := strings.Repeat("x", 1000)
		c.send(t, text(exact))
		c.expect(t, wire.Text, exact)
		c.send(t, bytes.Join([][]byte{masked(false, wire.Text, "a"), masked(false, wire.Continuation, ""), masked(true, wire.Continuation, "b")}, nil))
		c.expect(t, wire.Text, "ab")
		c.send(t, text(exact+"x"))
		c.closes(t, 1009)

		c = upgrade(t, address)
		c.send(t, bytes.Join([][]byte{masked(false, wire.Text, "a"), masked(false, wire.Continuation, ""), masked(false, wire.Continuation, ""), masked(true, wire.Continuation, "")}, nil))
		c.closes(t, 1009)
	})
}

// Limits can be changed while a connection lives, in both directions.
func TestSetLimits(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{MessageBytesMax: 10}
		address := start(t, s)
		c := upgrade(t, address)
		next(t, n.open).SetLimits(&engine.Options{MessageBytesMax: 20})
		c.send(t, text(strings.Repeat("x", 20)))
		if got := next(t, n.message); len(got) != 20 {
			t.Errorf("%q", got)
		}
		c.send(t, text(strings.Repeat("x", 21)))
		c.closes(t, 1009)
	})
}

// What is announced is not allocated before it arrives.
func TestAnnouncedLengthIsNotBelieved(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.Options = echo{}, engine.Options{MessageBytesMax: 1 << 30}
		address := start(t, s)
		announce := wire.AppendHeader(nil, wire.Header{Fin: true, Opcode: wire.Binary, Masked: true, Length: 1 << 30})
		heap := func() uint64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		const conns = 20
		for range conns {
			upgrade(t, address, append(announce, 'x')...)
		}
		for sent := conns * (len(opening) + len(announce) + 1); ; runtime.Gosched() {
			if l := s.Stats(); l[0].BytesIn+l[1].BytesIn >= uint64(sent) {
				break
			}
		}
		after := heap()
		if after > before && after-before > conns*(64<<10) {
			t.Errorf("%d bytes for each connection", (after-before)/conns)
		}
	})
}

func TestHeadLimits(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		address := start(t, s)
		fields := func(n int) string {
			return strings.Replace(opening, "\r\n\r\n", "\r\n"+strings.Repeat("A: b\r\n", n-5)+"\r\n", 1)
		}
		size := func(n int) string {
			return strings.Replace(opening, "\r\n\r\n", "\r\nA: "+strings.Repeat("b", n-len(opening)-5)+"\r\n\r\n", 1)
		}
		for name, head := range map[string]string{"fields": fields(engine.HeadFieldsMax), "bytes": size(engine.HeadBytesMax)} {
			c := connect(t, address)
			c.send(t, []byte(head))
			c.switched(t)
			_ = name
		}
		for name, head := range map[string]string{"fields": fields(engine.HeadFieldsMax + 1), "bytes": size(engine.HeadBytesMax + 1)} {
			c := connect(t, address)
			c.send(t, []byte(head))
			if r := c.response(t); r.StatusCode != http.StatusRequestHeaderFieldsTooLarge || !r.Close {
				t.Errorf("%s past the limit: %v", name, r)
			}
		}
	})
}

func TestConnsMax(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler, s.ConnsMax = echo{}, 2
		address := start(t, s)
		a, b := upgrade(t, address), upgrade(t, address)
		connect(t, address).ends(t)
		for l := s.Stats(); l[0].Refused+l[1].Refused != 1; l = s.Stats() { // it is told when the loop rests
			runtime.Gosched()
		}
		if _, err := s.Adopt(unused(), engine.Adoption{}); err != engine.ErrConnsMax {
			t.Errorf("Adopt: %v", err)
		}
		for _, c := range []*raw{a, b} {
			c.send(t, text("in"))
			c.expect(t, wire.Text, "in")
		}
		a.send(t, closing(1000))
		a.closes(t, 1000)
		// The place is free as soon as the transport is closed, which a may see first.
		for {
			c := connect(t, address)
			c.send(t, []byte(opening))
			if r, err := http.ReadResponse(c.r, nil); err == nil {
				if r.StatusCode != http.StatusSwitchingProtocols {
					t.Errorf("%v", r)
				}
				return
			}
		}
	})
}

// fill writes to a connection whose peer does not read until it is refused.
func fill(c *engine.Conn, message []byte) error {
	for {
		if err := c.Write(engine.MessageBinary, message); err != nil {
			return err
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		const limit = 256 << 10
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: limit}
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		message := bytes.Repeat([]byte("x"), 1000)
		if err := fill(conn, message); err != engine.ErrQueueFull {
			t.Fatal(err)
		}
		if got := conn.Buffered(); got > limit || got < limit-2*len(message) {
			t.Errorf("%d bytes are buffered, the limit is %d", got, limit)
		}
		if conn.Err() != nil {
			t.Errorf("the connection ended: %v", conn.Err())
		}
		// The peer reads: everything comes, whole, and then there is room again.
		go func() {
			for {
				if _, err := c.r.ReadByte(); err != nil {
					return
				}
			}
		}()
		for conn.Buffered() > 0 {
			next(t, n.drain) // it may have been empty in between
		}
		// One message may always wait, whatever its size.
		if err := conn.Write(engine.MessageBinary, make([]byte, 2*limit)); err != nil {
			t.Errorf("one large message: %v", err)
		}
	})
}

func TestQueuePolicyClose(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: 64 << 10, QueuePolicy: engine.QueueClose}
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if err := fill(conn, make([]byte, 1000)); err != engine.ErrQueueFull {
			t.Fatal(err)
		}
		if err := conn.Write(engine.MessageBinary, nil); !errors.Is(err, engine.ErrClosing) && !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("after the queue was full: %v", err)
		}
		for {
			h, p := c.frame(t)
			if h.Opcode == wire.Binary {
				continue
			}
			if code, reason, err := wire.ParseClose(p); h.Opcode != wire.Close || code != 1008 || err != nil {
				t.Fatalf("%v %d %q %v", h.Opcode, code, reason, err)
			}
			break
		}
		c.send(t, closing(1008))
		if end := next(t, n.end); end.Sent != 1008 || !errors.Is(end, engine.ErrQueueFull) {
			t.Errorf("%+v", end)
		}
	})
}

// A peer that sends and does not read is not read either: its echoes are never
// more than the queue holds, and all of them come when it reads.
func TestPausesReading(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.Options.QueueBytesMax = 1 << 20
		c := upgrade(t, start(t, s))
		const messages = 20_000
		sent := make(chan error, 1)
		go func() {
			frame := masked(true, wire.Binary, strings.Repeat("x", 1000))
			for range messages {
				if _, err := c.Write(frame); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		for i := range messages {
			if h, p := c.frame(t); h.Opcode != wire.Binary || len(p) != 1000 {
				t.Fatalf("echo %d: %v of %d bytes", i, h.Opcode, len(p))
			}
		}
		if err := next(t, sent); err != nil {
			t.Error(err)
		}
	})
}
