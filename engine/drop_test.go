package engine_test

import (
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// drops is a handler that adds up what it is told was dropped.
type drops struct {
	*notes
	told chan struct{}

	mu     sync.Mutex
	n      uint64
	firsts []*engine.Prepared
}

func newDrops() *drops { return &drops{notes: newNotes(), told: make(chan struct{}, 1)} }

func (d *drops) OnDrop(c *engine.Conn, n uint64, first *engine.Prepared) {
	d.mu.Lock()
	d.n += n
	d.firsts = append(d.firsts, first)
	d.mu.Unlock()
	select {
	case d.told <- struct{}{}:
	default:
	}
}

// await waits until n were told of, and returns where the gaps began.
func (d *drops) await(t *testing.T, n uint64) []*engine.Prepared {
	t.Helper()
	for {
		d.mu.Lock()
		got, firsts := d.n, d.firsts
		d.mu.Unlock()
		if got > n {
			t.Fatalf("%d drops were told of, of %d", got, n)
		}
		if got == n {
			return firsts
		}
		next(t, d.told)
	}
}

// Whatever the policy, a Dropper is told of each message that a member of a group
// does not get, and where its gaps begin.
func TestOnDrop(t *testing.T) {
	for name, policy := range map[string]engine.QueuePolicy{
		"reject": engine.QueueReject, "drop oldest": engine.QueueDropOldest, "conflate": engine.QueueConflate,
	} {
		for _, mark := range []func(engine.Handler) engine.Handler{nil, engine.Blocking} {
			t.Run(fmt.Sprint(name, ", blocking ", mark != nil), func(t *testing.T) {
				drivers(t, func(t *testing.T, s *engine.Server) {
					d := newDrops()
					s.Handler, s.Options = d, engine.Options{QueueBytesMax: 256 << 10, QueuePolicy: policy}
					if mark != nil {
						s.Handler = mark(d)
					}
					c := upgrade(t, start(t, s))
					dropsOf(t, d, c)
				})
			})
		}
	}
}

func dropsOf(t *testing.T, d *drops, c *raw) {
	const size = 20_000
	conn := next(t, d.open)
	var g engine.Group
	_ = g.Add(conn)
	published := 0
	for conn.Dropped() < 50 {
		m := prepare(t, engine.MessageBinary, string(numbered(published, size)))
		switch err := g.PublishKey("key", m); err {
		case nil:
			published++
		case engine.ErrQueueFull: // the loop is behind
			next(t, time.After(time.Millisecond))
		default:
			t.Fatal(err)
		}
	}
	missing := make(map[int]bool)
	for i := range published {
		missing[i] = true
	}
	earliest := 0
	for got := 0; got+int(conn.Dropped()) < published; got++ {
		_, p := c.frame(t)
		number := int(binary.BigEndian.Uint32(p))
		delete(missing, number)
		if number == earliest {
			earliest++
		}
	}
	firsts := d.await(t, conn.Dropped())
	for i, first := range firsts {
		if first == nil {
			t.Fatal("a message of a group is not known")
		}
		number := int(binary.BigEndian.Uint32(first.Payload()))
		if !missing[number] || i == 0 && number != earliest || len(first.Payload()) != size {
			t.Errorf("gap %d begins with %d, the first with %d", i, number, earliest)
		}
	}
	if len(missing) != int(conn.Dropped()) {
		t.Errorf("%d are missing, %d were dropped", len(missing), conn.Dropped())
	}
}

// Drops of one turn are told of once, together, and what was not prepared is not
// known by its message. A handler may close the connection then.
func TestOnDropTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &closesOnDrop{drops: newDrops()}
		m := newMemory()
		s := &engine.Server{Handler: h, Options: engine.Options{QueueMessagesMax: 10, QueuePolicy: engine.QueueDropOldest}}
		s.UseStreams()
		serve(t, s, m)
		c := m.upgrade(t)
		c.send(t, text("write a hundred"))
		synctest.Wait()
		conn := next(t, h.open)
		if len(h.firsts) != 1 || h.firsts[0] != nil || h.n != conn.Dropped() || h.n == 0 {
			t.Errorf("%d drops in %d calls, %d in all", h.n, len(h.firsts), conn.Dropped())
		}
		for {
			head, p := c.frame(t)
			if head.Opcode == wire.Close {
				if code, _, _ := wire.ParseClose(p); code != 1013 {
					t.Errorf("closed with %d", code)
				}
				break
			}
		}
		c.send(t, closing(1013))
		if end := next(t, h.end); end.Sent != 1013 {
			t.Errorf("%+v", end)
		}
	})
}

// closesOnDrop writes more than fits when it is told to, and closes when it is told
// that something did not.
type closesOnDrop struct{ *drops }

func (h *closesOnDrop) OnMessage(c *engine.Conn, _ engine.MessageType, _ []byte) {
	for i := range 100 {
		_ = c.Write(engine.MessageText, fmt.Append(nil, i))
	}
}

func (h *closesOnDrop) OnDrop(c *engine.Conn, n uint64, first *engine.Prepared) {
	h.drops.OnDrop(c, n, first)
	_ = c.Close(engine.StatusTryAgainLater, "too slow")
}

// Who does not want to know is not asked, and the caller of a write that is refused
// knows already.
func TestOnDropIsForDrops(t *testing.T) {
	d := newDrops()
	s := &engine.Server{Handler: d, Options: engine.Options{QueueBytesMax: 1000}}
	c := upgrade(t, start(t, s))
	conn := next(t, d.open)
	for conn.Write(engine.MessageBinary, make([]byte, 900)) == nil {
	}
	if conn.Dropped() != 0 {
		t.Errorf("%d were dropped", conn.Dropped())
	}
	c.send(t, closing(1000))
	next(t, d.end)
	d.await(t, 0)
}
