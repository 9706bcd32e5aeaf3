package hub

import (
	"context"
	"slices"
	"time"
)

// command is a command that was handed in. It has no outcome yet, or an outcome that was
// not taken.
type command struct {
	tag    uint64
	kind   Command
	ticket uint64 // of a publication; ascending
	bytes  int
	began  time.Time
	isPage bool // the outcome of a History that was read
	isCall bool // of a Call that counts for RPC.SessionOpenMax
}

// Publish publishes as this session, see Hub.Publish for the checks and the errors. Its
// outcome has the position. It keeps m.Data.
func (s *Session) Publish(tag uint64, m Message) {
	c := command{tag: tag, kind: CommandPublish, bytes: len(m.Data), began: s.hub.now()}
	p := s.hub.policy(m.Channel)
	err := s.hub.check(&m, p)
	if err == nil {
		err = s.hub.checkOpen()
	}
	if err != nil {
		s.answer(c, Outcome{Channel: m.Channel, Err: err})
		return
	}
	m.Publisher = s.id
	s.mu.Lock()
	if !s.count() {
		s.mu.Unlock()
		s.handIn()
		return
	}
	under := s.needCommands()
	under.ticket++
	c.ticket = under.ticket
	under.publishing = append(under.publishing, pendingPublish{c, m.Channel})
	s.mu.Unlock()
	s.hub.give(s.transport, m, p, s, c.ticket)
	if !s.hub.immediate() {
		s.expectAnswer()
	}
}

// pendingPublish is a publication whose outcome is not known yet.
type pendingPublish struct {
	command
	channel string
}

// Published is called by the Broker.
func (s *Session) Published(ticket uint64, p Published) {
	s.mu.Lock()
	under := s.needCommands()
	i, ok := slices.BinarySearchFunc(under.publishing, ticket, func(c pendingPublish, t uint64) int {
		switch {
		case c.ticket < t:
			return -1
		case c.ticket > t:
			return 1
		}
		return 0
	})
	if !ok {
		s.mu.Unlock()
		return // it was answered before, or given up
	}
	c := under.publishing[i]
	under.publishing = slices.Delete(under.publishing, i, i+1)
	s.push(c.command, Outcome{Channel: c.channel, Position: p.Position, Duplicate: p.Duplicate, Err: s.hub.brokerError(p.Err)})
	wake := s.claimWake()
	s.mu.Unlock()
	s.hub.countPublished(s.transport, c.bytes, c.began, p)
	if wake {
		s.wake()
	}
}

// expectAnswer starts the timer that gives up a publication without an outcome
// after callTimeout. All have the same time, so the oldest is due first and one
// timer is enough.
func (s *Session) expectAnswer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.needCommands()
	if len(under.publishing) == 0 || under.isTimed || s.closed {
		return
	}
	under.isTimed = true
	if under.timer == nil {
		under.timer = time.AfterFunc(callTimeout, s.giveUp)
	} else {
		under.timer.Reset(callTimeout)
	}
}

// giveUp is called by the timer.
func (s *Session) giveUp() {
	s.lock()
	now, under := time.Now(), s.needCommands()
	for len(under.publishing) > 0 && now.Sub(under.publishing[0].began) >= callTimeout {
		c := under.publishing[0]
		under.publishing = slices.Delete(under.publishing, 0, 1)
		s.push(c.command, Outcome{Channel: c.channel, Err: ErrUnanswered})
		s.hub.counters.brokerFailures.Add(1)
	}
	if under.isTimed = len(under.publishing) > 0 && !s.closed; under.isTimed {
		under.timer.Reset(callTimeout - now.Sub(under.publishing[0].began))
	}
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// History reads a part of a channel's history, see Broker.History. Its outcome
// has the page, which is cut earlier than q says after 256 publications, or where
// the bound of the queue is reached. A session reads one at a time, and the next
// when the outcome was taken: a client never has more than one page held for it. The
// errors are a *NameError or wrap the Broker's.
func (s *Session) History(tag uint64, channel string, q Query) {
	c := command{tag: tag, kind: CommandHistory}
	if err := CheckChannel(channel); err != nil {
		s.answer(c, Outcome{Channel: channel, Err: err})
		return
	}
	if !s.handIn() {
		return
	}
	if c.isPage = true; q.Limit <= 0 || q.Limit > replayCountMax {
		q.Limit = replayCountMax
	}
	s.lock()
	under := s.needCommands()
	under.histories = append(under.histories, historyAsked{command: c, channel: channel, q: q})
	s.mu.Unlock()
	s.nextHistory()
}

// historyAsked is a History, or a Presence, whose turn has not come.
type historyAsked struct {
	command
	channel string
	q       Query
	members *PresenceQuery // nil of a History
}

// nextHistory reads the next page that was asked for, if its turn has come.
func (s *Session) nextHistory() {
	s.lock()
	under := s.commands
	if under == nil || under.isHistory || len(under.histories) == 0 || s.ended != endNot {
		s.mu.Unlock()
		return
	}
	a := under.histories[0]
	under.histories = slices.Delete(under.histories, 0, 1)
	under.isHistory = true
	s.mu.Unlock()
	if a.members != nil {
		s.hub.whenKnown(a.channel, a.members, func(elsewhere int) {
			s.answerPresence(a.command, a.channel, *a.members, elsewhere)
			s.nextHistory()
		})
		return
	}
	s.hub.call(a.channel, func(ctx context.Context) {
		page, err := s.hub.askHistory(ctx, a.channel, a.q)
		o := Outcome{Channel: a.channel, Err: s.hub.brokerError(err)}
		if err == nil {
			o.Page = page
			o.Page.Publications, o.Page.Position, _ = s.fit(page)
		}
		s.complete(a.command, o)
		s.nextHistory()
	})
}

// IsBusy reports whether so many commands wait for their outcome, or outcomes for
// Take, that the edge has to stop reading its client. wake is called when they
// are half as many, once. A session that is handed in more than as many again
// meanwhile is ended with ErrTooManyCommands.
func (s *Session) IsBusy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isBusy = int(s.outstanding) >= s.hub.options.CommandsMax && s.ended == endNot
	return s.isBusy
}

// count counts a command, unless the session has ended or is overloaded; s.mu is
// held.
func (s *Session) count() bool {
	if s.ended != endNot || s.isOverloaded() {
		return false
	}
	s.outstanding++
	return true
}

// isOverloaded reports whether one more command is too many; s.mu is held.
func (s *Session) isOverloaded() bool { return int(s.outstanding)/2 >= s.hub.options.CommandsMax }

// isHalfBusy reports whether an edge that waits goes on waiting; s.mu is held.
func (s *Session) isHalfBusy() bool { return int(s.outstanding) > s.hub.options.CommandsMax/2 }

// handIn counts a command. It returns false if the session has ended, and ends it
// if it is overloaded.
func (s *Session) handIn() bool {
	s.mu.Lock()
	counted := s.count()
	overloaded := !counted && s.ended == endNot
	s.mu.Unlock()
	if overloaded {
		s.end(endTooManyCommands)
	}
	return counted
}

// answer is handIn and complete for a command that has its outcome at once.
func (s *Session) answer(c command, o Outcome) {
	if s.handIn() {
		s.complete(c, o)
	}
}

// complete queues the outcome of a command.
func (s *Session) complete(c command, o Outcome) {
	s.lock()
	s.push(c, o)
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// push queues the outcome of a command that was counted; s.mu is held. A success
// without a tag is dropped.
func (s *Session) push(c command, o Outcome) {
	if c.tag >= ByServer && !s.noteByServer(&c, &o) {
		return
	}
	if s.ended != endNot {
		return
	}
	if c.tag == 0 && o.Err == nil {
		s.outstanding--
		s.notePage(c.isPage)
		s.noteCall(c.isCall)
		return
	}
	if s.trailing.Load() != nil {
		s.fetch() // it came before
	}
	outcome := o // so that only a queued outcome is allocated
	outcome.Tag, outcome.Command = c.tag, c.kind
	s.ensureQueue()
	s.queue = append(s.queue, queued{other: &owed{Push: Push{Channel: o.Channel, Outcome: &outcome}, isPage: c.isPage, isCall: c.isCall}})
}

// notePage notes that a page of History was taken, or will not be; s.mu is held.
func (s *Session) notePage(isPage bool) {
	if isPage && s.commands != nil {
		s.commands.isHistory = false
	}
}
