package server

import (
	"errors"
	"sync"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/transport"
)

// teller passes on to the application what the hub observes.
type teller struct {
	guard *guard.Guard

	// mu also keeps the hooks, which do not block, in the order of what happened. It
	// guards what follows.
	mu      sync.Mutex
	members map[string]int // of channels
}

func (t *teller) hooks() *hooks.Hooks { return t.guard.Settings().Hooks }

// hubObserver tells metrics and the application.
func (s *Server) hubObserver() *hub.Observer {
	o := s.metrics.hubObserver()
	s.members.observe(o)
	s.tracer.Observe(o)
	// What was allowed a moment before a reload or a revocation may begin a moment after
	// those have looked at all that there is.
	opened, joined := o.Opened, o.Joined
	o.Opened = func(session *hub.Session) {
		opened(session)
		s.recheck(session)
	}
	o.Joined = func(session *hub.Session, channel string) {
		joined(session, channel)
		s.recheck(session, channel)
	}
	o.Identified = s.recheckAll // a new token may grant less
	o.Registered = func(session *hub.Session, pattern string) { s.recheckMethods(session, pattern) }
	if isOn(s.config.Pusher.Enabled) { // it is there when somebody subscribes
		o.Subscribed = func(session *hub.Session, m hub.Milestone) { s.pusher.Subscribed(session, m) }
		o.Unsubscribed = func(session *hub.Session, m hub.Milestone) { s.pusher.Unsubscribed(session, m) }
	}
	s.flight.Observe(o)
	return o
}

// recheckMethods takes registrations from a session that may not answer the methods any
// more, and ends one that cannot go on at all.
func (s *Server) recheckMethods(session *hub.Session, patterns ...string) {
	if refusal := s.guard.StandsToAnswer(session.Identity()); refusal != nil {
		session.End(refusal)
		return
	}
	for _, pattern := range patterns {
		if refusal := s.guard.StandsToAnswer(session.Identity(), pattern); refusal != nil {
			session.RemoveMethod(pattern, refusal)
		}
	}
}

// recheck takes channels from a session that may not read them any more, and ends one that
// cannot go on at all. A session of one channel ends with it. What the server itself has
// subscribed a session to needs no grant.
func (s *Server) recheck(session *hub.Session, channels ...string) {
	if key, ok := keyOf(session.Identity()); ok {
		s.recheckKeyed(session, key)
		return
	}
	if refusal := s.guard.Stands(session.Identity()); refusal != nil {
		session.End(refusal)
		return
	}
	for _, channel := range channels {
		switch refusal := s.guard.Stands(session.Identity(), channel); {
		case refusal == nil:
		case session.Transport() != transport.Session:
			session.End(refusal)
			return
		case !session.IsByServer(channel):
			session.Remove(channel, refusal)
		}
	}
}

// recheckAll is recheck and recheckMethods for all that a session has.
func (s *Server) recheckAll(session *hub.Session) {
	s.recheck(session, session.ChannelsAskedFor()...)
	s.recheckMethods(session, session.Methods()...)
}

// observe has o tell the teller.
func (t *teller) observe(o *hub.Observer) {
	o.Opened = func(s *hub.Session) { t.hooks().SessionOpened(memberOf(s)) }
	o.Closed = func(s *hub.Session, why error) { t.hooks().SessionClosed(memberOf(s), reasonOf(why)) }
	o.Joined, o.Left = t.joined, t.left
}

func (t *teller) joined(s *hub.Session, channel string) {
	if hub.IsPattern(channel) {
		return // it makes no member of any channel
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hooks()
	if t.count(channel, 1) == 1 {
		h.ChannelOccupied(channel)
	}
	h.MemberJoined(channel, memberOf(s))
}

func (t *teller) left(s *hub.Session, channel string) {
	if hub.IsPattern(channel) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.hooks()
	h.MemberLeft(channel, memberOf(s))
	if t.count(channel, -1) == 0 {
		h.ChannelVacated(channel)
	}
}

// count adds to the members of a channel and returns how many it has; t.mu is held.
func (t *teller) count(channel string, n int) int {
	count := t.members[channel] + n
	if count == 0 {
		delete(t.members, channel)
	} else {
		t.members[channel] = count
	}
	return count
}

func memberOf(s *hub.Session) hooks.Member {
	m := hooks.Member{Session: s.ID(), Transport: s.Transport()}
	if id := s.Identity(); id != nil {
		m.User, m.Info = id.User, id.Info
	}
	return m
}

// reasonOf says why a session was closed.
func reasonOf(err error) string {
	var refusal *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.As(err, &refusal):
		return refusal.Reason
	case errors.As(err, &ended):
		return ended.Reason
	case errors.Is(err, hub.ErrShutdown):
		return "server is shutting down"
	case errors.Is(err, hub.ErrTooManyCommands):
		return "too many commands"
	}
	return "client left"
}
