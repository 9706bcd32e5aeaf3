package session

import "github.com/godwit-io/godwit/engineio/internal/packet"

// Poll is a GET that waits for packets: effects answer it from now on, if it is accepted.
func (s *Session) Poll(now Time, fx *Effects) Verdict {
	pl := s.polling
	switch {
	case s.phase == phaseEnded || s.phase == phaseNew:
		return Unknown
	case pl == nil:
		return Misplaced
	case pl.waiting:
		s.End(TransportError, fx)
		return Overlaps
	}
	pl.waiting = true
	pl.owes = pl.owes || pl.queue.messages > 0
	if pl.probe == probeAnswered {
		pl.holdUntil = now.after(NoopDelay)
	}
	s.Flush(fx)
	return Accepted
}

// PollLost says that the client of a poll has gone, or did not take its answer.
func (s *Session) PollLost(fx *Effects) {
	if s.polling != nil {
		s.polling.waiting = false
		s.End(TransportClose, fx)
	}
}

// Post is a POST; its packets come next, until PostDone.
func (s *Session) Post(fx *Effects) Verdict {
	pl := s.polling
	switch {
	case s.phase == phaseEnded || s.phase == phaseNew:
		return Unknown
	case pl == nil:
		return Misplaced
	case pl.posting:
		s.End(TransportError, fx)
		return Overlaps
	}
	pl.posting = true
	return Accepted
}

// PostDone says that a POST was answered.
func (s *Session) PostDone() {
	if s.polling != nil {
		s.polling.posting = false
	}
}

// Packet is a packet of the client, from its POST or its WebSocket. It reports whether p is
// a message for the application, which has no effects.
func (s *Session) Packet(now Time, p packet.Packet, fx *Effects) bool {
	if s.phase != phaseOpen {
		if s.phase == phaseClosing && p.Type == packet.Close {
			s.End(s.reason, fx)
		}
		return false
	}
	switch {
	case s.version == 3:
		s.beat = now.after(s.set.PingInterval).after(s.set.PingTimeout)
	case s.awaiting && !s.extended && p.Type != packet.Pong:
		s.extended = true
		s.beat = max(s.beat, now.after(s.set.PingTimeout))
	}
	switch p.Type {
	case packet.Message:
		return true
	case packet.Close:
		s.leave(now, fx)
	case packet.Ping:
		if s.version != 3 {
			s.End(ParseError, fx) // heartbeats go the other way
			break
		}
		s.push(packet.Packet{Type: packet.Pong, Data: p.Data}, fx)
	case packet.Pong:
		if s.version == 3 {
			s.End(ParseError, fx)
			break
		}
		s.awaiting, s.extended = false, false
		s.beat = now.after(s.set.PingInterval)
	}
	return false // the others mean nothing from a client
}

// leave ends the session because the client said so. Its poll may come behind the POST that
// said it, and is answered all the same.
func (s *Session) leave(now Time, fx *Effects) {
	pl := s.polling
	if pl == nil || pl.waiting {
		s.End(TransportClose, fx)
		return
	}
	s.phase, s.reason = phaseClosing, TransportClose
	pl.closeBy = now.after(NoopDelay)
	pl.queue.clear()
	pl.queue.add(packet.Packet{Type: packet.Noop})
}

// NeedsTime reports whether Packet uses the time for a message.
func (s *Session) NeedsTime() bool { return s.awaiting || s.version == 3 }

// SocketClosed says that the WebSocket has gone.
func (s *Session) SocketClosed(reason Reason, fx *Effects) {
	switch s.phase {
	case phaseOpen:
		s.finish(reason, fx)
	case phaseClosing:
		s.finish(s.reason, fx)
	}
}

// ProbeOpened is a WebSocket that was opened for the session, and may become its own. It
// reports whether that is so; otherwise it must be closed.
func (s *Session) ProbeOpened(now Time) bool {
	pl := s.polling
	if s.phase != phaseOpen || pl == nil || pl.probe != probeNone || !s.set.CanUpgrade {
		return false
	}
	pl.probe = probeOpen
	pl.upgradeBy = now.after(s.set.UpgradeTimeout)
	// A ping over polling would confuse a client that is moving. It must not wait for so
	// long that the client takes the server for dead, though.
	pl.quietUntil = now.after(min(s.set.UpgradeTimeout, s.set.PingTimeout/2))
	return true
}

// ProbePacket is a packet of the client, from the probe. It reports whether the session has
// moved to it.
func (s *Session) ProbePacket(now Time, p packet.Packet, fx *Effects) bool {
	pl := s.polling
	switch {
	case s.phase == phaseEnded || pl == nil || pl.probe == probeNone:
	case p.Type == packet.Ping && string(p.Data) == "probe":
		pl.probe = probeAnswered
		fx.add(SendProbe, s.AppendFrame(nil, packet.Packet{Type: packet.Pong, Data: p.Data}))
		s.answerWith(packet.Noop, fx)
	case p.Type == packet.Upgrade:
		s.upgrade(now, fx)
		return true
	default:
		s.ProbeFailed(fx)
	}
	return false
}

// ProbeFailed closes the probe, and polling goes on.
func (s *Session) ProbeFailed(fx *Effects) {
	if s.ProbeClosed() {
		fx.add(CloseProbe, nil)
	}
}

// ProbeClosed says that the probe has gone. It reports whether there was one.
func (s *Session) ProbeClosed() bool {
	pl := s.polling
	if pl == nil || pl.probe == probeNone {
		return false
	}
	pl.probe, pl.holdUntil = probeNone, 0
	return true
}

// upgrade makes the probe the WebSocket of the session: everything that is queued goes there.
func (s *Session) upgrade(now Time, fx *Effects) {
	fx.add(TakeProbe, nil)
	s.answerWith(packet.Noop, fx)
	pl := s.polling
	s.polling = nil
	var frames []byte
	pl.queue.all(func(p packet.Packet) {
		if p.Type != packet.Close {
			frames = s.AppendFrame(frames, p)
		}
	})
	if len(frames) > 0 {
		fx.add(Send, frames)
	}
	if s.awaiting {
		s.beat = max(s.beat, now.after(s.set.PingTimeout)) // it may not have seen the ping yet
	}
	if pl.owes || pl.queue.messages > 0 {
		fx.add(Drained, nil)
	}
	if s.phase == phaseClosing {
		fx.add(Close, nil)
	}
	fx.add(FreePolling, nil)
}
