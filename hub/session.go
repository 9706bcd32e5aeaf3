package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Session is one client's place in the hub: its subscriptions, the commands it
// has handed in, and a bounded queue of the pushes that it is owed.
//
// Commands go in and pushes come out. Publish, Subscribe, Unsubscribe, History,
// Presence, Call, Register, Unregister, AnswerCall and FailCall return at once, and so
// does Close. Each command has one outcome,
// which is a push of the session, in order with everything else it is owed. The
// tag of a command is the caller's, and comes back with the outcome; with the tag
// 0 only a failure has one. When the session ends, commands that have no outcome by then
// will have none, nor will later ones: Take says why the
// session ended.
//
// One goroutine (or event loop) takes; the other methods are safe for concurrent
// use. None of them waits for the Broker.
type Session struct {
	hub       *Hub
	id        string
	transport string
	identity  atomic.Pointer[access.Identity] // nil if it is not known
	wake      func()

	trailing atomic.Pointer[subscription] // the subscription that trails, see trail; nil if none does. It is stored with mu

	mu         sync.Mutex // guards what follows, and the state of its subscriptions; see lock
	trailsFrom uint32     // the number of the first delivery to fetch
	subs       subscriptions
	queue      []queued        // live publications and the rest that is owed, in the order they came
	array      *[]queued       // where queue's memory comes from; nil while it is empty
	queueBytes int             // of the payloads in it
	queueCount int32           // of the publications in it
	ended      ending          // why the session is over
	woken      bool            // wake was called and no Take has answered it
	closed     bool            // nothing can be taken any more
	isBusy     bool            // the edge waits until fewer commands are outstanding
	behind     []*subscription // the subscriptions that read history, each in its turn
	read       *reading        // the page that is being read; nil while none is

	outstanding int32     // commands without an outcome, or with an outcome that was not taken
	isBegun     bool      // a subscription has begun, for the client that there is now
	isBehind    bool      // the edge was told so of all subscriptions, see Behind
	commands    *commands // nil until the session needs them
}

// ending is why a session is over.
type ending uint8

const (
	endNot ending = iota // it is not
	endShutdown
	endClosed
	endTooManyCommands
	endGiven // commands has the reason
)

// reason is what Take returns; s.mu is held.
func (s *Session) reason() error {
	if s.ended == endGiven {
		return s.commands.reason
	}
	return [...]error{endNot: nil, endShutdown: ErrShutdown, endClosed: ErrClosed, endTooManyCommands: ErrTooManyCommands}[s.ended]
}

// commands are the commands of a session that are under way, and other state that few
// sessions need.
type commands struct {
	histories  []historyAsked // pages that wait for the one before them to be taken
	isHistory  bool           // one is being read, or was and is not taken
	isTimed    bool           // timer runs
	ticket     uint64
	publishing []pendingPublish // by ascending ticket
	timer      *time.Timer      // nil until the Broker did not answer at once
	expiry     *time.Timer      // nil if the session's identity does not expire
	reason     error            // of endGiven

	watches   map[*subscription]*watch // the subscriptions that are told of members
	rpc       *sessionRPC              // nil until it calls a method, or registers for one
	backlogs  *backlogs                // nil until a subscription has one
	patterned *patterned               // nil without patterns
	server    *serverSide              // nil until the server does something to it
	troubles  *troubles                // nil until a history could not be read
}

// needCommands returns s.commands; s.mu is held.
func (s *Session) needCommands() *commands {
	if s.commands == nil {
		s.commands = &commands{}
	}
	return s.commands
}

// queued is a push that waits to be taken: a publication, or other. With neither it is
// the place of the backlog of sub.
type queued struct {
	sub      *subscription // of a publication or Changes
	delivery *Delivery
	other    *owed
}

// owed is a push that is not a publication. One with Changes is shared by sessions.
type owed struct {
	Push
	isPage      bool // of History or Presence: when it is taken, the next one is read
	isCall      bool // of Call: when it is taken, one more may be made
	isTaken     bool // news of a call that was
	isWithdrawn bool // news of a call that is over, so nothing is to be taken
}

// ID is random, unique, and safe to show to other clients.
func (s *Session) ID() string { return s.id }

// Close ends the session with all its subscriptions and drops the pushes that were not
// taken. Every edge must call it; a second call does nothing.
func (s *Session) Close() { s.close(endClosed) }

func (s *Session) close(reason ending) {
	s.lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	s.closed = true
	if s.ended == endNot {
		s.ended = reason
	}
	hasCalls := s.commands != nil && s.commands.rpc != nil
	var leaving, waiting []*subscription
	derived := s.closePatterns()
	for sub := range s.subs.all() {
		sub.gone = true
		sub.stopRetry()
		if sub.asked == nil {
			leaving = append(leaving, sub)
		} else {
			waiting = append(waiting, sub)
		}
	}
	if s.read != nil {
		s.read.abandon()
	}
	s.emptyQueue()
	s.subs, s.behind, s.read = subscriptions{}, nil, nil
	s.failWaiting()
	if c := s.commands; c != nil {
		c.publishing, c.histories = nil, nil
		if c.timer != nil {
			c.timer.Stop()
		}
		if c.expiry != nil {
			c.expiry.Stop()
		}
		c.backlogs.stop()
	}
	s.woken = true
	why := s.reason()
	s.mu.Unlock()
	for _, sub := range derived {
		s.hub.leaveDerived(sub)
	}
	for _, sub := range leaving {
		s.leave(sub)
	}
	for _, sub := range waiting {
		if sub.channel.withdraw(sub) {
			s.leave(sub)
		}
	}
	if hasCalls {
		s.hub.exchange.leave(s)
	}
	s.hub.forget(s)
	if o := s.hub.options.Observer; o != nil && o.Closed != nil {
		o.Closed(s, why)
	}
	s.wake()
}

// end lets the edge take the queue first and then the reason. The subscriptions
// stay until Close, so ending many sessions costs the Broker nothing.
func (s *Session) end(reason ending) {
	s.lock()
	over := s.ended != endNot
	if !over {
		s.ended = reason
		s.woken = true
	}
	s.mu.Unlock()
	if !over {
		s.wake()
	}
}

// hasNews reports whether the edge has a reason to look; s.mu is held.
func (s *Session) hasNews() bool {
	return len(s.queue) > 0 || s.ended != endNot ||
		s.read == nil && len(s.behind) > 0 || s.read != nil && (s.read.arrived || s.read.hasTurn) ||
		s.isBusy && !s.isHalfBusy() || s.owesBehind()
}

// claimWake says whether to call wake once the lock is given back; s.mu is held.
// It is called after every change that may be news to the edge.
func (s *Session) claimWake() bool {
	if s.woken || !s.hasNews() {
		return false
	}
	s.woken = true
	// That it may go on is said once, or an edge that only takes would be woken
	// for ever.
	s.isBusy = s.isBusy && s.isHalfBusy()
	return true
}
