package hub

// Take appends to dst what the session is owed now, or a first part of it when it
// is replaying or more than 256 KiB of payload are owed, and returns the extended
// slice. It returns dst unchanged when nothing is owed: wait for wake. It does not
// block. When more is owed than was returned, wake has been called again. An edge
// that takes no more until its client has taken what there was holds no more than
// that for a client that does not read.
//
// A subscription whose history cannot be read is behind: a push says so, see Behind,
// nothing is lost, and it is tried again, with growing pauses, as long as the session
// lives.
//
// Once the session has ended and everything queued before its end was taken,
// Take returns the reason: ErrShutdown, ErrClosed, ErrTooManyCommands, ErrSlow, an
// *access.Refusal of the cause Expired, or what End was called with. After Close it
// returns the reason at once.
func (s *Session) Take(dst []Push) ([]Push, error) { return s.takeAndTidy(dst, false) }

// TakeRuns is Take for an edge that can do with a Run: where many sessions are owed the
// same, each of them costs less.
func (s *Session) TakeRuns(dst []Push) ([]Push, error) { return s.takeAndTidy(dst, true) }

// takeAndTidy takes, and gives up a trail that no subscription has to fetch from any more.
func (s *Session) takeAndTidy(dst []Push, runs bool) ([]Push, error) {
	trailed := s.trailing.Load()
	dst, err := s.take(dst, runs)
	if trailed != nil && trailed.channel.trail.Load() != nil && trailed.channel.trailing.Load() == 0 {
		trailed.channel.dropTrail()
	}
	return dst, err
}

func (s *Session) take(dst []Push, runs bool) ([]Push, error) {
	begin := len(dst)
	s.mu.Lock()
	s.woken = false
	var taken portion
	switch {
	case s.trailing.Load() == nil:
		dst = s.takeQueue(dst, &taken)
	case runs && s.ended == endNot:
		dst = s.takeRun(dst, &taken)
	default:
		s.fetch()
		dst = s.takeQueue(dst, &taken)
	}
	if t := s.patterned(); t != nil {
		t.missed = nil // it is taken, or another one follows it
	}
	var noted []toldGap
	if s.hub.tellsGaps && hasGap(dst[begin:]) {
		noted = s.noteGaps(nil, dst[begin:])
	}
	if s.ended != endNot {
		err := s.reason()
		if len(dst) > begin {
			err = nil
			s.woken = true
		}
		s.mu.Unlock()
		s.countDeliveries(&taken)
		if noted != nil {
			s.tellGaps(noted)
		}
		if err == nil {
			s.wake()
		}
		return dst, err
	}
	if len(s.queue) > 0 { // it goes before publications read from history
		s.woken = true
		s.mu.Unlock()
		s.countDeliveries(&taken)
		if noted != nil {
			s.tellGaps(noted)
		}
		s.wake()
		return dst, nil
	}
	read, ask := s.nextRead()
	s.mu.Unlock()
	s.countDeliveries(&taken)
	if ask && (!read.isPaced || s.hub.pages.enter(s, read)) {
		s.askPage(read)
	}

	taken = portion{}
	s.lock()
	if s.read == read && read != nil && read.arrived {
		s.read = nil
		begin = len(dst)
		dst = s.takePage(read, dst, &taken)
		if s.hub.tellsGaps && hasGap(dst[begin:]) {
			noted = s.noteGaps(noted, dst[begin:])
		}
	}
	dst = s.takeBehind(dst)
	resumed := s.takeStalled()
	recovers := s.needsRecovery()
	wake := !recovers && s.claimWake()
	s.mu.Unlock()
	s.countDeliveries(&taken)
	if noted != nil {
		s.tellGaps(noted)
	}
	s.nextHistory()
	if resumed {
		s.hub.exchange.resume(s)
	}
	if recovers {
		s.continueRecovery()
		s.lock()
		wake = s.claimRecovery()
		s.mu.Unlock()
	}
	if wake {
		s.wake()
	}
	return dst, nil
}

// takeBytesMax is how much payload Take returns at most, if it is more than one
// publication: what a client that does not read makes its edge hold, in its
// encoding.
const takeBytesMax = 256 << 10

// portion is what one Take moves.
type portion struct {
	count, bytes int // of the publications that were handed out
	held         int // payload that the edge holds then, at most, with what has expired
	expired      expiry
}

// isLast reports whether a publication of so many bytes has to wait for the next Take.
func (t *portion) isLast(bytes int) bool { return t.held > 0 && t.held+bytes > takeBytesMax }

// takeQueue moves the queue into dst, or a first part of it, and counts its
// publications; s.mu is held.
func (s *Session) takeQueue(dst []Push, t *portion) []Push {
	for i := range s.queue {
		q := &s.queue[i]
		d := q.delivery
		if d == nil {
			if q.other == nil {
				var isWhole bool
				if dst, isWhole = s.takeBacklog(q.sub, dst, t); !isWhole {
					s.cutQueue(i)
					return dst
				}
				continue
			}
			if q.other.Call != nil || q.other.isWithdrawn {
				dst = s.takeCall(q.other, dst)
				continue
			}
			dst = append(dst, q.other.Push)
			if q.other.Changes != nil {
				s.commands.watches[q.sub].take(q.other.Changes)
				continue
			}
			if q.other.Outcome != nil && q.other.Outcome.Tag == ByServer {
				s.commands.server.untaken--
				continue
			}
			s.outstanding--
			s.notePage(q.other.isPage)
			s.noteCall(q.other.isCall)
			continue
		}
		if t.isLast(len(d.Data)) {
			s.cutQueue(i)
			return dst
		}
		if t.expired.has(d.Publication) {
			dst = s.passExpired(q.sub, d.Publication, Position{d.Position.Epoch, q.sub.taken}, dst)
		} else {
			dst = append(dst, Push{Channel: q.sub.channel.name, Delivery: d})
			t.count++
			t.bytes += len(d.Data)
		}
		t.held += len(d.Data)
		q.sub.queued--
		q.sub.taken = d.Position.Offset
		s.queueCount--
		s.queueBytes -= len(d.Data)
	}
	s.emptyQueue()
	return dst
}

// cutQueue removes the first n that are queued; s.mu is held.
func (s *Session) cutQueue(n int) {
	left := copy(s.queue, s.queue[n:])
	clear(s.queue[left:])
	s.queue = s.queue[:left]
}
