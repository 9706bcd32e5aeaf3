package hub

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Session is one client's place in the hub: its subscriptions and a bounded
// queue of what it is owed. One goroutine (or event loop) takes; the other
// methods are safe for concurrent use.
type Session struct {
	hub       *Hub
	id        string
	transport string
	wake      func()

	mu         sync.Mutex // guards what follows, and the state of its subscriptions
	subs       map[string]*subscription
	queue      []queued        // live publications, in the order they came
	array      *[]queued       // where queue's memory comes from; nil while it is empty
	queueBytes int             // of their payloads
	behind     []*subscription // those that read history, each in its turn
	woken      bool            // wake was called and no Take has answered it
	ended      error           // why the session is over, nil while it is not
	closed     bool            // nothing can be taken any more
}

// queued is a publication that waits to be taken.
type queued struct {
	sub      *subscription
	delivery *Delivery
}

// subscription is one channel of one session. It is live, which means that
// publications are queued as they come, or it is catching up: then publications
// are only noted, and what was missed is read from history.
//
//	Subscribe from now ──────────────→ live ──┐ queue full, or the Broker skipped one
//	Subscribe with Since or Last ──→ catching │
//	                                     up ←─┘ ──→ live: history has nothing newer
type subscription struct {
	session     *Session
	channel     *channel
	since       time.Time
	excludeSelf bool
	index       int // in channel.subs; guarded by channel.mu

	// Guarded by session.mu:

	last     Position // newest that was queued, handed out or passed over
	catching bool
	seen     Position // newest the Broker delivered while catching up
	queued   int      // entries of the session's queue
	ready    bool     // Subscribe is done with it
	gone     bool     // unsubscribed: nothing of it is handed out any more
}

// SubscribeOptions says where a subscription begins and what it leaves out. The
// zero value begins with the next publication.
type SubscribeOptions struct {
	// Since replays what came after this position first. If that can no longer
	// be served, the first push is a Gap and the replay begins with the oldest
	// publication held.
	Since Position

	// Last, when positive and Since is zero, replays the newest Last publications
	// first, or as many as are held. Everything published from then on follows.
	Last int

	// ExcludeSelf leaves out what this session published, also in replays.
	ExcludeSelf bool
}

// ID is random, unique, and safe to show to other clients.
func (s *Session) ID() string { return s.id }

// Subscribe adds a channel to the session. It returns a *NameError, ErrSubscribed if
// the session has the channel already, ErrTooManySubscriptions, the reason the
// session ended, the error of ctx, or an error wrapping the Broker's.
//
// Replay is read from the Broker page by page as the edge takes it, so a long history
// is never held in the queue.
func (s *Session) Subscribe(ctx context.Context, channel string, o SubscribeOptions) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	ch := s.hub.channels.acquire(channel)
	sub := &subscription{
		session:     s,
		channel:     ch,
		since:       time.Now().UTC(),
		excludeSelf: o.ExcludeSelf,
		catching:    !o.Since.IsZero() || o.Last > 0,
	}
	if err := s.reserve(sub); err != nil {
		s.hub.channels.release(ch)
		return err
	}
	// First the deliveries, then (when it is taken) the history: what comes
	// between the two is noted, so nothing falls through.
	ch.add(sub)
	s.hub.counters.subscriptions.Add(1)
	err := ch.listen(ctx, s.hub.broker)
	begin := o.Since
	if err == nil && begin.IsZero() && o.Last > 0 {
		begin, err = s.beforeLast(ctx, ch.name, o.Last)
	}
	if err != nil {
		s.withdraw(sub)
		s.leave(sub)
		return err
	}
	return s.admit(sub, begin)
}

// beforeLast is the position before the newest n publications. It is found out
// before Subscribe returns: the newest n at the time of the first Take could
// all be newer, with others lost between them and the subscription.
func (s *Session) beforeLast(ctx context.Context, channel string, n int) (Position, error) {
	page, err := s.hub.broker.History(ctx, channel, Query{Last: n, Limit: 1})
	if err != nil {
		return Position{}, brokerError(err)
	}
	if len(page.Publications) == 0 {
		return page.Position, nil
	}
	return page.Publications[0].Position.before(), nil
}

// reserve gives sub its place among the subscriptions of the session.
func (s *Session) reserve(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != nil:
		return s.ended
	case s.subs[sub.channel.name] != nil:
		return ErrSubscribed
	case len(s.subs) >= s.hub.options.SubscriptionsMax:
		return ErrTooManySubscriptions
	}
	if s.subs == nil {
		s.subs = make(map[string]*subscription)
	}
	s.subs[sub.channel.name] = sub
	return nil
}

// admit ends Subscribe, unless Unsubscribe or Close came meanwhile: those leave
// it to Subscribe to take sub out of its channel. The Broker listens by now, so
// a replay may begin, with what came after begin unless that is zero.
func (s *Session) admit(sub *subscription, begin Position) error {
	s.mu.Lock()
	if sub.gone {
		ended := s.ended
		s.mu.Unlock()
		s.leave(sub)
		return ended
	}
	sub.ready = true
	wake := false
	if !begin.IsZero() {
		sub.last = begin
		s.behind = append(s.behind, sub)
		wake = s.needWake()
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return nil
}

// withdraw ends a Subscribe that failed.
func (s *Session) withdraw(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(sub)
}

// Unsubscribe removes a channel; what is queued from it is dropped. It does
// nothing if the session does not have the channel.
func (s *Session) Unsubscribe(channel string) {
	s.mu.Lock()
	sub := s.subs[channel]
	if sub == nil {
		s.mu.Unlock()
		return
	}
	s.drop(sub)
	ready := sub.ready
	s.mu.Unlock()
	if ready {
		s.leave(sub)
	}
}

// drop forgets sub and what is queued from it; s.mu is held.
func (s *Session) drop(sub *subscription) {
	if sub.gone {
		return
	}
	sub.gone = true
	delete(s.subs, sub.channel.name)
	s.behind = slices.DeleteFunc(s.behind, func(o *subscription) bool { return o == sub })
	if sub.queued > 0 {
		s.queue = slices.DeleteFunc(s.queue, func(q queued) bool {
			if q.sub == sub {
				s.queueBytes -= len(q.delivery.Data)
			}
			return q.sub == sub
		})
		sub.queued = 0
	}
}

// leave takes sub out of its channel, which ends with its last subscription.
func (s *Session) leave(sub *subscription) {
	if sub.channel.remove(sub) {
		sub.channel.mute(s.hub.broker)
	}
	s.hub.channels.release(sub.channel)
	s.hub.counters.subscriptions.Add(-1)
}

// Publish publishes as this session, see Hub.Publish. It also returns the
// reason the session ended.
func (s *Session) Publish(ctx context.Context, m Message) (pos Position, duplicate bool, err error) {
	s.mu.Lock()
	ended := s.ended
	s.mu.Unlock()
	if ended != nil {
		return Position{}, false, ended
	}
	m.Publisher = s.id
	return s.hub.Publish(ctx, m)
}

// Close ends the session with all its subscriptions and drops what was not
// taken. Every edge must call it; a second call does nothing.
func (s *Session) Close() { s.close(ErrClosed) }

func (s *Session) close(reason error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.ended == nil {
		s.ended = reason
	}
	var leaving []*subscription
	for _, sub := range s.subs {
		sub.gone = true
		if sub.ready {
			leaving = append(leaving, sub)
		}
	}
	s.emptyQueue()
	s.subs, s.behind = nil, nil
	s.woken = true
	s.mu.Unlock()
	for _, sub := range leaving {
		s.leave(sub)
	}
	s.hub.forget(s)
	s.wake()
}

// end lets the edge take what is queued and then the reason. The subscriptions
// stay until Close, so ending many sessions costs the Broker nothing.
func (s *Session) end(reason error) {
	s.mu.Lock()
	over := s.ended != nil
	if !over {
		s.ended = reason
		s.woken = true
	}
	s.mu.Unlock()
	if !over {
		s.wake()
	}
}

// needWake says whether to call wake once the lock is given back; s.mu is held.
func (s *Session) needWake() bool {
	if s.woken {
		return false
	}
	s.woken = true
	return true
}
