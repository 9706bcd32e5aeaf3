package client

import (
	"context"
	"fmt"
	"iter"
	"sync"

	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/hub"
)

// Message is a publication. Its Data belongs to the receiver.
type Message = session.Message

// Gap says which publications do not come. Only the Reason "lost" is a loss; "expired", "conflated",
// "dropped" and "rate" say why something was left out on purpose.
type Gap = session.Gap

// Behind says that publications do not come at present, as the server has no broker or cannot read a history,
// or that they come again. Nothing is lost by that: the missed publications follow, or a Gap says which do
// not. After a lost connection it is over behind Began, and said again if it goes on.
type Behind = session.Behind

// Members is a change of the members of a channel, see SubscribeOptions.Presence.
type Members = session.Members

// Member is a session in a channel or, by user, a user.
type Member = session.Member

// Began says that a subscription is in force: at first, and whenever the Client has come back.
type Began = session.Began

// Event is what a Subscription has for its receiver: exactly one of the fields is set.
type Event struct {
	Message *Message
	Gap     *Gap
	Behind  *Behind
	Members *Members
	Began   *Began
}

// SubscribeOptions say how to follow a channel. Nil and the zero value: from now on.
type SubscribeOptions struct {
	// Since is a position after which to begin, Vector the same for a pattern, and Last how many
	// of the newest publications come first, for a pattern of each channel. They exclude each other.
	Since  hub.Position
	Vector string
	Last   int

	// Presence has the Members that come and go be told: PresenceBySession or
	// PresenceByUser. Default: they are not. Not for patterns.
	Presence Presence

	// ExcludeSelf leaves out what this Client publishes.
	ExcludeSelf bool

	// Rate is how many publications a second come at most, the newest of each key; the others are a Gap.
	// 0 is no maximum.
	Rate int
}

// Presence selects the news of a channel's members.
type Presence uint8

// What can be told of members.
const (
	NoPresence Presence = iota
	PresenceBySession
	PresenceByUser
)

const (
	// queueCountMax and queueBytesMax bound the deliveries that wait for the receiver of a
	// Subscription. With more, nothing is sent to it until half of them are gone, and then the
	// missed publications are read from the history.
	queueCountMax = 1024
	queueBytesMax = 1 << 20
)

// Subscription is a channel, or a pattern of channels, that a Client follows. All methods
// are safe for concurrent use.
type Subscription struct {
	client *Client
	inner  *session.Subscription // nil: of the messages to the user

	mu     sync.Mutex // guards what follows; taken after the client's
	queue  []Event
	bytes  int
	err    error // why nothing more comes
	isHeld bool
	wake   chan struct{} // closed when there is something, and replaced
}

func newSubscription(c *Client, inner *session.Subscription) *Subscription {
	return &Subscription{client: c, inner: inner, wake: make(chan struct{})}
}

// Subscribe begins to follow a channel, or all channels that a pattern matches: * is one segment, ** at the end
// one or more. It does not wait for the server: what that says comes with Events. A Client has one
// Subscription for a channel or pattern. The error wraps ErrOptions, or says why the Client has ended.
func (c *Client) Subscribe(channel string, o *SubscribeOptions) (*Subscription, error) {
	if o == nil {
		o = new(SubscribeOptions)
	}
	given := 0
	for _, is := range []bool{!o.Since.IsZero(), o.Vector != "", o.Last != 0} {
		if is {
			given++
		}
	}
	isPattern := hub.CheckChannel(channel) != nil
	switch {
	case given > 1:
		return nil, fmt.Errorf("%w: Since, Vector and Last exclude each other", ErrOptions)
	case o.Last < 0:
		return nil, fmt.Errorf("%w: option Last: %d is negative; 0 is the default", ErrOptions, o.Last)
	case o.Rate < 0:
		return nil, fmt.Errorf("%w: option Rate: %d is negative; 0 is the default", ErrOptions, o.Rate)
	case isPattern && (!o.Since.IsZero() || o.Presence != NoPresence):
		return nil, fmt.Errorf("%w: %q is a pattern, which has no Since or Presence", ErrOptions, channel)
	case !isPattern && o.Vector != "":
		return nil, fmt.Errorf("%w: %q is one channel, which has a Since and no Vector", ErrOptions, channel)
	}
	inner := &session.Subscription{Channel: channel, Since: o.Since, Vector: o.Vector, Last: o.Last, WithMembers: o.Presence != NoPresence, ByUser: o.Presence == PresenceByUser, ExcludeSelf: o.ExcludeSelf, Rate: o.Rate}
	s := newSubscription(c, inner)
	var err error
	c.do(func(m *session.Machine) {
		for _, other := range c.subs {
			if other.inner.Channel == channel {
				err = fmt.Errorf("%w: %q is followed already", ErrOptions, channel)
				return
			}
		}
		if err = m.Subscribe(inner); err == nil {
			c.subs[inner] = s
		} else if m.State() != Ended {
			err = fmt.Errorf("%w: %w", ErrOptions, err)
		}
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Channel is the channel or pattern that is followed, "" for the messages to the user.
func (s *Subscription) Channel() string {
	if s.inner == nil {
		return ""
	}
	return s.inner.Channel
}

// Events returns an iterator over what comes, each event once: of several iterators at a time each has a
// part. It waits for the next one until ctx is done, and ends with an error: that of ctx, why
// the server has ended the subscription, or ErrClosed. A loop that is left can be entered again.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.Next(ctx)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// Next waits for the next event. See Events.
func (s *Subscription) Next(ctx context.Context) (Event, error) {
	for {
		s.mu.Lock()
		if len(s.queue) > 0 {
			e := s.queue[0]
			s.queue[0] = Event{}
			s.queue = s.queue[1:]
			s.bytes -= e.bytes()
			needsMore := s.isHeld && len(s.queue) <= queueCountMax/2 && s.bytes <= queueBytesMax/2
			if needsMore {
				s.isHeld = false
			}
			s.mu.Unlock()
			if needsMore {
				s.client.do(func(m *session.Machine) { m.Release(s.inner) })
			}
			return e, nil
		}
		err, wake := s.err, s.wake
		s.mu.Unlock()
		if err != nil {
			return Event{}, err
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Close ends the subscription: Events and Next return ErrClosed behind the deliveries that have come.
// Further calls do nothing.
func (s *Subscription) Close() {
	if s.inner != nil {
		s.client.do(func(m *session.Machine) {
			m.Unsubscribe(s.inner)
			delete(s.client.subs, s.inner)
		})
	}
	s.push(session.Delivery{Err: ErrClosed})
}

// Position is how far a subscription to a channel has come, what waits for Events included; zero if
// that is not known. With Vector, which is the same of a pattern, or Since another Client goes on there.
func (s *Subscription) Position() hub.Position {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.inner == nil {
		return hub.Position{}
	}
	return s.inner.Position()
}

// Vector is how far a subscription to a pattern has come, "" if that is not known.
func (s *Subscription) Vector() string {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if s.inner == nil {
		return ""
	}
	return s.inner.PatternVector()
}

// push queues a delivery, and reports whether no more are to come until half of the queue is gone.
func (s *Subscription) push(d session.Delivery) (enough bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return false
	case d.Err != nil:
		s.err = d.Err
	default:
		e := Event{Message: d.Message, Gap: d.Gap, Behind: d.Behind, Members: d.Members, Began: d.Began}
		s.queue = append(s.queue, e)
		s.bytes += e.bytes()
	}
	close(s.wake)
	s.wake = make(chan struct{})
	if s.inner == nil { // messages to the user have nothing that they could be read from again: the newest stay
		for len(s.queue) > queueCountMax || s.bytes > queueBytesMax && len(s.queue) > 1 {
			s.drop()
		}
		return false
	}
	enough = !s.isHeld && (len(s.queue) >= queueCountMax || s.bytes >= queueBytesMax)
	s.isHeld = s.isHeld || enough
	return enough
}

// drop has the oldest event make room, and says so.
func (s *Subscription) drop() {
	count := 0
	for i := range 2 {
		e := s.queue[i]
		s.bytes -= e.bytes()
		switch {
		case e.Gap != nil:
			count += e.Gap.Count
		case e.Message != nil:
			count++
		}
	}
	s.queue = s.queue[1:]
	s.queue[0] = Event{Gap: &Gap{Reason: "dropped", Count: count}}
	s.bytes += s.queue[0].bytes()
}

// bytes is about how much memory e takes.
func (e *Event) bytes() int {
	n := 64
	if e.Message != nil {
		n += len(e.Message.Data) + len(e.Message.Channel)
	}
	if e.Members != nil {
		n += 64 * (len(e.Members.Joined) + len(e.Members.Left))
	}
	return n
}
