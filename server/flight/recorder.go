package flight

import (
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Recorder remembers what became of the sessions of a hub. All methods are safe for
// concurrent use, and do not block. A nil *Recorder remembers nothing.
type Recorder struct {
	now   func() time.Time
	began time.Time
	skew  time.Duration // clockSkew, but for tests

	// Refusals have memory of their own: a client that tries again and again does not make
	// what became of others be forgotten.
	turns, refusals ring
}

// BytesMin is the least memory of a Recorder that remembers anything.
const BytesMin = 64 << 10

// DefaultBytes is memory for about 30,000 sessions that came, subscribed once and went.
const DefaultBytes = 16 << 20

// refusalsPart is the part of the memory that refusals have.
const refusalsPart = 4

// New returns a Recorder that takes at most so many bytes of memory, at least BytesMin; or
// nil, for 0 or less.
func New(bytes int) *Recorder { return newAt(bytes, time.Now) }

func newAt(bytes int, now func() time.Time) *Recorder {
	if bytes <= 0 {
		return nil
	}
	bytes = max(bytes, BytesMin)
	refusals := bytes / refusalsPart
	return &Recorder{now: now, began: now(), skew: clockSkew, turns: makeRing(bytes - refusals), refusals: makeRing(refusals)}
}

// Observe has o tell the Recorder too, after the callbacks that it has already.
func (r *Recorder) Observe(o *hub.Observer) {
	if r == nil {
		return
	}
	opened, closed := o.Opened, o.Closed
	o.Opened = func(s *hub.Session) {
		// First, as the other callbacks may end it.
		r.add(Event{Kind: Opened, Session: s.ID(), User: userOf(s), Transport: s.Transport()})
		if opened != nil {
			opened(s)
		}
	}
	o.Closed = func(s *hub.Session, why error) {
		if closed != nil {
			closed(s, why)
		}
		code, reason := reasonOf(why)
		r.add(Event{Kind: Closed, Session: s.ID(), User: userOf(s), Code: code, Reason: reason})
	}
	o.Subscribed = r.milestones(Subscribed, o.Subscribed)
	o.Gapped = r.milestones(Gapped, o.Gapped)
	o.Unsubscribed = r.milestones(Unsubscribed, o.Unsubscribed)
}

func (r *Recorder) milestones(kind Kind, others func(*hub.Session, hub.Milestone)) func(*hub.Session, hub.Milestone) {
	return func(s *hub.Session, m hub.Milestone) {
		e := Event{Kind: kind, Session: s.ID(), Channel: m.Channel, Since: m.Since, Position: m.Position, ExcludesOwn: m.ExcludesOwn, IsClosed: m.IsClosed && kind == Unsubscribed}
		if m.Gap != nil {
			e.Gap = *m.Gap
		}
		r.add(e)
		if others != nil {
			others(s, m)
		}
	}
}

// Refuse notes that a client was refused an action in a channel, with why. session is ""
// if it had none, and user if it is not known.
func (r *Recorder) Refuse(session, user string, a access.Action, channel string, why error) {
	if r == nil || session == "" && user == "" { // nobody can ask for it
		return
	}
	code, reason := reasonOf(why)
	r.refusals.add(&Event{Kind: Refused, Time: r.now(), Session: session, User: user, Action: a, Channel: channel, Code: code, Reason: reason})
}

// Disconnect notes how the connection of a session ended: with the close code of a
// WebSocket (RFC 6455 §7.4.1), 0 for another transport, and a reason in words.
func (r *Recorder) Disconnect(session string, code uint16, reason string) {
	if r != nil && session != "" {
		r.add(Event{Kind: Disconnected, Session: session, Code: code, Reason: reason})
	}
}

// Suspend notes that a session has lost its connection, how, and waits for another.
func (r *Recorder) Suspend(session string, code uint16, reason string) {
	if r != nil {
		r.add(Event{Kind: Suspended, Session: session, Code: code, Reason: reason})
	}
}

// Resume notes that a session has a connection again, and over which transport.
func (r *Recorder) Resume(session, transport string) {
	if r != nil {
		r.add(Event{Kind: Resumed, Session: session, Transport: transport})
	}
}

func (r *Recorder) add(e Event) {
	e.Time = r.now()
	r.turns.add(&e)
}

// Stats says how much is remembered.
func (r *Recorder) Stats() Stats {
	if r == nil {
		return Stats{}
	}
	s, refusals := r.turns.stats(), r.refusals.stats()
	s.Events += refusals.Events
	s.Bytes += refusals.Bytes
	s.Evicted += refusals.Evicted
	if s.Oldest.IsZero() || !refusals.Oldest.IsZero() && refusals.Oldest.Before(s.Oldest) {
		s.Oldest = refusals.Oldest
	}
	return s
}

func userOf(s *hub.Session) string {
	if id := s.Identity(); id != nil {
		return id.User
	}
	return ""
}

// reasonOf is why a session ended or something was refused, "" if the client just left.
func reasonOf(err error) (code uint16, reason string) {
	var refusal *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.As(err, &refusal):
		return 0, refusal.Reason
	case errors.As(err, &ended):
		return ended.Code, ended.Reason
	case errors.Is(err, hub.ErrShutdown):
		return 0, "the server was shutting down"
	case errors.Is(err, hub.ErrTooManyCommands):
		return 0, "the client sent too many commands at once"
	case err == nil, errors.Is(err, hub.ErrClosed):
		return 0, ""
	}
	return 0, strings.TrimPrefix(err.Error(), "hub: ")
}
