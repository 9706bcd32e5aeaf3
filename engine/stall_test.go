package engine_test

import (
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// blocks holds the loop until it is let go.
type blocks struct {
	engine.NopHandler
	entered, leave chan struct{}
}

func (b blocks) OnMessage(*engine.Conn, engine.MessageType, []byte) {
	b.entered <- struct{}{}
	<-b.leave
}

// A handler that blocks is named in the log, once, while it does.
func TestStallsAreReported(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		j := newJournal()
		h := blocks{entered: make(chan struct{}, 1), leave: make(chan struct{})}
		s.Handler, s.StallAfter, s.Log = h, 10*time.Millisecond, j.logger()
		c := upgrade(t, start(t, s))
		c.send(t, text("x"))
		next(t, h.entered)
		j.wait(t, "engine_test.blocks", "holds up", c.LocalAddr().String())
		stalls := uint64(0)
		for _, l := range s.Stats() {
			stalls += l.Stalls
		}
		if stalls != 1 {
			t.Errorf("%d stalls", stalls)
		}
		close(h.leave)
	})
}

// The figures add up when everything is over.
func TestStats(t *testing.T) {
	drivers(t, func(t *testing.T, s *engine.Server) {
		n := newNotes()
		s.Handler = panics{n, ""} // an echo that takes notes
		address := start(t, s)
		const messages = 10
		c := upgrade(t, address)
		for range messages {
			c.send(t, text("four"))
			if _, p := c.frame(t); string(p) != "four" {
				t.Fatalf("%q", p)
			}
		}
		if s.Stats()[0].Conns+s.Stats()[1].Conns != 1 {
			t.Errorf("%+v", s.Stats())
		}
		c.send(t, closing(1000))
		c.closes(t, 1000)
		r := connect(t, address)
		r.send(t, []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		r.response(t)
		_ = s.Close()
		var sum engine.Stats
		for _, l := range s.Stats() {
			sum.Conns += l.Conns
			sum.Accepted += l.Accepted
			sum.Refused += l.Refused
			sum.MessagesIn += l.MessagesIn
			sum.MessagesOut += l.MessagesOut
			sum.BytesIn += l.BytesIn
			sum.BytesOut += l.BytesOut
			sum.QueueBytes += l.QueueBytes
			sum.Busy += l.Busy
		}
		if sum.Conns != 0 || sum.Accepted != 1 || sum.Refused != 1 || sum.MessagesIn != messages || sum.MessagesOut != messages || sum.QueueBytes != 0 || sum.Busy <= 0 ||
			sum.BytesIn < uint64(len(opening))+messages*10 || sum.BytesOut < 129+messages*6 {
			t.Errorf("%+v", sum)
		}
	})
}

func TestMisuse(t *testing.T) {
	if err := new(engine.Server).ListenAndServe("127.0.0.1:0"); err == nil {
		t.Error("a server without a handler serves")
	}
	s := &engine.Server{Handler: echo{}}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.ListenAndServe("127.0.0.1:0"); err != engine.ErrServerClosed {
		t.Errorf("a closed server serves: %v", err)
	}
	if err := s.ListenAndServe("nowhere"); err == nil {
		t.Error("it listens on nowhere")
	}
}
