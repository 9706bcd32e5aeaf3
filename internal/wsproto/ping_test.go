package wsproto

import (
	"bytes"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/wire"
)

// A flood of pings makes no garbage, and neither does keepalive; what was answered
// leaves nothing with the connection.
func TestAllocBudgetPerPing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget some of what it is given")
	}
	c := New(&serverConfig, 0)
	input := frame(true, wire.Ping, strings.Repeat("x", wire.ControlPayloadBytesMax))
	in, out := make([]byte, len(input)), make([]byte, 0, 200)
	if allocs := testing.AllocsPerRun(100, func() {
		if ev, _ := c.Next(in[:copy(in, input)], 1); ev.Kind != Ping {
			t.Fatalf("got %+v", ev)
		}
		if out = c.AppendReplies(out[:0]); len(out) != 2+wire.ControlPayloadBytesMax {
			t.Fatalf("the answer is %q", out)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for a ping and its answer", allocs)
	}
	if c.pong != nil || c.control != nil {
		t.Error("something is left of pings that were answered")
	}
	now := Time(1)
	if allocs := testing.AllocsPerRun(100, func() {
		c.Init(&serverConfig, now)
		now, _ = c.Deadline()
		c.Expire(now)
		if out = c.AppendReplies(out[:0]); len(out) != 10 {
			t.Fatalf("keepalive sends %q", out)
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for a ping of keepalive", allocs)
	}
}

// The payload of one peer's ping is in nobody else's pong.
func TestPongsDoNotLeak(t *testing.T) {
	a, b := New(&serverConfig, 0), New(&serverConfig, 0)
	for range 100 {
		a.Next(frame(true, wire.Ping, strings.Repeat("secret", 20)), 1)
		a.AppendReplies(nil)
		b.Next(frame(true, wire.Ping, "b"), 1)
		a.Next(frame(true, wire.Ping, "another secret"), 1) // while b's is owed
		if got := b.AppendReplies(nil); !bytes.Equal(got, wire.AppendFrame(nil, true, wire.Pong, []byte("b"))) {
			t.Fatalf("got %q", got)
		}
		a.AppendReplies(nil)
	}
}
