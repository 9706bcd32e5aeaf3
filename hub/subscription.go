package hub

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"

	"github.com/godwit-io/godwit/access"
)

// subscription is one channel of one session. It begins, while the Broker is
// asked to listen; then it is live, which means that publications are queued as
// they come, or it is catching up: publications are only noted, and the missed ones are
// read from history.
//
//	Subscribe ──→ begins ──→ live ──┐ queue full, or publications were missed
//	                 └──→ catching  │
//	                          up  ←─┘ ──→ live: history has nothing newer
type subscription struct {
	session *Session
	channel *channel
	since   int64 // when it was asked for, in nanoseconds of Unix time; unique in the hub
	index   int32 // in channel.subs; guarded by channel.mu
	waits   int32 // its place in channel.waiting, from 1, or where a derived one is; guarded by channel.mu

	// Guarded by session.mu:

	asked    *asked   // how it is to begin, until it has begun
	last     Position // newest that was queued, handed out or passed over
	taken    uint64   // offset of the newest that was handed out or passed over
	seen     Position // newest the Broker delivered before it was live
	queued   int32    // entries of the session's queue
	catching bool
	gone     bool // unsubscribed: nothing of it is handed out any more
	traits   traits

	// rare is what few subscriptions need; nil until this one does, and then the same to
	// the end. It is set with session.mu, and read by channels without.
	rare atomic.Pointer[rare]
}

// rare is what few subscriptions need.
type rare struct {
	member *access.Identity // shown instead of the session's; nil for that; not modified

	// Guarded by session.mu:

	retry   *retry   // nil unless reading the history fails
	backlog *backlog // nil unless it has terms that need one
}

// needRare returns sub.rare; session.mu is held, or no other goroutine has sub yet.
func (sub *subscription) needRare() *rare {
	r := sub.rare.Load()
	if r == nil {
		r = &rare{}
		sub.rare.Store(r)
	}
	return r
}

// identity is shown as a member, nil if it is not known.
func (sub *subscription) identity() *access.Identity {
	if r := sub.rare.Load(); r != nil && r.member != nil {
		return r.member
	}
	return sub.session.Identity()
}

// traits of a subscription share two bytes: one more field is the next size class.
type traits uint16

const (
	excludesOwn   traits = 1 << iota // what the session published is left out
	hasJoined                        // the Observer was told that it has begun
	suspended                        // nothing is handed out until it is subscribed to again, see Suspend
	tellsGaps                        // the Observer is being told of gaps
	endsAfterGaps                    // and is then to be told that it has ended
	resumes                          // it has not been live yet: its pages are paced
	hasBacklog                       // what waits is in rare.backlog, and not in the session's queue
	endsWhenSlow                     // a full queue ends the session
	isMatched                        // of a pattern: it is in the trie
	isOpen                           // it has begun, and publications on their way are for it, too; see Session.beginWithin
	isFresh                          // of a derived one: it was made for a publication that it has not been offered yet
	isUsed                           // something was offered to it since it was last looked at, see patterned.victim
	isStarting                       // of a derived one: where it begins is looked for, see patterned.starts
	isDoubted                        // deliveries were lost before it had begun, or was resumed
)

// asked is how a subscription is to begin.
type asked struct {
	tag    uint64
	since  Position
	last   int
	vector *Vector // of a pattern

	watches bool // the members
	byUser  bool
	deltas  bool
}

// SubscribeOptions says where a subscription begins and what it leaves out. The
// zero value begins with the next publication.
type SubscribeOptions struct {
	// Since replays what came after this position first. If that can no longer
	// be served, the first push is a Gap and the replay begins with the oldest
	// publication held.
	Since Position

	// Last, when positive and Since is zero, replays the newest Last publications
	// first, or as many as are held; with NoLimit all of them. Everything published
	// from then on follows. A negative number is refused. Of a pattern they are the newest
	// of each channel that the session is not given already, for which the Broker has to be a ListingBroker.
	Last int

	// Vector, not nil, continues a subscription to a pattern: each channel in it from its
	// position, and others from the beginning that it has. It is for patterns only, which
	// have no Since, and excludes Last. The hub keeps it; it must not be modified any more.
	Vector *Vector

	// ExcludeSelf leaves out what this session published, also in replays.
	ExcludeSelf bool

	// Rate, when positive, is how many publications a second the subscription is given
	// at most, see Policy.Rate; the smaller of both counts. A negative number is refused.
	Rate int

	// Presence has the session told of members that come and go, with Push.Changes,
	// from the outcome on, which has the Count. They are collected for JoinWindow, and
	// the first ones are all of the window that runs: the Count may include them.
	// A channel may refuse it, with ErrNoPresence or ErrNoJoins.
	Presence bool

	// PresenceByUser, with Presence, tells of users instead of sessions: one comes with
	// the first session and goes with the last one. Sessions without a known user do not
	// count.
	PresenceByUser bool

	// Member, not nil, is the identity shown in the presence of the channel for this
	// subscription, in the place of the session's identity: its User and its Info. What
	// the session may do, and when it ends, is not concerned. A subscription that goes on
	// after Suspend keeps the one that it began with, and one to a pattern, which is no
	// member of any channel, shows no identity. It is not modified any more.
	Member *access.Identity

	// Deltas has deliveries know the publication before them, see Delivery.Base, for
	// an edge that sends differences. The channel keeps its newest publication in
	// memory meanwhile. The outcome says whether it is so.
	Deltas bool
}

// Subscribe adds a channel to the session. Its outcome says where the
// subscription begins; everything after that position follows it. It is a
// *NameError, ErrSubscribed if the session has the channel already and was not
// suspended meanwhile, ErrTooManySubscriptions, ErrNoPresence, ErrNoJoins, or an error
// wrapping an *OptionError or the Broker's.
//
// channel may be a pattern, see CheckPattern. Everything that is published after the
// outcome, in any channel that it matches, is then pushed as of that channel, with what
// history holds of those in Vector before; the outcome has a Vector in the place of a
// position. However many patterns and channels of the session match a publication, it
// is given once: as the subscription to its channel says if there is one, else by the
// patterns. That subscription goes on where the patterns have come, if it asks for
// nothing older, and if it does, what it asks for may be given again; when it ends and a
// pattern is left, the channel goes on. A subscriber by a pattern is no member of the
// channels.
//
// A session keeps the positions of Options.PatternChannelsMax channels. Publications in
// others while all of them are behind are a Gap of the pattern without positions. Other
// errors for patterns are ErrNotSupported, if the Broker is no
// PatternBroker, and a *VectorError.
//
// Replay is read from the Broker page by page as the edge takes it, so a long
// history is never held in the queue.
func (s *Session) Subscribe(tag uint64, channel string, o SubscribeOptions) {
	command := command{tag: tag, kind: CommandSubscribe}
	if err := s.checkSubscribe(channel, &o); err != nil {
		s.answer(command, Outcome{Channel: channel, Err: err})
		return
	}
	policies := s.hub.policies.Load()
	policy := s.hub.policy(channel)
	if o.Since.IsZero() && o.Last == 0 && !IsPattern(channel) && policy.LastValue {
		o.Last = 1
	}
	if o.Presence {
		if err := policy.checkJoins(); err != nil {
			s.answer(command, Outcome{Channel: channel, Err: err})
			return
		}
	}
	if IsPattern(channel) {
		s.endSuspended(channel)
	} else if s.resume(tag, channel, &o, policies, policy) {
		return
	}
	ch := s.hub.channels.acquire(channel)
	sub := &subscription{
		session: s,
		channel: ch,
		since:   s.hub.uniqueNow(),
		asked:   &asked{tag: tag, since: o.Since, last: o.Last, vector: o.Vector, watches: o.Presence, byUser: o.PresenceByUser, deltas: o.Deltas},
	}
	if o.ExcludeSelf {
		sub.traits = excludesOwn
	}
	if o.Member != nil {
		sub.rare.Store(&rare{member: o.Member})
	}
	s.hub.agree(sub, policy.terms(o.Rate), o.Rate)
	if err := s.reserve(sub); err != nil {
		s.hub.channels.release(ch)
		s.answer(command, Outcome{Channel: ch.name, Err: err})
		return
	}
	// From here on Unsubscribe and Close may take sub out, and release the channel.
	s.hub.channels.hold(ch)
	defer s.hub.channels.release(ch)
	s.hub.counters.subscriptions.Add(1)
	// Deliveries begin first, and history is read later, by Take. Publications in
	// between are noted, so none is missed.
	top, listening := ch.add(sub)
	if s.hub.policies.Load() != policies { // renew may not have seen it
		s.renew(sub, s.hub.policy(channel))
	}
	if listening {
		s.admit(sub, top)
	} else {
		s.hub.settle(ch)
	}
}

// reserve gives sub its place among the subscriptions of the session.
func (s *Session) reserve(sub *subscription) error {
	s.lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != endNot || s.isOverloaded():
		return ErrClosed // answer has the reason
	case s.subs.get(sub.channel.name) != nil:
		return ErrSubscribed
	case s.subs.len() >= s.hub.options.SubscriptionsMax:
		return ErrTooManySubscriptions
	}
	s.subs.add(sub)
	s.outstanding++
	return nil
}

// admit goes on where the Broker listens, top being the newest position.
func (s *Session) admit(sub *subscription, top Position) {
	s.lock()
	gone, from := sub.gone, sub.asked
	s.mu.Unlock()
	switch {
	case gone:
		s.leave(sub)
	case sub.channel.pattern != nil:
		s.beginPattern(sub)
	case !from.since.IsZero():
		s.begin(sub, from, from.since, top)
	case from.last <= 0 && !top.IsZero():
		s.begin(sub, from, top, top)
	default:
		// Which the last ones are is found out now: the newest n at the time of the
		// first Take could all be newer, with others lost between.
		s.hub.call(sub.channel.name, func(ctx context.Context) {
			page, err := s.hub.askHistory(ctx, sub.channel.name, Query{Last: max(1, from.last), Limit: 1})
			switch {
			case err != nil:
				s.refuse(sub, s.hub.brokerError(err))
				s.leave(sub)
			case from.last > 0:
				s.begin(sub, from, page.Begin, Position{})
			default:
				s.begin(sub, from, page.Position, page.Position)
			}
		})
	}
}

// begin ends Subscribe, unless Unsubscribe or Close came meanwhile: those leave
// it to Subscribe to take sub out of its channel. The subscription is live at
// once if its position is top, the newest when it was admitted, and nothing came
// since. A subscription that asks for nothing older begins after the newest delivery.
//
// from is how it was to begin when it was admitted. If the session was suspended and
// resumed meanwhile it is asked for anew, and admitted again.
func (s *Session) begin(sub *subscription, from *asked, position, top Position) {
	if m := s.hub.mirror.Load(); m == nil || !from.watches ||
		m.neighbours.Complete(sub.channel.name, false, func() { s.beginKnowing(sub, from, position, top) }) {
		s.beginKnowing(sub, from, position, top)
	}
}

// beginKnowing is begin, once the members of the channel are known if they are to be told.
func (s *Session) beginKnowing(sub *subscription, from *asked, position, top Position) {
	if o := s.hub.options.Observer; o != nil && o.Joined != nil {
		s.lock()
		isFirst := sub.traits&hasJoined == 0 // and it is not resumed
		sub.traits |= hasJoined
		s.mu.Unlock()
		if isFirst {
			o.Joined(s, sub.channel.name)
		}
	}
	count := 0
	if from.watches {
		count = s.beginWatch(sub, from.byUser)
	}
	matching := s.matching(sub.channel.name)
	if from.deltas {
		sub.channel.wantDeltas(sub)
	}
	s.lock()
	if sub.gone {
		s.mu.Unlock()
		s.leave(sub)
		return
	}
	if sub.asked != from {
		s.mu.Unlock()
		s.endWatch(sub)
		s.admit(sub, sub.channel.newest())
		return
	}
	replaced, isContinued := s.replaceDerived(sub)
	if replaced == nil && position == top {
		if within, ok := s.beginWithin(sub, matching, position); ok {
			position, top = within, within
		}
	}
	switch {
	case isContinued:
		position = sub.last
	case position == top && sub.asked.since.IsZero() && sub.seen.isNews(top):
		position, top = sub.seen, sub.seen
	}
	s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: sub.channel.name, Position: position, Count: count, Deltas: sub.asked.deltas})
	if b := sub.backlog(); b != nil {
		b.isPlaced = sub.asked.since.IsZero()
	}
	sub.asked = nil
	s.isBegun = true
	if !isContinued {
		sub.last, sub.taken = position, position.Offset
	}
	var ended *watch
	switch {
	case sub.traits&suspended != 0:
		sub.catching = true // until it is subscribed to again
		ended = s.takeWatch(sub)
	case isContinued:
	case position == top && sub.traits&isDoubted == 0 && !sub.seen.isNews(position):
		sub.seen = Position{}
	default:
		sub.traits = sub.traits&^isDoubted | resumes // the lost publications are read now
		s.catchUp(sub, sub.seen)
	}
	begun := s.milestone(sub)
	wake := s.claimWake()
	s.mu.Unlock()
	s.hub.leaveDerived(replaced)
	if ended != nil {
		sub.channel.unwatch(ended)
	}
	if o := s.hub.options.Observer; o != nil && o.Subscribed != nil {
		o.Subscribed(s, begun)
	}
	if wake {
		s.wake()
	}
}

// refuse ends Subscribe with an error. The caller removes sub from its channel and
// releases it.
func (s *Session) refuse(sub *subscription, err error) {
	s.lock()
	wake := false
	if !sub.gone {
		s.drop(sub)
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: sub.channel.name, Err: err})
		wake = s.claimWake()
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// Unsubscribe removes a channel, or a pattern by its text; its queued publications are dropped, and a
// Subscribe that is under way has ErrUnsubscribed as its outcome. It does nothing
// if the session does not have the channel.
func (s *Session) Unsubscribe(tag uint64, channel string) { s.unsubscribe(tag, channel, nil) }

// unsubscribe is Unsubscribe, or Remove if there is a reason. It returns false if there is
// nothing to remove.
func (s *Session) unsubscribe(tag uint64, channel string, why error) bool {
	if IsPattern(channel) {
		return s.unsubscribePattern(tag, channel, why)
	}
	matching, policy := s.matching(channel), s.hub.policy(channel)
	s.lock()
	sub := s.subs.get(channel)
	if sub == nil || s.ended != endNot || why == nil && s.isOverloaded() {
		s.mu.Unlock()
		if why == nil {
			s.answer(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: channel})
		}
		return false
	}
	kept := s.keepDerived(sub, matching, policy)
	s.drop(sub)
	begun := sub.asked == nil
	if !begun {
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: channel, Err: cmp.Or(why, ErrUnsubscribed)})
	}
	if begun || why == nil {
		s.outstanding++ // Unsubscribe itself
		s.push(command{tag: tag, kind: CommandUnsubscribe}, Outcome{Channel: channel, Err: why})
	}
	wake := s.claimWake()
	s.mu.Unlock()
	s.hub.enterDerived(kept)
	if begun || sub.channel.withdraw(sub) {
		s.leave(sub)
	}
	if wake {
		s.wake()
	}
	return true
}

// excludes reports whether p is not for the session.
func (sub *subscription) excludes(p *Publication) bool {
	if sub.traits&excludesOwn != 0 && p.Publisher == sub.session.id {
		return true
	}
	return p.Attributes != nil && p.Attributes.Exclude != "" && p.Attributes.Exclude == sub.session.id
}

// drop forgets sub and its queued publications; s.mu is held.
func (s *Session) drop(sub *subscription) {
	s.forgetByServer(sub)
	s.subs.remove(sub)
	s.forget(sub)
}

// forget is drop for a subscription that is in no set any more.
func (s *Session) forget(sub *subscription) {
	sub.gone = true
	sub.stopRetry()
	s.forgetTrouble(sub)
	s.dropChanges(sub)
	s.behind = slices.DeleteFunc(s.behind, func(o *subscription) bool { return o == sub })
	if s.read != nil && s.read.sub == sub {
		s.read.abandon()
		s.read = nil
	}
	s.empty(sub)
	s.unqueue(sub)
}

// leave takes sub out of its channel, which ends with its last subscription.
func (s *Session) leave(sub *subscription) {
	if sub.channel.pattern != nil {
		s.leavePattern(sub)
	}
	if sub.channel.remove(sub) {
		s.endWatch(sub)
	}
	s.tellUnsubscribed(sub)
	if o := s.hub.options.Observer; o != nil && o.Left != nil {
		s.lock()
		joined := sub.traits&hasJoined != 0
		s.mu.Unlock()
		if joined {
			o.Left(s, sub.channel.name)
		}
	}
	s.hub.settle(sub.channel)
	s.hub.releaseSubscription(sub)
}

// releaseSubscription lets go of the channel of a subscription that has ended.
func (h *Hub) releaseSubscription(sub *subscription) {
	h.channels.release(sub.channel)
	h.counters.subscriptions.Add(-1)
}
