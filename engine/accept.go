package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/internal/wsproto"
)

// acceptor is a loop's own descriptor of a listening socket.
type acceptor struct {
	fd      int32
	key     int32
	backoff time.Duration
	again   wsproto.Time // when to watch it again after an error or a long lap, 0 while it is watched
	config  *tls.Config  // nil: no TLS
}

func (a *acceptor) close(k *socket.Calls) { k.Close(a.fd) }

// acceptsMax is how many connections a loop accepts in a turn. If more wait, other
// loops are woken, and the loop's own connections get their turn.
const acceptsMax = 16

// acceptOnLoops makes the loops watch ln, if it is a socket.
func (s *Server) acceptOnLoops(ln net.Listener) (bool, error) {
	if s.streams {
		return false, nil
	}
	inside, config := unwrap(ln)
	for _, l := range s.loops {
		fd, ok, err := socket.Watchable(inside)
		switch {
		case err != nil:
			return false, fmt.Errorf("engine: %w", err)
		case !ok:
			return false, nil
		}
		if !l.do(func() { l.listen(fd, config) }) {
			socket.System.Close(fd)
			return false, ErrServerClosed
		}
	}
	return true, nil
}

// listen watches a listening socket.
func (l *loop) listen(fd int32, config *tls.Config) {
	a := &acceptor{fd: fd, key: int32(-1 - len(l.listeners)), config: config}
	if l.stopping || l.server.leaving.Load() {
		a.close(l.system)
		return
	}
	l.listeners = append(l.listeners, a)
	l.resumeAccept(a)
}

func (l *loop) resumeAccept(a *acceptor) {
	a.again = 0
	if err := l.poll.AddListener(a.fd, a.key); err != nil {
		l.server.log().Error("engine: cannot watch a listener", "error", err)
	}
}

// stopAccepting closes the loop's listening sockets.
func (l *loop) stopAccepting() {
	for _, a := range l.listeners {
		if a.again == 0 {
			l.poll.Remove(a.fd) // the socket lives on in other loops
		}
		a.close(l.system)
	}
	l.listeners = nil
}

// accept accepts the connections that wait, acceptsMax of them at most.
func (l *loop) accept(a *acceptor) {
	for range acceptsMax {
		fd, peer, err := l.system.Accept(a.fd)
		switch err {
		case nil:
			a.backoff = 0
			l.accepted(fd, peer, a.config)
		case syscall.EAGAIN:
			return
		case syscall.EINTR, syscall.ECONNABORTED, syscall.EPROTO:
			// That connection has gone; there may be others.
		default:
			l.pauseAccept(a, err)
			return
		}
	}
}

// pauseAccept stops watching a listener for a while. Its errors mostly last for longer
// than a turn, when no descriptor is left for example, and it would be ready all the
// time.
func (l *loop) pauseAccept(a *acceptor, err error) {
	l.tally.AcceptErrors++
	l.server.noteAcceptError(l.clock(), err)
	a.backoff = min(max(2*a.backoff, acceptBackoffMin), acceptBackoffMax)
	a.again = l.now + wsproto.Time(a.backoff)
	l.poll.Remove(a.fd)
}

// acceptCalm is how long nothing must have failed for an error to be news.
const acceptCalm = 10 * time.Second

// noteAcceptError logs that connections cannot be accepted, once until none has failed
// for a while: at its limit, a process accepts one for each that leaves.
func (s *Server) noteAcceptError(now wsproto.Time, err error) {
	last := s.acceptFailed.Swap(int64(now))
	if last != 0 && now-wsproto.Time(last) <= wsproto.Time(acceptCalm) {
		return
	}
	hint := "it tries again until it can"
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		hint = "raise the limit of open files (ulimit -n) or lower ConnsMax; connections wait meanwhile"
	}
	s.log().Error("engine: cannot accept connections", "error", err, "connections", s.count.Load(), "hint", hint)
}

// stepBack leaves new connections to a loop that does not lag, if there is one,
// for as long as this one is taken to.
func (l *loop) stepBack() {
	for _, other := range l.server.loops {
		if other == l || len(l.listeners) == 0 || other.behind() > 0 {
			continue
		}
		for _, a := range l.listeners {
			if a.again == 0 {
				l.poll.Remove(a.fd)
			}
			a.again = max(a.again, l.lag.Until())
		}
		return
	}
}

// resumeListeners resumes the listeners whose time has come, and returns how long
// it is to the next.
func (l *loop) resumeListeners() (wait time.Duration, ok bool) {
	for _, a := range l.listeners {
		if a.again == 0 {
			continue
		}
		left := time.Duration(a.again - l.now)
		if left <= 0 {
			l.resumeAccept(a)
			continue
		}
		if !ok || left < wait {
			wait, ok = left, true
		}
	}
	return wait, ok
}

// accepted begins a connection, on this loop or, if that has fewer by far or this
// one lags, on another.
func (l *loop) accepted(fd int32, peer socket.Address, config *tls.Config) {
	flags, ok := l.enter()
	if !ok {
		l.system.Close(fd)
		return
	}
	var mode mode
	if s := l.server; s.ProxyHeader != nil && s.ProxyHeader(peer.AddrPort()) {
		mode = expectsProxy
	} else if s.Addresses != nil {
		if flags, ok = l.enterAddress(peer.AddrPort().Addr(), flags); !ok {
			l.system.Close(fd)
			s.leave(seat{})
			return
		}
	}
	const lead = 32
	target := l
	for _, other := range l.server.loops {
		if other != target && other.isBetter(target, lead) {
			target = other
		}
	}
	if target != l && target.do(func() { target.takeDescriptor(fd, peer, config, flags, mode) }) {
		return
	}
	l.takeDescriptor(fd, peer, config, flags, mode)
}

// takeDescriptor makes a connection of a descriptor.
func (l *loop) takeDescriptor(fd int32, peer socket.Address, config *tls.Config, flags flags, mode mode) {
	c := l.newConn(fd, peer, flags)
	c.mode = mode
	switch {
	case mode&expectsProxy != 0:
		c.needRare().preface = &preface{config: config} // nobody else knows c yet
	case config != nil:
		c.mode |= secured
		c.needRare().link = tlslink.New(linkOwner{c}, config)
	}
	l.awaitHead(c)
	if l.stopping {
		l.release(c)
		return
	}
	if err := l.poll.Add(fd, c.slot); err != nil {
		l.server.log().Error("engine: cannot watch a connection", "error", err)
		l.release(c)
	}
}
