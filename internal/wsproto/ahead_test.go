package wsproto

import (
	"testing"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// At every byte of a dialogue the frame that comes next, or goes on, is known.
func TestAhead(t *testing.T) {
	config := configOf(Server, driver.Options{})
	c := New(&config, 0)
	if op, ok := c.Ahead(nil); ok {
		t.Errorf("%v before anything has arrived", op)
	}
	for _, step := range []struct {
		op      wire.Opcode
		fin     bool
		payload string
	}{
		{wire.Text, false, "hello"}, {wire.Ping, true, "p"}, {wire.Continuation, true, "there"}, {wire.Binary, true, ""}, {wire.Close, true, "\x03\xe8"},
	} {
		p := frame(step.fin, step.op, step.payload)
		for len(p) > 0 {
			if op, ok := c.Ahead(p[:1]); !ok || op != step.op {
				t.Fatalf("%v, %v with %d bytes of a %v to come", op, ok, len(p), step.op)
			}
			if ev, _ := c.Next(p[:1:1], 1); ev.Kind == Fail {
				t.Fatal(ev.Err)
			}
			p = p[1:]
		}
		if op, ok := c.Ahead(nil); ok && step.op != wire.Close {
			t.Errorf("%v after a whole %v", op, step.op)
		}
	}
}
