package hub

import (
	"time"

	"github.com/godwit-io/godwit/access"
)

// Identity returns the identity of the session's client, nil if that is not known.
func (s *Session) Identity() *access.Identity { return s.identity.Load() }

// SetIdentity replaces the identity of the session's client, which may be nil: after a
// new token of the same user, for example. The session ends when id expires, and no
// longer when the old one does.
func (s *Session) SetIdentity(id *access.Identity) {
	s.identity.Store(id)
	s.lock()
	if c := s.commands; c != nil && c.expiry != nil {
		c.expiry.Stop()
		c.expiry = nil
	}
	s.mu.Unlock()
	s.expireWithIdentity()
	s.shareIdentity()
	if o := s.hub.options.Observer; o != nil && o.Identified != nil {
		o.Identified(s)
	}
}

// Transport is the name of the session's edge, as it was given to Connect.
func (s *Session) Transport() string { return s.transport }

// End ends the session for a reason that is not the hub's: its edge takes the queue, and
// then reason, which must not be nil. It does nothing if the session is
// over.
func (s *Session) End(reason error) {
	s.lock()
	if s.ended != endNot {
		s.mu.Unlock()
		return
	}
	s.ended = endGiven
	s.needCommands().reason = reason
	s.woken = true
	s.mu.Unlock()
	s.wake()
}

// WasEnded reports whether End was called, the session's identity has expired, or its
// client was too slow. An edge whose client is slow need not wait for it before it takes
// the reason.
func (s *Session) WasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended == endGiven
}

// expired ends a session whose identity has expired.
var expired = &access.Refusal{Cause: access.Expired, Reason: "token expired"}

// expireWithIdentity arranges for the end of the session with that of its identity.
func (s *Session) expireWithIdentity() {
	id := s.identity.Load()
	if id == nil || id.Expires.IsZero() {
		return
	}
	s.lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.needCommands().expiry = time.AfterFunc(time.Until(id.Expires), func() {
		if s.identity.Load() == id { // else it was replaced at this moment
			s.End(expired)
		}
	})
}
