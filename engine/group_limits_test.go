package engine_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// A member that never reads delays nobody, under each policy; what it misses is
// counted, and it is told what the policy says.
func TestGroupWithASlowMember(t *testing.T) {
	for name, policy := range map[string]engine.QueuePolicy{
		"reject": engine.QueueReject, "close": engine.QueueClose, "drop oldest": engine.QueueDropOldest, "conflate": engine.QueueConflate,
	} {
		for _, size := range []int{200, 20_000} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				drivers(t, func(t *testing.T, s *engine.Server) {
					slowMember(t, s, policy, size)
				})
			})
		}
	}
}

func slowMember(t *testing.T, s *engine.Server, policy engine.QueuePolicy, size int) {
	n := newNotes()
	const limit = 256 << 10
	s.Handler, s.Loops, s.Options = n, 1, engine.Options{QueueBytesMax: limit, QueuePolicy: policy}
	address := start(t, s)
	var g engine.Group
	slowClient := upgrade(t, address)
	slow := next(t, n.open)
	_ = g.Add(slow)
	fastClient := upgrade(t, address)
	fast := next(t, n.open)
	_ = g.Add(fast)

	published := 0
	enough := uint64(50)
	if policy == engine.QueueClose {
		enough = 1 // it is being closed, and has CloseTimeout to read that
	}
	for ; slow.Dropped() < enough; published++ {
		m, _ := engine.Prepare(engine.MessageBinary, numbered(published, size))
		if err := g.PublishKey("key", m); err != nil {
			t.Fatal(err)
		}
		// The fast member has each before the next is published.
		if _, p := fastClient.frame(t); int(binary.BigEndian.Uint32(p)) != published || len(p) != size {
			t.Fatalf("message %d is %d of %d bytes", published, binary.BigEndian.Uint32(p), len(p))
		}
		if got := slow.Buffered(); got > limit {
			t.Fatalf("%d bytes are buffered", got)
		}
		if published > 200_000 {
			t.Fatal("nothing is ever dropped")
		}
	}
	if fast.Dropped() != 0 {
		t.Errorf("%d were dropped of a member that reads", fast.Dropped())
	}
	last, got := -1, 0
	for {
		h, p := slowClient.frame(t)
		if h.Opcode == wire.Close {
			if code, _, err := wire.ParseClose(p); policy != engine.QueueClose || code != 1008 || err != nil {
				t.Errorf("closed with %q", p)
			}
			slowClient.send(t, closing(1008))
			if end := next(t, n.end); !errors.Is(end, engine.ErrQueueFull) {
				t.Errorf("%+v", end)
			}
			return
		}
		number := int(binary.BigEndian.Uint32(p))
		if len(p) != size || number <= last {
			t.Fatalf("after %d: %d of %d bytes", last, number, len(p))
		}
		last = number
		got++
		if policy != engine.QueueClose && got+int(slow.Dropped()) == published {
			break
		}
	}
	if newest := last == published-1; newest != (policy != engine.QueueReject) {
		t.Errorf("the last of %d messages is %d", published, last)
	}
	for slow.Buffered() > 0 {
		next(t, n.drain)
	}
}

// What is published while a loop is busy is bounded, exactly.
func TestGroupPendingIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		group *engine.Group
		fits  int
	}{
		"messages": {&engine.Group{PendingMessagesMax: 7}, 7},
		"bytes":    {&engine.Group{PendingBytesMax: 5 * 102}, 5},
		"one":      {&engine.Group{PendingBytesMax: 10}, 1},
		"default":  {&engine.Group{}, engine.DefaultPendingMessagesMax},
		"none":     {&engine.Group{PendingBytesMax: engine.NoLimit, PendingMessagesMax: engine.NoLimit}, 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			h := &corkedWrites{done: make(chan struct{})}
			m := prepare(t, engine.MessageBinary, strings.Repeat("x", 100)) // 102 bytes with its header
			h.write = func(conn *engine.Conn) {
				_ = c.group.Add(conn)
				for i := range c.fits {
					if err := c.group.Publish(m); err != nil {
						t.Errorf("message %d: %v", i, err)
						return
					}
				}
				if err := c.group.Publish(m); (err == engine.ErrQueueFull) == (name == "none") {
					t.Errorf("one more: %v", err)
				}
			}
			s := &engine.Server{Handler: h, Loops: 1, Options: engine.Options{QueueBytesMax: 64 << 20, QueueMessagesMax: engine.NoLimit}}
			client := upgrade(t, start(t, s), text("go")...)
			for range c.fits {
				client.expect(t, wire.Binary, strings.Repeat("x", 100))
			}
			next(t, h.done)
			if err := c.group.Publish(m); err != nil { // there is room again
				t.Error(err)
			}
		})
	}
}

// Ten thousand members, on the wire of the test's own memory, so that it does not
// need as many descriptors.
func TestGroupOfTenThousand(t *testing.T) {
	n := 10_000
	if raceEnabled {
		n = 2000 // goroutines, of which the race detector bears 8128
	}
	s := &engine.Server{Handler: engine.NopHandler{}}
	start(t, s)
	var g engine.Group
	var clients sync.WaitGroup
	for range n {
		client, server := net.Pipe()
		c, err := s.Adopt(server, engine.Adoption{})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Add(c); err != nil {
			t.Fatal(err)
		}
		clients.Go(func() {
			defer client.Close()
			for i := range 3 {
				frame := make([]byte, 3)
				if _, err := io.ReadFull(client, frame); err != nil || frame[2] != byte('a'+i) {
					t.Errorf("got %q, %v", frame, err)
					return
				}
			}
		})
	}
	if g.Len() != n {
		t.Errorf("%d members", g.Len())
	}
	for _, p := range []string{"a", "b", "c"} {
		if err := g.Publish(prepare(t, engine.MessageText, p)); err != nil {
			t.Fatal(err)
		}
	}
	clients.Wait()
	_ = s.Close()
	if g.Len() != 0 {
		t.Errorf("%d members are left", g.Len())
	}
}
