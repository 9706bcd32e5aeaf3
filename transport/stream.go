package transport

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// headerPosition says where a stream begins: asking for what came after it
// misses nothing, even if the stream broke before its first publication.
const headerPosition = "Godwit-Position"

// lostEpoch stands for a position of a client that cannot be read. It is the
// epoch of no history, so the hub announces a gap.
const lostEpoch = "?"

// streamFormat is how a response that does not end is written.
type streamFormat struct {
	transport   string
	contentType string
	form        hub.Form
	encode      func(*hub.Publication) []byte
	appendOpen  func(dst []byte, retry time.Duration, begin hub.Position) []byte
	appendGap   func(dst []byte, g *hub.Gap) []byte
	heartbeat   string

	// endsWhenRefused opens and ends a stream that cannot be served now instead
	// of refusing it, for clients that come back after the one and give up for
	// good after the other.
	endsWhenRefused bool
}

// signal is a session's wake as something to select on.
type signal chan struct{}

func newSignal() signal { return make(signal, 1) }

func (s signal) wake() {
	select {
	case s <- struct{}{}:
	default: // it is lit already
	}
}

// begin is the position a stream begins behind, found out before it begins so
// that the client can be told: it may break off before its first publication.
// Without since and last that is now.
func (t *Transport) begin(ctx context.Context, channel string, q query) (hub.Position, error) {
	if !q.since.IsZero() {
		return q.since, nil
	}
	// The first of the newest N is enough: the position before it.
	page, err := t.hub.History(ctx, channel, hub.Query{Last: max(1, q.last), Limit: 1})
	if err != nil {
		return hub.Position{}, err
	}
	if q.last > 0 && len(page.Publications) > 0 {
		first := page.Publications[0].Position
		first.Offset--
		return first, nil
	}
	return page.Position, nil
}

// serveStream serves a channel as a response that goes on until the client or
// the server leaves.
func (t *Transport) serveStream(w http.ResponseWriter, r *http.Request, channel string, q query, f *streamFormat) {
	if f == &eventStream {
		resumeEvents(r.Header.Get("Last-Event-ID"), &q)
	}
	if r.Method == http.MethodHead {
		f.header(w, r, hub.Position{})
		w.WriteHeader(http.StatusOK)
		return
	}
	opened := time.Now()
	woken := newSignal()
	session, err := t.hub.Connect(f.transport, woken.wake)
	if err != nil {
		t.refuseStream(w, r, f, err)
		return
	}
	defer session.Close()
	position, err := t.begin(r.Context(), channel, q)
	if err == nil {
		err = session.Subscribe(r.Context(), channel, hub.SubscribeOptions{Since: position})
	}
	if err != nil {
		t.refuseStream(w, r, f, err)
		return
	}

	out := t.newWriter(w, r)
	// A stream outlives whatever time the server gives a request to arrive.
	_ = out.control.SetReadDeadline(time.Time{})
	f.header(w, r, position)
	s := stream{t: t, f: f, session: session, woken: woken, out: out, opened: opened}
	end := s.open(position)
	if end == "" {
		end = s.run(r.Context())
	}
	if end != EndSlow {
		out.finish()
	}
	t.observe.ended(f.transport, end)
	t.o.Logger.DebugContext(r.Context(), "stream ended", "transport", f.transport, "channel", channel, "session", session.ID(), "end", string(end))
}

// refuseStream answers a request for a stream that cannot be served now.
func (t *Transport) refuseStream(w http.ResponseWriter, r *http.Request, f *streamFormat, err error) {
	if !f.endsWhenRefused {
		t.refuseHub(w, r, err)
		return
	}
	end := t.takeFailed(r.Context(), err)
	f.header(w, r, hub.Position{})
	_, _ = w.Write(f.appendOpen(nil, t.o.Retry, hub.Position{}))
	t.observe.ended(f.transport, end)
}

// header writes what every stream of the format begins with.
func (f *streamFormat) header(w http.ResponseWriter, r *http.Request, position hub.Position) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	// Proxies that collect a response before they pass it on are told not to.
	h.Set("X-Accel-Buffering", "no")
	if !position.IsZero() && position.Epoch != lostEpoch {
		h.Set(headerPosition, position.String())
	}
	closeHTTP1(w, r) // a stream ends with its connection
}

// stream is one client of serveStream. It runs on the handler's goroutine.
type stream struct {
	t       *Transport
	f       *streamFormat
	session *hub.Session
	woken   signal
	out     *writer
	opened  time.Time
	pushes  []hub.Push
}

// open sends the header and the beginning. It returns "" if the stream is open.
func (s *stream) open(position hub.Position) End {
	if position.Epoch == lostEpoch {
		position = hub.Position{}
	}
	if b := s.f.appendOpen(nil, s.t.o.Retry, position); len(b) > 0 {
		if _, err := s.out.Write(b); err != nil {
			return ended(err)
		}
	}
	if err := s.out.flush(); err != nil {
		return ended(err)
	}
	return ""
}

// run delivers until the end, and says which it was.
func (s *stream) run(ctx context.Context) End {
	heartbeat := time.NewTimer(s.t.o.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return EndClient
		case <-heartbeat.C:
			if _, err := s.out.Write([]byte(s.f.heartbeat)); err != nil {
				return ended(err)
			}
			if err := s.out.flush(); err != nil {
				return ended(err)
			}
		case <-s.woken:
			if end := s.deliver(ctx); end != "" {
				return end
			}
		}
		heartbeat.Reset(s.t.o.Heartbeat)
	}
}

// deliver takes what is owed and sends it, all in one flush.
func (s *stream) deliver(ctx context.Context) End {
	pushes, failure := s.session.Take(ctx, s.pushes[:0])
	var sent batch
	for _, push := range pushes {
		var b []byte
		if push.Gap != nil {
			b = s.f.appendGap(nil, push.Gap)
		} else {
			b = push.Delivery.Encoded(s.f.form, s.f.encode)
			sent.add(push.Delivery.Publication, len(b), s.opened)
		}
		if _, err := s.out.Write(b); err != nil {
			return ended(err)
		}
	}
	if len(pushes) > 0 {
		if err := s.out.flush(); err != nil {
			return ended(err)
		}
		s.t.observe.delivered(s.f.transport, sent)
	}
	s.pushes = recycle(pushes)
	if failure != nil {
		return s.t.takeFailed(ctx, failure)
	}
	return ""
}

// pushesKept is how many pushes an idle client keeps room for.
const pushesKept = 16

// recycle empties pushes for the next Take, so that an idle client holds on to
// no publication and to no more than a little memory.
func recycle(pushes []hub.Push) []hub.Push {
	if cap(pushes) > pushesKept {
		return nil
	}
	clear(pushes)
	return pushes[:0]
}

// takeFailed says which end an error of Session.Take is.
func (t *Transport) takeFailed(ctx context.Context, err error) End {
	switch {
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		return EndShutdown
	case ctx.Err() != nil:
		return EndClient
	}
	t.o.Logger.ErrorContext(ctx, "broker failed", "error", err)
	return EndFailure
}
