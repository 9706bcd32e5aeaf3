package engine_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// fails does not return from the call that it is told of by the path: it panics,
// or ends its goroutine, as a test's FailNow does.
type fails struct {
	*notes
	how, where string
}

func (h fails) at(where string) {
	if where != h.where {
		return
	}
	if h.how == "panic" {
		panic("on purpose")
	}
	runtime.Goexit()
}

func (h fails) OnOpen(c *engine.Conn) {
	h.notes.OnOpen(c)
	h.at("open")
}

func (h fails) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	if string(p) == "wake" {
		c.Wake()
		return
	}
	if string(p) == "fail" {
		h.at("message")
	}
	_ = c.Write(typ, p)
}

func (h fails) OnWake(*engine.Conn) { h.at("wake") }

func (h fails) OnClose(c *engine.Conn, err *engine.CloseError) {
	h.notes.OnClose(c, err)
	h.at("close")
}

// Whatever a callback does instead of returning, its connection is closed and
// nobody else notices: not the loop's other connections, not those that had
// something to be done in the same turn, not Shutdown.
func TestCallbacksThatDoNotReturn(t *testing.T) {
	for _, blocking := range []bool{false, true} {
		for _, how := range []string{"panic", "Goexit"} {
			t.Run(fmt.Sprintf("%s/blocking=%v", how, blocking), func(t *testing.T) {
				drivers(t, func(t *testing.T, s *engine.Server) { doesNotReturn(t, s, how, blocking) })
			})
		}
	}
}

func doesNotReturn(t *testing.T, s *engine.Server, how string, blocking bool) {
	j := newJournal()
	n := newNotes()
	s.Handler, s.Loops, s.Workers, s.Log = echo{}, 1, 2, j.logger()
	s.Admit = func(r *engine.Request) engine.Admission {
		where := strings.Clone(r.Path()[1:])
		fails{n, how, where}.at("admit")
		if where == "" {
			return engine.Admission{}
		}
		h := engine.Handler(fails{n, how, where})
		if blocking {
			h = engine.Blocking(h)
		}
		return engine.Admission{Handler: h}
	}
	address := start(t, s)
	bystander := upgrade(t, address)
	for _, step := range []struct {
		where string
		send  []byte
		fails bool // the connection, and not only the call
	}{
		{"open", nil, true},
		{"message", append(text("fail"), text("not handed on")...), true},
		{"wake", text("wake"), true},
		{"close", closing(1000), false},
	} {
		c := connect(t, address)
		c.send(t, []byte(strings.Replace(opening, "/", "/"+step.where, 1)))
		c.switched(t)
		if step.send != nil {
			c.send(t, step.send)
		}
		if step.fails {
			c.closes(t, 1011)
		} else {
			c.closes(t, 1000)
		}
		words := []string{"a callback", "engine_test.fails", "stack="}
		if how == "Goexit" {
			words = append(words, "runtime.Goexit")
		}
		j.wait(t, words...)
		if end := next(t, n.end); step.fails && (end.Sent != 1011 || end.Err == nil) {
			t.Errorf("%s: %+v", step.where, end)
		}
		bystander.send(t, text(step.where))
		bystander.expect(t, wire.Text, step.where)
	}
	if !blocking {
		c := connect(t, address)
		c.send(t, []byte(strings.Replace(opening, "/", "/admit", 1)))
		if r := c.response(t); r.StatusCode != 500 || !r.Close {
			t.Errorf("%v", r)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	bystander.ends(t)
	want := uint64(5)
	if blocking {
		want = 4
	}
	if got := s.Stats()[0]; got.Panics != want || got.Conns != 0 {
		t.Errorf("%d panics counted, want %d; %+v", got.Panics, want, got)
	}
}

// Every connection of a server that is closed leaves with Goexit in OnClose.
func TestGoexitAtTheEnd(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = fails{n, "Goexit", "close"}
		address := start(t, s)
		const conns = 10
		for range conns {
			upgrade(t, address)
		}
		for range conns {
			next(t, n.open)
		}
		_ = s.Close()
		if len(n.end) != conns || s.Len() != 0 {
			t.Errorf("OnClose was called %d times for %d connections, %d are left", len(n.end), conns, s.Len())
		}
	})
}
