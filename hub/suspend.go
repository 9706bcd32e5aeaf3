package hub

// Suspend has the session hand out no publications until its edge has a client again
// that says where it is: what was queued is given back, and what is published from
// now on is only noted. Members are not watched any more. Commands, outcomes and what
// else is owed stay. A channel goes
// on with its next Subscribe, which says from where and how; until then the session is
// a member of it as before.
//
// It is for sessions that outlive a connection. What a client has received of what was
// written to a connection that broke is known to the client alone.
func (s *Session) Suspend() {
	s.mu.Lock()
	if s.ended != endNot {
		s.mu.Unlock()
		return
	}
	s.giveBack()
	if s.read != nil {
		s.read.abandon()
		s.read = nil
	}
	s.behind = nil
	for sub := range s.subs.all() {
		sub.retry.stop()
		sub.retry = nil
		if s.keepUntold(sub) {
			continue
		}
		sub.traits |= suspended
		// One that has not begun yet catches up when it has.
		sub.catching = sub.asked == nil
	}
	// Changes that were written to a lost connection cannot be had again: the client
	// asks for the members when it is back.
	var watching []*subscription
	if s.commands != nil {
		for sub := range s.commands.watches {
			s.dropChanges(sub)
			watching = append(watching, sub)
		}
	}
	s.mu.Unlock()
	for _, sub := range watching {
		s.endWatch(sub)
	}
}

// resume subscribes to a channel again that the session was subscribed to when it was
// suspended. It returns false if there is none.
func (s *Session) resume(tag uint64, channel string, o *SubscribeOptions) bool {
	s.mu.Lock()
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
	sub.asked = &asked{tag: tag, since: o.Since, last: o.Last, watches: o.Presence, byUser: o.PresenceByUser}
	sub.catching = false // it is told of deliveries like one that begins
	sub.traits &^= suspended | excludesOwn
	if o.ExcludeSelf {
		sub.traits |= excludesOwn
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	if !hasBegun {
		return true
	}
	s.hub.channels.hold(sub.channel) // Unsubscribe and Close may let go of it
	s.admit(sub, sub.channel.newest())
	s.hub.channels.release(sub.channel)
	return true
}

// newest is the newest position of the channel, if that is known.
func (ch *channel) newest() Position {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.top
}

// HasEnded reports whether the session is over: Take gives what is left, and then why.
func (s *Session) HasEnded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended != endNot
}
