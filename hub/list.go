package hub

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/godwit-io/godwit/hub/internal/firstn"
)

// Sessions returns the open sessions, in no order. The caller owns the slice.
func (h *Hub) Sessions() []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	sessions := make([]*Session, 0, h.sessions.Len())
	for s := range h.sessions.All {
		sessions = append(sessions, s)
	}
	return sessions
}

// ListSessions are those for which match returns true and whose ID comes after
// after, by ID, at most limit of them, which must be positive. match is called with
// no lock held. The caller owns the slice.
func (h *Hub) ListSessions(after string, limit int, match func(*Session) bool) []*Session {
	first := firstn.List[*Session]{Limit: limit, Name: (*Session).ID}
	for _, s := range h.Sessions() {
		if s.id > after && first.Wants(s.id) && match(s) {
			first.Add(s)
		}
	}
	return first.Sorted()
}

// FindSession returns the session that is open and has this ID, or nil.
func (h *Hub) FindSession(id string) *Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.sessions.All {
		if s.id == id {
			return s
		}
	}
	return nil
}

// EndSessions ends the sessions for which match returns true with reason, see
// Session.End, and returns how many there were. It calls match with no lock held.
func (h *Hub) EndSessions(match func(*Session) bool, reason error) (n int) {
	for _, s := range h.Sessions() {
		if match(s) {
			s.End(reason)
			n++
		}
	}
	return n
}

// Channels are the names of the channels that the session is subscribed to, in
// order. The caller owns the slice.
func (s *Session) Channels() []string { return s.channels(false) }

// ChannelsAskedFor returns those of Channels and those whose subscription has not begun
// yet, in order. The caller owns the slice.
func (s *Session) ChannelsAskedFor() []string { return s.channels(true) }

func (s *Session) channels(askedFor bool) []string {
	s.lock()
	names := make([]string, 0, s.subs.len())
	for sub := range s.subs.all() {
		if sub.asked == nil || askedFor {
			names = append(names, sub.channel.name)
		}
	}
	s.mu.Unlock()
	slices.Sort(names)
	return names
}

// IsSubscribed reports whether the session is subscribed to channel.
func (s *Session) IsSubscribed(channel string) bool {
	s.lock()
	defer s.mu.Unlock()
	sub := s.subs.get(channel)
	return sub != nil && sub.asked == nil
}

// ClearingBroker is a Broker that can forget the history of a channel.
type ClearingBroker interface {
	Broker

	// Clear forgets the publications of a channel. Positions go on from where they
	// are, and what was forgotten is a gap to those that have not seen it.
	Clear(ctx context.Context, channel string) error
}

// ErrNotSupported is the answer to what the Broker cannot do.
var ErrNotSupported = errors.New("hub: the broker cannot do that")

// ClearHistory forgets the publications of a channel, see ClearingBroker. It waits
// for the Broker, so it is not for an event loop. It returns a *NameError,
// ErrNotSupported, ErrShutdown, ErrClosed, the error of ctx, or one wrapping the
// Broker's.
func (h *Hub) ClearHistory(ctx context.Context, channel string) error {
	if err := cmp.Or(CheckChannel(channel), h.checkOpen()); err != nil {
		return err
	}
	b, ok := h.broker.(ClearingBroker)
	if !ok {
		return ErrNotSupported
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return h.brokerError(b.Clear(ctx, channel))
}
