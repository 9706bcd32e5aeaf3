package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// Every length of a ping, a close reason and a message in parts comes back as it
// was sent, with memory that was full of something else before.
func TestNothingStale(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Loops = panics{n, ""}, 1 // an echo that takes notes
		address := start(t, s)
		swept := 0
		for length := range wire.ControlPayloadBytesMax + 1 {
			swept += engine.Sweep()
			c := upgrade(t, address)
			next(t, n.open)
			payload := strings.Repeat("p", length)
			c.send(t, masked(false, wire.Binary, payload))
			c.send(t, masked(true, wire.Ping, payload))
			c.expect(t, wire.Pong, payload)
			swept += engine.Sweep()
			c.send(t, masked(true, wire.Continuation, fmt.Sprint("end ", length)))
			c.expect(t, wire.Binary, payload+fmt.Sprint("end ", length))
			c.send(t, masked(true, wire.Close, string(wire.AppendClose(nil, 4001, payload[:max(0, length-2)]))))
			h, p := c.frame(t)
			if code, reason, err := wire.ParseClose(p); h.Opcode != wire.Close || code != 4001 || err != nil || strings.Trim(string(reason), "p") != "" {
				t.Fatalf("got %v %q", h.Opcode, p)
			}
			c.ends(t)
			if end := next(t, n.end); end.Reason != payload[:max(0, length-2)] {
				t.Fatalf("the reason became %q", end.Reason)
			}
		}
		if swept == 0 {
			t.Error("nothing was overwritten: nothing was tested")
		}
	})
}
