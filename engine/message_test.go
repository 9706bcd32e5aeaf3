package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestEcho(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.Options = engine.Options{Compression: &deflate.Options{}}
		address := start(t, s)
		for name, options := range map[string]ws.Options{"plain": {}, "deflate": {Compression: &deflate.Options{}}} {
			c, _, err := ws.Dial(within(t), "ws://"+address, &ws.DialOptions{Options: options})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			for _, size := range []int{0, 1, 125, 126, 65535, 65536, 65537, 200_000, 1 << 20} {
				for _, typ := range []ws.MessageType{ws.MessageText, ws.MessageBinary} {
					message := []byte(strings.Repeat("0123456789", size/10+1)[:size])
					written := make(chan error, 1)
					go func() { written <- c.Write(within(t), typ, message) }()
					got, p, err := c.Read(within(t))
					if err != nil || got != typ || !bytes.Equal(p, message) {
						t.Fatalf("%s %v of %d bytes: got %v of %d bytes, %v", name, typ, size, got, len(p), err)
					}
					if err := <-written; err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := c.Close(ws.StatusNormal, ""); err != nil {
				t.Error(err)
			}
		}
	})
}

// What comes with the request is not lost, and a request may come byte by byte.
func TestEarlyBytes(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		address := start(t, s)
		c := upgrade(t, address, append(text("early"), text("bird")[:3]...)...)
		c.expect(t, wire.Text, "early")
		c.send(t, text("bird")[3:])
		c.expect(t, wire.Text, "bird")

		slow := connect(t, address)
		for _, b := range []byte("\r\n" + opening + string(text("slow"))) {
			slow.send(t, []byte{b})
		}
		slow.switched(t)
		slow.expect(t, wire.Text, "slow")
	})
}

// What goroutines write at the same time arrives whole, and what each has
// written in its order.
func TestWritesFromManyGoroutines(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		s.Options.QueueBytesMax = 64 << 20
		client := dial(t, start(t, s))
		c := next(t, n.open)
		const writers, messages = 8, 300
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range messages {
					message := fmt.Appendf(nil, "%d %d %s", w, i, strings.Repeat("x", i))
					if err := c.Write(engine.MessageText, message); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		var seen [writers]int
		for range writers * messages {
			_, p, err := client.Read(within(t))
			if err != nil {
				t.Fatal(err)
			}
			var w, i int
			if _, err := fmt.Sscanf(string(p), "%d %d", &w, &i); err != nil || seen[w] != i || !strings.HasSuffix(string(p), " "+strings.Repeat("x", i)) {
				t.Fatalf("got %.20q from writer %d, who was at %d", p, w, seen[w])
			}
			seen[w]++
		}
		wg.Wait()
		if c.Buffered() != 0 {
			t.Errorf("%d bytes are buffered when all has arrived", c.Buffered())
		}
	})
}

func TestBatchesAndFrames(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if err := conn.WriteBatch([]engine.Message{{engine.MessageText, []byte("a")}, {engine.MessageBinary, []byte("b")}}); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "a")
		c.expect(t, wire.Binary, "b")
		if err := conn.WriteFrames(wire.AppendFrame(nil, true, wire.Text, []byte("c")), wire.AppendFrame(nil, true, wire.Text, []byte("d"))); err != nil {
			t.Fatal(err)
		}
		c.expect(t, wire.Text, "c")
		c.expect(t, wire.Text, "d")

		invalid := []byte("\xff")
		for name, got := range map[string]error{
			"text":  conn.Write(engine.MessageText, invalid),
			"batch": conn.WriteBatch([]engine.Message{{engine.MessageText, []byte("never")}, {engine.MessageText, invalid}}),
		} {
			if got != engine.ErrNotUTF8 {
				t.Errorf("%s that is not UTF-8: %v", name, got)
			}
		}
		if err := conn.Write(3, nil); err != engine.ErrMessageType {
			t.Errorf("type 3: %v", err)
		}
		if err := conn.WriteBatch([]engine.Message{{3, nil}}); err != engine.ErrMessageType {
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
			"Write": c.Write(engine.MessageText, nil), "WriteBatch": c.WriteBatch(nil), "WriteFrames": c.WriteFrames(),
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
