package engine

import (
	"net/http"
	"strconv"

	"github.com/godwit-io/godwit/ws/handshake"
)

// refusalsMax is how many connections above ConnsMax are told so at a time. More are
// closed without a word.
const refusalsMax = 64

// tooManyConns is the answer on a connection above ConnsMax.
func (s *Server) tooManyConns() *handshake.Fault {
	return &handshake.Fault{
		Status: http.StatusServiceUnavailable, Rule: RuleConnsMax,
		Reason: "this server is limited to " + strconv.Itoa(s.numbers.connsMax) + " connections at once; try again later, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"5"}},
	}
}

// IsOverLimit reports whether a request of Server.HTTP came on a connection above
// Server.ConnsMax, which ends behind the response. The answer should say that the
// server is full. For requests of Server.Route, see Request.Fault.
func IsOverLimit(r *http.Request) bool {
	f := forwardedOf(r)
	return f != nil && f.overLimit
}

// enter counts a connection that was accepted, and returns the flags that it begins
// with. It reports false if it cannot even be told that there are too many.
func (l *loop) enter() (flags, bool) {
	s := l.server
	if s.enter() {
		return 0, true
	}
	l.tally.Refused++
	l.tally.OverLimit++
	if s.overLimit.Add(1) <= refusalsMax {
		return overLimit, true
	}
	s.leave(true)
	return 0, false
}

// enter counts a connection, if there may be one more.
func (s *Server) enter() bool {
	if s.count.Add(1) <= int64(s.numbers.connsMax) {
		return true
	}
	s.leave(false)
	return false
}

// leave counts a connection that has ended.
func (s *Server) leave(overLimit bool) {
	if overLimit {
		s.overLimit.Add(-1)
	} else {
		s.count.Add(-1)
	}
	if !s.closing.Load() || !s.isEmpty() {
		return
	}
	s.mu.Lock()
	if s.empty != nil {
		select {
		case <-s.empty:
		default:
			close(s.empty)
		}
	}
	s.mu.Unlock()
}

// isEmpty reports whether there are no connections.
func (s *Server) isEmpty() bool { return s.count.Load() <= 0 && s.overLimit.Load() <= 0 }

// isOverLimit reports whether c is above the limit. The loop asks.
func (c *Conn) isOverLimit() bool {
	if c.loop.server.overLimit.Load() == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flags&overLimit != 0
}

// noteRefusal counts a request that is refused. A connection above the limit was
// counted when it was accepted.
func (l *loop) noteRefusal(c *Conn) {
	if !c.isOverLimit() {
		l.tally.Refused++
	}
}
