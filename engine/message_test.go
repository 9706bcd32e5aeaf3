package engine_test

import (
	"context"
	"errors"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestFrames(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if err := conn.WriteFrames(wire.AppendFrame(nil, true, wire.Text, []byte("c")), wire.AppendFrame(nil, true, wire.Text, []byte("d"))); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "c")
		c.expect(t, wire.Text, "d")

		if err := conn.Write(engine.MessageText, []byte("\xff")); err != engine.ErrNotUTF8 {
			t.Errorf("text that is not UTF-8: %v", err)
		}
		if err := conn.Write(3, nil); err != engine.ErrMessageType {
			t.Errorf("type 3: %v", err)
		}
		if err := conn.Write(engine.MessageText, []byte("e")); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "e") // nothing was sent by what failed
	})
}

// A handler may be changed, and sees what comes after.
func TestSetHandlerAndValue(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n, later := newNotes(), newNotes()
		s.Handler, s.Admit = n, func(*engine.Request) engine.Admission { return engine.Admission{Value: "admitted"} }
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if conn.Value() != "admitted" {
			t.Errorf("the value is %v", conn.Value())
		}
		conn.SetValue(7)
		if conn.Value() != 7 {
			t.Errorf("the value is %v", conn.Value())
		}
		c.send(t, text("first"))
		if got := next(t, n.message); got != "first" {
			t.Fatal(got)
		}
		conn.SetHandler(later)
		c.send(t, text("second"))
		if got := next(t, later.message); got != "second" {
			t.Fatal(got)
		}
		conn.SetHandler(nil)
		c.send(t, text("third"))
		if got := next(t, n.message); got != "third" {
			t.Fatal(got)
		}
	})
}

func TestPingMeasures(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if conn.RTT() != 0 {
			t.Errorf("RTT is %v before any ping", conn.RTT())
		}
		for range 2 { // the second is not sent while the first is under way
			if err := conn.Ping(); err != nil {
				t.Fatal(err)
			}
		}
		h, p := c.frame(t)
		if h.Opcode != wire.Ping {
			t.Fatalf("got %v", h.Opcode)
		}
		c.send(t, append(masked(true, wire.Pong, "another"), masked(true, wire.Pong, string(p))...))
		c.send(t, text("after"))
		next(t, n.message)
		if conn.RTT() <= 0 {
			t.Errorf("RTT is %v", conn.RTT())
		}
		if err := conn.Write(engine.MessageText, []byte("one ping only")); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "one ping only")
	})
}

func TestAddressesAndSubprotocol(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		s.Subprotocols = []string{"b", "a"}
		address := start(t, s)
		client, _, err := ws.Dial(within(t), "ws://"+address, &ws.DialOptions{Subprotocols: []string{"a", "b"}})
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseNow()
		c := next(t, n.open)
		if got := c.RemoteAddr().String(); got != client.NetConn().LocalAddr().String() {
			t.Errorf("remote %s", got)
		}
		if got := c.LocalAddr().String(); got != address {
			t.Errorf("local %s", got)
		}
		if c.Subprotocol() != "b" || client.Subprotocol() != "b" {
			t.Errorf("subprotocol %q", c.Subprotocol())
		}
		if _, ok := c.Compression(); ok {
			t.Error("it compresses")
		}
		remote := c.RemoteAddr().String()
		_ = client.CloseNow()
		next(t, n.end)
		if got := c.RemoteAddr().String(); got != remote {
			t.Errorf("remote %s after the end", got)
		}
	})
}

// After the end every method says so, and none does harm.
func TestAfterTheEnd(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		client := dial(t, start(t, s))
		c := next(t, n.open)
		if err := client.Close(ws.StatusNormal, "bye"); err != nil {
			t.Fatal(err)
		}
		end := next(t, n.end)
		if end.Code != 1000 || end.Reason != "bye" || end.Sent != 1000 || end.Err != nil {
			t.Errorf("%+v", end)
		}
		for name, err := range map[string]error{
			"Write": c.Write(engine.MessageText, nil), "WriteFrames": c.WriteFrames(),
			"Ping": c.Ping(), "Close": c.Close(1000, ""), "Err": c.Err(),
		} {
			if !errors.Is(err, error(end)) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c.CloseNow()
		c.SetLimits(&engine.Options{})
		_ = context.Background()
	})
}
