package engine_test

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestServerCloses(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = n
		c := upgrade(t, start(t, s))
		conn := next(t, n.open)
		if err := conn.Close(999, ""); err != engine.ErrCloseCode {
			t.Errorf("close 999: %v", err)
		}
		_ = conn.Write(engine.MessageText, []byte("last words"))
		if err := conn.Close(4000, "enough"); err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(engine.MessageText, nil); err != engine.ErrClosing {
			t.Errorf("a write after Close: %v", err)
		}
		if err := conn.Close(4001, ""); err != engine.ErrClosing {
			t.Errorf("a second Close: %v", err)
		}
		c.expect(t, wire.Text, "last words")
		c.expect(t, wire.Close, "\x0f\xa0enough")
		c.send(t, append(text("too late"), closing(4000)...))
		c.ends(t)
		end := next(t, n.end)
		if end.Code != 4000 || end.Sent != 4000 || end.Err != nil {
			t.Errorf("%+v", end)
		}
		select {
		case m := <-n.message:
			t.Errorf("%q was handed on after Close", m)
		default:
		}
	})
}

// panics panics where it is told to.
type panics struct {
	*notes
	where string
}

func (h panics) OnOpen(c *engine.Conn) {
	h.notes.OnOpen(c)
	if h.where == "open" {
		panic("in OnOpen")
	}
}

func (h panics) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	if string(p) == "panic" {
		panic("in OnMessage")
	}
	_ = c.Write(typ, p)
}

func (h panics) OnClose(c *engine.Conn, err *engine.CloseError) {
	h.notes.OnClose(c, err)
	if h.where == "close" {
		panic("in OnClose")
	}
}

func TestHandlerPanics(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		j := newJournal()
		s.Log = j.logger()
		n := newNotes()
		s.Handler = panics{n, ""}
		s.Admit = func(r *engine.Request) engine.Admission {
			if r.Path() == "/admit" {
				panic("in Admit")
			}
			return engine.Admission{Handler: panics{n, strings.Clone(r.Path()[1:])}}
		}
		address := start(t, s)
		bystander := dial(t, address)
		next(t, n.open)

		c := upgrade(t, address, append(text("fine"), text("panic")...)...)
		c.expect(t, wire.Text, "fine")
		c.closes(t, 1011)
		j.wait(t, "engine_test.panics", "in OnMessage", "stack=")
		if end := next(t, n.end); end.Sent != 1011 || end.Err == nil {
			t.Errorf("%+v", end)
		}

		c = connect(t, address)
		c.send(t, []byte(strings.Replace(opening, "/", "/open", 1)))
		c.switched(t)
		c.closes(t, 1011)
		j.wait(t, "in OnOpen")
		next(t, n.end)

		c = connect(t, address)
		c.send(t, []byte(strings.Replace(opening, "/", "/close", 1)))
		c.switched(t)
		c.send(t, closing(1000))
		c.closes(t, 1000)
		j.wait(t, "in OnClose")

		c = connect(t, address)
		c.send(t, []byte(strings.Replace(opening, "/", "/admit", 1)))
		if r := c.response(t); r.StatusCode != 500 || !r.Close {
			t.Errorf("%v", r)
		}
		j.wait(t, "in Admit")

		if err := bystander.Write(within(t), ws.MessageText, []byte("still here")); err != nil {
			t.Fatal(err)
		}
		if _, p, err := bystander.Read(within(t)); string(p) != "still here" {
			t.Errorf("%q, %v", p, err)
		}
		panicked := uint64(0)
		for _, l := range s.Stats() {
			panicked += l.Panics
		}
		if panicked == 0 {
			t.Error("Stats has no panics") // they are published before a loop sleeps
		}
	})
}
