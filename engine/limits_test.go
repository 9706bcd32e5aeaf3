package engine_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

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

// Limits of an Admission count for what a compressed message inflates to, in both
// directions.
func TestCompressedLimits(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		s.Handler = echo{}
		s.Options = engine.Options{MessageBytesMax: 500, Compression: &deflate.Options{}}
		limits := map[string]*engine.Options{"/more": {MessageBytesMax: 1000}, "/less": {MessageBytesMax: 100}}
		s.Admit = func(r *engine.Request) engine.Admission { return engine.Admission{Limits: limits[r.Path()]} }
		address := start(t, s)
		for path, most := range map[string]int{"/more": 1000, "/less": 100, "/": 500} {
			client, _, err := ws.Dial(within(t), "ws://"+address+path, &ws.DialOptions{Options: ws.Options{Compression: &deflate.Options{}}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseNow()
			if _, ok := client.Compression(); !ok {
				t.Fatal("it does not compress")
			}
			for _, size := range []int{most, most + 1} {
				if err := client.Write(within(t), ws.MessageText, bytes.Repeat([]byte("x"), size)); err != nil {
					t.Fatal(err)
				}
				_, got, err := client.Read(within(t))
				if isIn := size <= most; isIn && (err != nil || len(got) != size) || !isIn && ws.CloseStatus(err) != ws.StatusMessageTooBig {
					t.Errorf("%s: %d bytes: got %d, %v", path, size, len(got), err)
				}
			}
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

// fill writes to a connection whose peer does not read until it is refused.
func fill(c *engine.Conn, message []byte) error {
	for {
		if err := c.Write(engine.MessageBinary, message); err != nil {
			return err
		}
	}
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
		s.Handler, s.Options = h, engine.Options{QueueMessagesMax: limit}
		c := upgrade(t, start(t, s), text("go")...)
		for i := range limit {
			c.expect(t, wire.Text, fmt.Sprint(i))
		}
	})
}

// A peer that does not read can be closed when its queue is full: it gets what was
// queued, and then the reason.
func TestCloseOfAFullQueue(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler, s.Options = n, engine.Options{QueueBytesMax: 64 << 10}
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if err := fill(conn, make([]byte, 1000)); err != engine.ErrQueueFull {
			t.Fatal(err)
		}
		if err := conn.Close(engine.StatusPolicyViolation, "too slow"); err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(engine.MessageBinary, nil); !errors.Is(err, engine.ErrClosing) && !errors.Is(err, engine.ErrQueueFull) {
			t.Errorf("after Close: %v", err)
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
		if end := next(t, n.end); end.Sent != 1008 {
			t.Errorf("%+v", end)
		}
	})
}
