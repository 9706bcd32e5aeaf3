package session

import "github.com/godwit-io/godwit/engineio/internal/packet"

// Never is the absence of a deadline.
const Never = Time(1<<63 - 1)

// Deadline is when Expire has something to do, if nothing happens before.
func (s *Session) Deadline() Time {
	switch s.phase {
	case phaseNew, phaseEnded:
		return Never
	case phaseClosing:
		if s.polling == nil {
			return Never // the WebSocket has a timeout of its own
		}
	}
	pl := s.polling
	if pl == nil {
		return s.beat
	}
	due := s.beatDue()
	if s.phase == phaseClosing {
		due = pl.closeBy
	}
	if pl.probe != probeNone {
		due = min(due, pl.upgradeBy)
	}
	if pl.waiting && pl.holdUntil != 0 {
		due = min(due, pl.holdUntil)
	}
	return due
}

// beatDue is when the heartbeat has something to do.
func (s *Session) beatDue() Time {
	if pl := s.polling; pl != nil && pl.probe != probeNone && !s.awaiting && s.version != 3 {
		return max(s.beat, pl.quietUntil)
	}
	return s.beat
}

// Expire acts on the deadlines that have passed.
func (s *Session) Expire(now Time, fx *Effects) {
	if pl := s.polling; pl != nil {
		if pl.probe != probeNone && now >= pl.upgradeBy {
			s.ProbeFailed(fx)
		}
		if pl.waiting && pl.holdUntil != 0 && now >= pl.holdUntil {
			s.answerWith(packet.Noop, fx)
		}
		if s.phase == phaseClosing && now >= pl.closeBy {
			s.End(s.reason, fx)
		}
	}
	if s.phase != phaseOpen {
		return
	}
	if s.version == 3 {
		if now >= s.beat {
			s.End(PingTimeout, fx)
		}
		return
	}
	if !s.awaiting {
		due := s.beatDue()
		if now < due {
			return
		}
		if now > due.after(min(lateMax, s.set.PingTimeout/4)) {
			due = now // the client must not pay for our being late
		}
		s.awaiting = true
		s.beat = due.after(s.set.PingTimeout)
		s.push(packet.Packet{Type: packet.Ping}, fx)
	}
	if now >= s.beat {
		s.End(PingTimeout, fx)
	}
}
