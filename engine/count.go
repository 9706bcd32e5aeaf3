package engine

import (
	"net/http"
	"net/netip"
	"strconv"

	"github.com/godwit-io/godwit/ws/handshake"
)

// AddressCounter counts connections by the address of their clients, for
// Server.Addresses. Its methods may be called concurrently, on the loops among others, so
// they must not block or panic.
type AddressCounter interface {
	// Enter counts a connection, or reports false if there are too many of its address.
	// The address is never a mapped one (::ffff:192.0.2.1), and never the zero value.
	Enter(client netip.Addr) bool

	// Leave takes back what Enter has counted. It is called once for each connection
	// that Enter has admitted, when that has ended.
	Leave(client netip.Addr)
}

// refusalsMax is how many connections that are too many are told so at a time. More are
// closed without a word.
const refusalsMax = 64

// excess is why a connection is one too many.
type excess uint8

const (
	within       excess = iota // it is not
	aboveConns                 // Server.ConnsMax
	aboveAddress               // Server.Addresses
)

// seat is what a connection has among those that the server counts.
type seat struct {
	over    excess
	address netip.Addr // is counted in Server.Addresses, the zero value if none is
}

// tooManyConns is the answer on a connection that is one too many.
func (s *Server) tooManyConns(over excess) *handshake.Fault {
	if over == aboveAddress {
		return &handshake.Fault{
			Status: http.StatusTooManyRequests, Rule: RuleAddresses,
			Reason: "there are too many connections from this address; close some of them, or try again later",
			Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"5"}},
		}
	}
	return &handshake.Fault{
		Status: http.StatusServiceUnavailable, Rule: RuleConnsMax,
		Reason: "this server is limited to " + strconv.Itoa(s.numbers.connsMax) + " connections at once; try again later, here or at another",
		Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"5"}},
	}
}

// IsOverLimit reports whether a request of Server.HTTP came on a connection that is one
// too many, by Server.ConnsMax or Server.Addresses, and ends behind the response. See
// FaultOf for what to answer. For requests of Server.Route, see Request.Fault.
func IsOverLimit(r *http.Request) bool { return excessOf(r) != within }

// FaultOf returns why a request of Server.HTTP is to be refused, nil if it is not: its
// connection is one too many. It must not be modified.
func FaultOf(r *http.Request) *handshake.Fault {
	if f := forwardedOf(r); f != nil && f.seat.over != within {
		return f.web.owner.tooManyConns(f.seat.over)
	}
	return nil
}

func excessOf(r *http.Request) excess {
	if f := forwardedOf(r); f != nil {
		return f.seat.over
	}
	return within
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
	if s.enterRefused() {
		return overLimit, true
	}
	return 0, false
}

// enterAddress counts a connection with these flags in Server.Addresses, and returns them
// with what has become of that. It reports false if it is too many and cannot be
// told so; its seat is left as it was.
func (l *loop) enterAddress(client netip.Addr, f flags) (flags, bool) {
	s := l.server
	if f&overLimit != 0 || !client.IsValid() {
		return f, true
	}
	if s.Addresses.Enter(client) {
		return f | addressed, true
	}
	l.tally.Refused++
	l.tally.OverAddress++
	if !s.enterRefused() {
		return f, false
	}
	s.leave(seat{})
	return f | overLimit | overAddress, true
}

// enter counts a connection, if there may be one more.
func (s *Server) enter() bool {
	if s.count.Add(1) <= int64(s.numbers.connsMax) {
		return true
	}
	s.leave(seat{})
	return false
}

// enterRefused counts a connection that is one too many, if one more may be told so.
func (s *Server) enterRefused() bool {
	if s.overLimit.Add(1) <= refusalsMax {
		return true
	}
	s.leave(seat{over: aboveConns})
	return false
}

// leave counts a connection that has ended.
func (s *Server) leave(seat seat) {
	if seat.address.IsValid() {
		s.Addresses.Leave(seat.address)
	}
	if seat.over != within {
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

// excess returns why c is one too many. The loop asks.
func (c *Conn) excess() excess {
	if c.loop.server.overLimit.Load() == 0 {
		return within
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flags.excess()
}

func (f flags) excess() excess {
	switch {
	case f&overLimit == 0:
		return within
	case f&overAddress != 0:
		return aboveAddress
	}
	return aboveConns
}

// isOverLimit reports whether c is one too many. The loop asks.
func (c *Conn) isOverLimit() bool { return c.excess() != within }

// seat returns what c gives back when it ends. The loop asks.
func (c *Conn) seat() seat {
	s := seat{over: c.excess()}
	if c.loop.server.Addresses == nil {
		return s
	}
	c.mu.Lock()
	counted := c.flags&addressed != 0
	c.mu.Unlock()
	if counted {
		s.address = c.peer.AddrPort().Addr()
	}
	return s
}

// noteRefusal counts a request that is refused. A connection that is one too many was
// counted when it was accepted.
func (l *loop) noteRefusal(c *Conn) {
	if !c.isOverLimit() {
		l.tally.Refused++
	}
}
