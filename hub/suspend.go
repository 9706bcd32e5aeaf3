package hub

import "slices"

// Suspend has the session hand out no publications until its edge has a client again
// that says where it is: the queue is given back, and publications from now on are only
// noted. Members are not watched any more. Commands, outcomes and other pushes stay. A
// channel goes on with its next Subscribe, which says from where and how; until then the
// session is a member of it as before.
//
// It is for sessions that outlive a connection. Only the client knows how much it has
// received over a connection that broke.
func (s *Session) Suspend() {
	s.lock()
	if s.ended != endNot {
		s.mu.Unlock()
		return
	}
	s.giveBack()
	if s.read != nil {
		s.read.abandon()
		s.read = nil
	}
	s.forgetBehind()
	var untold []*subscription
	for sub := range s.subs.all() {
		if sub.asked == nil {
			s.rewind(sub) // a backlog, and what giveBack leaves because it would end the session
		}
		sub.stopRetry()
		if s.isUntold(sub) { // its client is not going to ask for it again
			if sub.catching {
				untold = append(untold, sub)
			}
			continue
		}
		sub.traits |= suspended
		// A subscription that has not begun yet catches up when it has.
		sub.catching = sub.asked == nil
	}
	derived := s.closePatterns()
	for _, sub := range derived { // a pattern begins anew, with a vector
		s.forget(sub)
	}
	s.behind = untold
	s.isBegun = len(untold) > 0
	s.dropPatternNews()
	// Changes that were written to a lost connection cannot be had again: the client
	// asks for the members when it is back.
	var watching []*watch
	if s.commands != nil {
		for sub := range s.commands.watches {
			watching = append(watching, s.takeWatch(sub))
		}
	}
	s.mu.Unlock()
	for _, sub := range derived {
		s.hub.leaveDerived(sub)
	}
	for _, w := range watching {
		w.sub.channel.unwatch(w)
	}
}

// dropPatternNews takes the publications of patterns out of the queue: the patterns begin
// anew, and the missed publications are found again. s.mu is held.
func (s *Session) dropPatternNews() {
	if len(s.queue) == 0 {
		return
	}
	before := len(s.queue)
	s.queue = slices.DeleteFunc(s.queue, func(q queued) bool {
		return q.other != nil && q.other.Gap != nil && IsPattern(q.other.Channel)
	})
	if s.outstanding -= int32(before - len(s.queue)); len(s.queue) == 0 {
		s.emptyQueue()
	}
}

// resume subscribes to a channel again that the session was subscribed to when it was
// suspended. It returns false if there is none.
func (s *Session) resume(tag uint64, channel string, o *SubscribeOptions, policies *func(string) *Policy, policy *Policy) bool {
	s.lock()
	sub := s.subs.get(channel)
	if sub == nil || sub.traits&suspended == 0 || tag >= ByServer || s.ended != endNot || s.isOverloaded() {
		s.mu.Unlock()
		return false
	}
	s.outstanding++
	hasBegun := sub.asked == nil
	if !hasBegun { // before it was suspended; it begins as it is asked now
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: sub.channel.name, Err: ErrUnsubscribed})
	}
	sub.asked = &asked{tag: tag, since: o.Since, last: o.Last, watches: o.Presence, byUser: o.PresenceByUser, deltas: o.Deltas}
	sub.catching = false // it is told of deliveries like a subscription that begins
	sub.traits &^= suspended | excludesOwn
	if o.ExcludeSelf {
		sub.traits |= excludesOwn
	}
	s.hub.agree(sub, policy.terms(o.Rate), o.Rate) // nothing waits in the backlog that it had
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	if s.hub.policies.Load() != policies { // renew may have been there before
		s.renew(sub, s.hub.policy(channel))
	}
	if !hasBegun {
		return true
	}
	s.hub.channels.hold(sub.channel) // Unsubscribe and Close may let go of it
	s.admit(sub, sub.channel.newest())
	s.hub.channels.release(sub.channel)
	return true
}

// endSuspended ends a subscription to a pattern that was suspended, as it is subscribed to
// again: it begins anew, where a Vector says.
func (s *Session) endSuspended(pattern string) {
	s.lock()
	sub := s.subs.get(pattern)
	if sub == nil || sub.traits&suspended == 0 || s.ended != endNot || s.isOverloaded() {
		s.mu.Unlock()
		return
	}
	s.drop(sub)
	begun := sub.asked == nil
	if !begun {
		s.push(command{tag: sub.asked.tag, kind: CommandSubscribe}, Outcome{Channel: pattern, Err: ErrUnsubscribed})
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if begun || sub.channel.withdraw(sub) {
		s.leave(sub)
	}
	if wake {
		s.wake()
	}
}

// newest is the newest position of the channel, if that is known.
func (ch *channel) newest() Position {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.top
}

// HasEnded reports whether the session is over: Take gives the rest of the queue, and then why.
func (s *Session) HasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != endNot
}
