package hub

// ByServer is the tag of an act of the server on a session that no command asked for:
// an Outcome with it is of a subscription that the server has made (CommandSubscribe), or
// ended (CommandUnsubscribe), or of a registration that it has ended (CommandUnregister,
// with the pattern as its Channel). With the last two, Err says why. It is for edges whose
// clients can be told.
//
// Tags from ByServer on are reserved: an edge gives its commands lesser ones.
const ByServer uint64 = 1 << 63

// byServerMax is how many outcomes that no command asked for may wait for Take before
// Add is refused.
const byServerMax = 1024

// serverSide is what a session knows of what the server does to it. It is guarded by
// Session.mu.
type serverSide struct {
	newest  uint64                     // the newest tag of an Add
	waiting map[uint64]chan<- Outcome  // of Add, by tag
	made    map[*subscription]struct{} // that have begun
	untaken int                        // outcomes in the queue
}

// needServerSide returns the record of the server's acts; s.mu is held.
func (s *Session) needServerSide() *serverSide {
	c := s.needCommands()
	if c.server == nil {
		c.server = &serverSide{waiting: make(map[uint64]chan<- Outcome), made: make(map[*subscription]struct{})}
	}
	return c.server
}

// Add is Subscribe by the server, to a channel and no pattern: the session is told of it, by an outcome with the tag
// ByServer, once it has begun. The channel that Add returns has the same outcome, or that
// it failed, of which the session learns nothing: the errors are those of Subscribe,
// ErrClosed if the session ends before, and ErrTooManyCommands while too many outcomes
// that no command asked for wait for Take. It has room for the outcome, so the caller need not receive it.
//
// What the server has subscribed to is the client's as if it had asked for it: it may
// unsubscribe, and if the session is suspended it subscribes again.
func (s *Session) Add(channel string, o SubscribeOptions) <-chan Outcome {
	outcome := make(chan Outcome, 1)
	failed := func(err error) <-chan Outcome {
		outcome <- Outcome{Tag: ByServer, Command: CommandSubscribe, Channel: channel, Err: err}
		return outcome
	}
	if err := CheckChannel(channel); err != nil {
		return failed(err) // nor is it a pattern, which begins anew with a vector
	}
	s.lock()
	if s.ended != endNot {
		s.mu.Unlock()
		return failed(ErrClosed)
	}
	server := s.needServerSide()
	if server.untaken+len(server.waiting) >= byServerMax {
		s.mu.Unlock()
		return failed(ErrTooManyCommands)
	}
	if server.newest < ByServer {
		server.newest = ByServer
	}
	server.newest++
	tag := server.newest
	server.waiting[tag] = outcome
	s.mu.Unlock()

	s.Subscribe(tag, channel, o)

	s.lock()
	if s.ended != endNot { // meanwhile; then nothing has an outcome any more
		s.failWaiting()
	}
	s.mu.Unlock()
	return outcome
}

// Remove ends a subscription, by the server: like Unsubscribe, and the session is told by
// an outcome with the tag ByServer and the error why, which must not be nil. A Subscribe
// that is under way has why as its outcome, and nothing else is told. Remove returns false
// if there is no such subscription, or the session is over.
func (s *Session) Remove(channel string, why error) bool {
	return s.unsubscribe(ByServer, channel, why)
}

// RemoveMethod ends a registration, by the server: like Unregister, and the session is
// told by an outcome with the tag ByServer, the pattern as its Channel and the error why,
// which must not be nil. It returns false if there is no such registration, or the session
// is over.
func (s *Session) RemoveMethod(pattern string, why error) bool {
	if s.HasEnded() || s.hub.exchange.unregister(s, pattern) != nil {
		return false
	}
	s.lock()
	s.pushByServer(CommandUnregister, pattern, why)
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return true
}

// IsByServer reports whether the session's subscription to channel was made by the server.
// That stays so if it is suspended and the client subscribes again.
func (s *Session) IsByServer(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subs.get(channel)
	switch {
	case sub == nil || s.commands == nil || s.commands.server == nil:
		return false
	case sub.asked != nil && sub.asked.tag >= ByServer:
		return true
	}
	_, isMade := s.commands.server.made[sub]
	return isMade
}

// pushByServer queues the outcome of something that no command asked for; s.mu is held.
func (s *Session) pushByServer(kind Command, channel string, why error) {
	s.outstanding++ // noteByServer takes it back
	s.push(command{tag: ByServer, kind: kind}, Outcome{Channel: channel, Err: why})
}

// noteByServer is called with an outcome that no command asked for before it is queued,
// and reports whether it is to be; s.mu is held. It does not count as a command.
func (s *Session) noteByServer(c *command, o *Outcome) bool {
	s.outstanding--
	server := s.needServerSide()
	told := *o
	told.Tag, told.Command = ByServer, c.kind
	if s.ended != endNot {
		told.Err = ErrClosed
	}
	if waiting, ok := server.waiting[c.tag]; ok {
		delete(server.waiting, c.tag)
		waiting <- told
	}
	c.tag = ByServer
	switch {
	case s.ended != endNot, c.kind == CommandSubscribe && o.Err != nil:
		return false
	case c.kind == CommandSubscribe:
		if sub := s.subs.get(o.Channel); sub != nil {
			server.made[sub] = struct{}{}
		}
	}
	server.untaken++
	return true
}

// forgetByServer is for a subscription that ends; s.mu is held.
func (s *Session) forgetByServer(sub *subscription) {
	if s.commands != nil && s.commands.server != nil {
		delete(s.commands.server.made, sub)
	}
}

// failWaiting tells every waiting Add that the session is over; s.mu is held.
func (s *Session) failWaiting() {
	if s.commands == nil || s.commands.server == nil {
		return
	}
	for tag, waiting := range s.commands.server.waiting {
		waiting <- Outcome{Tag: ByServer, Command: CommandSubscribe, Err: ErrClosed}
		delete(s.commands.server.waiting, tag)
	}
}

// isUntold reports whether the server has made a subscription of which the session has
// not taken the outcome; s.mu is held. Its client does not know of it.
func (s *Session) isUntold(sub *subscription) bool {
	if s.commands == nil || s.commands.server == nil {
		return false
	}
	if sub.asked != nil {
		return sub.asked.tag >= ByServer
	}
	if _, isMade := s.commands.server.made[sub]; !isMade {
		return false
	}
	for _, q := range s.queue {
		if q.other == nil {
			continue
		}
		if o := q.other.Outcome; o != nil && o.Tag == ByServer && o.Command == CommandSubscribe && o.Channel == sub.channel.name {
			return true
		}
	}
	return false
}
