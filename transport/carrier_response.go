package transport

import (
	"context"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
)

// signal is a wake as something to select on.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default: // it is lit already
	}
}

// responseCarrier carries a conversation as the response to a request that
// net/http serves, on the handler's goroutine: a stream, a page, or the answer to
// a publication.
type responseCarrier struct {
	conversation
	asker asker
	w     *writer
	r     *http.Request
	woken signal
}

// serveResponse serves r with the output of the dialect of d.
func (t *Transport) serveResponse(w http.ResponseWriter, r *http.Request, d *decision) {
	s := &responseCarrier{asker: d.asker, w: t.newWriter(w, r), r: r, woken: newSignal()}
	s.conversation.t, s.conversation.dialect, s.conversation.wake, s.visitor = t, d.dialect, s.woken.wake, d.visitor
	defer s.close()
	ctx := r.Context()
	if d.dialect.Transport() == Post {
		// A client that has sent all of its request may close its half. It is
		// answered all the same, and the hub does not take for ever.
		ctx = context.WithoutCancel(ctx)
	}
	end := s.run(ctx)
	if end != EndSlow {
		s.w.finish()
	}
	t.endStream(&s.conversation, end)
}

// endStream tells of the end of a stream; of other responses nobody is told.
func (t *Transport) endStream(c *conversation, end dialect.End) {
	if stream, ok := c.dialect.(*dialect.Stream); ok && isHeld(stream) {
		name := stream.Transport()
		t.observe.ended(name, end)
		t.observe.disconnected(c.id(), end, nil)
		t.o.Logger.Debug("stream ended", "transport", name, "channel", stream.Channel(), "session", c.id(), "end", string(end))
	}
	if session, ok := c.dialect.(*dialect.Session); ok && !session.IsPolled() {
		t.observe.ended(Session, end)
		t.observe.disconnected(c.id(), end, nil)
		t.o.Logger.Debug("stream ended", "transport", Session, "session", c.id(), "end", string(end))
	}
}

// run serves until the dialect, the client or the server ends it.
func (s *responseCarrier) run(ctx context.Context) dialect.End {
	m := scratches.Get().(*scratch)
	s.begin(m)
	answered := false
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if m.effects.Answer != nil {
			answered = true
		}
		if end := s.apply(m); end != "" {
			return end
		}
		if deadline := s.dialect.Deadline(); !deadline.IsZero() {
			timer.Reset(time.Until(deadline))
		}
		m = nil // a conversation that is silent holds none
		select {
		case <-s.woken: // first, so that what can be answered is
			m = scratches.Get().(*scratch)
			s.take(m)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			// Without an answer there is none: the connection ends, rather than with
			// a response that says nothing.
			if !answered {
				panic(http.ErrAbortHandler)
			}
			return EndClient
		case <-s.woken:
			m = scratches.Get().(*scratch)
			s.take(m)
		case now := <-timer.C:
			m = scratches.Get().(*scratch)
			s.take(m) // first: at its deadline the dialect may say that there is nothing
			if deadline := s.dialect.Deadline(); m.effects.Closing == nil && !deadline.IsZero() && !now.Before(deadline) {
				s.expire(now, m)
			}
		}
	}
}

// apply writes the output of the dialect, all in one flush. It returns "" while
// the response goes on.
func (s *responseCarrier) apply(m *scratch) dialect.End {
	defer m.recycle()
	e := &m.effects
	if e.Answer != nil {
		s.t.answer(&s.asker, e.Answer, &m.response, e)
		m.response.writeHead(s.w, s.r)
		if m.response.isStream {
			// It outlives whatever time the server gives a request to arrive.
			_ = s.w.control.SetReadDeadline(time.Time{})
		}
		if s.asker.isHead {
			return EndClient
		}
		if _, err := s.w.Write(m.response.body); err != nil {
			return ended(err)
		}
	}
	for _, frame := range e.Frames {
		if _, err := s.w.Write(frame); err != nil {
			return ended(err)
		}
	}
	if e.Answer != nil || len(e.Frames) > 0 {
		if err := s.w.flush(); err != nil {
			return ended(err)
		}
		s.t.observe.delivered(s.dialect.Transport(), e.Delivered)
	}
	if e.Closing != nil {
		return e.Closing.End
	}
	return ""
}
