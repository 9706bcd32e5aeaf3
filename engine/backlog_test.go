package engine_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// numbered is a message with a number that is size bytes long.
func numbered(i, size int) []byte {
	p := make([]byte, size)
	binary.BigEndian.PutUint32(p, uint32(i))
	return p
}

// writers are the ways to write a message.
var writers = map[string]func(c *engine.Conn, p []byte) error{
	"Write": func(c *engine.Conn, p []byte) error { return c.Write(engine.MessageBinary, p) },
	"WriteBatch": func(c *engine.Conn, p []byte) error {
		return c.WriteBatch([]engine.Message{{Type: engine.MessageBinary, Data: p}})
	},
	"WriteFrames": func(c *engine.Conn, p []byte) error {
		return c.WriteFrames(wire.AppendFrame(nil, true, wire.Binary, p))
	},
	"WritePrepared": func(c *engine.Conn, p []byte) error {
		m, err := engine.Prepare(engine.MessageBinary, p)
		if err != nil {
			return err
		}
		return c.WritePrepared(m)
	},
}

// A peer that does not read loses the messages that waited longest; the newest
// is always there, every frame is whole, and what is missing has been counted.
func TestDropOldest(t *testing.T) {
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				n := newNotes()
				const limit, size, messages = 128 << 10, 1000, 30_000
				s.Handler, s.Options = n, engine.Options{QueueBytesMax: limit, QueuePolicy: engine.QueueDropOldest}
				client := upgrade(t, start(t, s))
				c := next(t, n.open)
				for i := range messages {
					if err := write(c, numbered(i, size)); err != nil {
						t.Fatal(err)
					}
					if got := c.Buffered(); got > limit {
						t.Fatalf("%d bytes are buffered, the limit is %d", got, limit)
					}
				}
				got, last := 0, -1
				for last != messages-1 {
					h, p := client.frame(t)
					i := int(binary.BigEndian.Uint32(p))
					if h.Opcode != wire.Binary || len(p) != size || i <= last {
						t.Fatalf("after %d: %d, %v of %d bytes", last, i, h.Opcode, len(p))
					}
					last = i
					got++
				}
				if lost := c.Dropped(); lost == 0 || got+int(lost) != messages {
					t.Errorf("%d arrived and %d were dropped, of %d", got, lost, messages)
				}
				var dropped uint64
				for _, l := range s.Stats() {
					dropped += l.Dropped
				}
				if dropped != c.Dropped() {
					t.Errorf("Stats say %d, want %d", dropped, c.Dropped())
				}
				for c.Buffered() > 0 {
					next(t, n.drain)
				}
			})
		})
	}
}

// Of the values of one key only the newest waits.
func TestConflate(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		const keys, rounds, size = 10, 3000, 1000
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: 256 << 10, QueuePolicy: engine.QueueConflate}
		client := upgrade(t, start(t, s))
		c := next(t, n.open)
		for round := range rounds {
			for k := range keys {
				p := numbered(round, size)
				p[4] = byte(k)
				m, _ := engine.Prepare(engine.MessageBinary, p)
				if err := c.WritePreparedKey(fmt.Sprint("key ", k), m); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := c.Write(engine.MessageBinary, numbered(rounds, size)); err != nil { // without a key
			t.Fatal(err)
		}
		var newest [keys]int
		got := 0
		for {
			_, p := client.frame(t)
			got++
			i := int(binary.BigEndian.Uint32(p))
			if i == rounds {
				break
			}
			k := p[4]
			if i < newest[k] {
				t.Fatalf("key %d: %d after %d", k, i, newest[k])
			}
			newest[k] = i
		}
		for k, i := range newest {
			if i != rounds-1 {
				t.Errorf("the newest of key %d is %d", k, i)
			}
		}
		if lost := c.Dropped(); lost == 0 || got+int(lost) != keys*rounds+1 {
			t.Errorf("%d arrived and %d were replaced, of %d", got, lost, keys*rounds+1)
		}
	})
}

// What is dropped is not compressed yet: with context takeover, too, the peer
// can read everything that it is sent.
func TestDroppingLeavesTheWindowAlone(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{Compression: &deflate.Options{}, QueueBytesMax: 64 << 10, QueuePolicy: engine.QueueDropOldest}
		client, _, err := ws.Dial(within(t), "ws://"+start(t, s), &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseNow()
		c := next(t, n.open)
		// Half of a message is what was in the one before it, so that a compressor
		// that remembers what the peer did not get is found out at once.
		half := func(i int) string {
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			b := make([]byte, 1500)
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
			return fmt.Sprintf("%x", b)
		}
		message := func(i int) string { return fmt.Sprintf("%08d-", i) + half(i-1) + half(i) }
		messages := 0
		for i := 0; c.Dropped() < 100; i++ {
			messages++
			if i%3 == 0 {
				err = c.WritePrepared(prepare(t, engine.MessageText, message(i)))
			} else {
				err = c.Write(engine.MessageText, []byte(message(i)))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		last := -1
		for last != messages-1 {
			_, p, err := client.Read(within(t))
			if err != nil {
				t.Fatalf("after message %d: %v", last, err)
			}
			i := 0
			if _, err := fmt.Sscanf(string(p), "%d-", &i); err != nil || i <= last || string(p) != message(i) {
				t.Fatalf("after %d: %.40q", last, p)
			}
			last = i
		}
	})
}

// corkedWrites is a handler that writes in one callback, so that nothing leaves
// in between.
type corkedWrites struct {
	engine.NopHandler
	write func(c *engine.Conn)
	done  chan struct{}
}

func (h *corkedWrites) OnMessage(c *engine.Conn, _ engine.MessageType, _ []byte) {
	h.write(c)
	close(h.done)
}

// QueueMessagesMax messages may wait, and no more.
func TestQueueMessagesMax(t *testing.T) {
	const limit = 10
	write := func(c *engine.Conn, i int) error { return c.Write(engine.MessageText, fmt.Append(nil, i)) }
	for name, policy := range map[string]engine.QueuePolicy{"reject": engine.QueueReject, "close": engine.QueueClose} {
		t.Run(name, func(t *testing.T) {
			drivers(t, func(t *testing.T, s *engine.Server) {
				h := &corkedWrites{done: make(chan struct{})}
				h.write = func(c *engine.Conn) {
					for i := range limit {
						if err := write(c, i); err != nil {
							t.Errorf("message %d: %v", i, err)
						}
					}
					if err := write(c, limit); err != engine.ErrQueueFull {
						t.Errorf("one more: %v", err)
					}
				}
				s.Handler, s.Options = h, engine.Options{QueueMessagesMax: limit, QueuePolicy: policy}
				c := upgrade(t, start(t, s), text("go")...)
				for i := range limit {
					c.expect(t, wire.Text, fmt.Sprint(i))
				}
				if policy == engine.QueueClose {
					c.send(t, closing(1008))
					c.closes(t, 1008)
				}
			})
		})
	}
	t.Run("drop oldest", func(t *testing.T) {
		drivers(t, func(t *testing.T, s *engine.Server) {
			h := &corkedWrites{done: make(chan struct{})}
			h.write = func(c *engine.Conn) {
				for i := range 100 {
					if err := write(c, i); err != nil {
						t.Errorf("message %d: %v", i, err)
					}
				}
				if got := c.Dropped(); got != 100-limit {
					t.Errorf("%d were dropped", got)
				}
			}
			s.Handler, s.Options = h, engine.Options{QueueMessagesMax: limit, QueuePolicy: engine.QueueDropOldest}
			c := upgrade(t, start(t, s), text("go")...)
			for _, i := range []int{0, 1, 92, 93, 94, 95, 96, 97, 98, 99} {
				c.expect(t, wire.Text, fmt.Sprint(i))
			}
		})
	})
}

// A pong does not wait behind a backlog, which for a slow peer never ends; a
// close frame stands behind everything, and what was queued is sent before it.
func TestControlFramesAndBacklog(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: 1 << 20, QueuePolicy: engine.QueueDropOldest}
		client := upgrade(t, start(t, s))
		c := next(t, n.open)
		const messages, size = 40_000, 1000
		for i := range messages {
			if err := c.Write(engine.MessageBinary, numbered(i, size)); err != nil {
				t.Fatal(err)
			}
		}
		client.send(t, append(masked(true, wire.Ping, "are you there"), text("heard")...))
		if got := next(t, n.message); got != "heard" { // the peer is read however long its queue is
			t.Fatal(got)
		}
		last := -1
		for {
			h, p := client.frame(t)
			if h.Opcode == wire.Pong {
				break
			}
			last = int(binary.BigEndian.Uint32(p))
		}
		if c.Dropped() == 0 {
			t.Error("nothing was dropped")
		}
		if err := c.Close(engine.StatusGoingAway, "bye"); err != nil {
			t.Fatal(err)
		}
		if err := c.Write(engine.MessageBinary, nil); err != engine.ErrClosing {
			t.Errorf("after Close: %v", err)
		}
		for {
			h, p := client.frame(t)
			if h.Opcode == wire.Close {
				if code, reason, err := wire.ParseClose(p); code != 1001 || string(reason) != "bye" || err != nil {
					t.Errorf("%d %q %v", code, reason, err)
				}
				break
			}
			last = int(binary.BigEndian.Uint32(p))
		}
		if last != messages-1 { // the newest is never dropped
			t.Errorf("the last message is %d", last)
		}
		client.send(t, closing(1001))
		if end := next(t, n.end); end.Code != 1001 || end.Err != nil {
			t.Errorf("%+v", end)
		}
	})
}

// A message that is larger than the queue may wait, alone.
func TestNewestAlwaysWaits(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		const limit = 64 << 10
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: limit, QueuePolicy: engine.QueueDropOldest}
		client := upgrade(t, start(t, s))
		c := next(t, n.open)
		for i := 0; c.Dropped() == 0; i++ {
			if err := c.Write(engine.MessageBinary, numbered(i, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		large := bytes.Repeat([]byte("x"), 3*limit)
		if err := c.Write(engine.MessageBinary, large); err != nil {
			t.Fatal(err)
		}
		for {
			if _, p := client.frame(t); len(p) == len(large) {
				break
			}
		}
	})
}

// The policy may change while something waits; the order stays.
func TestPolicyChanges(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: 256 << 10, QueuePolicy: engine.QueueDropOldest}
		client := upgrade(t, start(t, s))
		c := next(t, n.open)
		i := 0
		for ; c.Dropped() == 0; i++ {
			if err := c.Write(engine.MessageBinary, numbered(i, 1000)); err != nil {
				t.Fatal(err)
			}
		}
		c.SetLimits(&engine.Options{QueueBytesMax: 512 << 10})
		lost := c.Dropped()
		for ; ; i++ {
			err := c.Write(engine.MessageBinary, numbered(i, 1000))
			if errors.Is(err, engine.ErrQueueFull) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if c.Dropped() != lost {
			t.Errorf("QueueReject dropped %d", c.Dropped()-lost)
		}
		for last := -1; last != i-1; {
			_, p := client.frame(t)
			number := int(binary.BigEndian.Uint32(p))
			if number <= last {
				t.Fatalf("%d after %d", number, last)
			}
			last = number
		}
	})
}
