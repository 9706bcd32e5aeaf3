package engine

import (
	"errors"
	"fmt"
	"net"

	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/ws/handshake"
)

// newPlaces makes the places for handshakes of TLS.
func (s *Server) newPlaces() *tlslink.Places {
	return tlslink.NewPlaces(tlslink.PlacesConfig{
		Max: s.numbers.tlsHandshakesMax,
		Go:  s.goroutines.Go,
		Panicked: func(k *tlslink.Link, value any, stack []byte) {
			s.log().Error("engine: a callback of the TLS configuration panicked; its connection is closed",
				"remote", fmt.Sprint(k.RemoteAddr()), "panic", fmt.Sprint(reasonOf(value)), "stack", string(stack))
		},
		Evicted: func(places, waiting, evicted int) {
			s.log().Warn("engine: all places for TLS handshakes are taken, and those whose peers are slow are ended for others; if the clients are honest, raise TLSHandshakesMax",
				"places", places, "waiting", waiting, "ended now", evicted)
		},
	})
}

// linkOwner is a connection as its link knows it.
type linkOwner struct{ c *Conn }

func (o linkOwner) Tell() {
	o.c.mu.Lock()
	o.c.unlockAndPost()
}

func (o linkOwner) LocalAddr() net.Addr  { return o.c.LocalAddr() }
func (o linkOwner) RemoteAddr() net.Addr { return o.c.peer.NetAddr() }

// feed brings the handshake what has arrived. The results are those of receive.
func (l *loop) feed(c *Conn, k *tlslink.Link) (int, error) {
	fed, err := k.Feed(l.wire(c))
	if err != nil {
		return 0, err
	}
	return l.fed(c, k, fed)
}

// fed goes on with what has arrived of the handshake.
func (l *loop) fed(c *Conn, k *tlslink.Link, fed tlslink.Fed) (int, error) {
	switch {
	case fed == tlslink.FedEnd:
		return 0, nil
	case fed == tlslink.FedStranger:
		l.refuseStranger(c, k)
		return 0, socket.ErrAgain
	case fed == tlslink.FedHello:
		l.server.places.Ask(k)
	}
	l.watchHandshake(c, k)
	return 0, socket.ErrAgain
}

var notTLS = &handshake.Fault{Status: 400, Reason: "this port expects TLS: use https or wss",
	Header: handshake.Header{"Connection": {"close"}}}

// refuseStranger answers a peer that does not speak TLS in the language of HTTP,
// which is most likely what it speaks.
func (l *loop) refuseStranger(c *Conn, k *tlslink.Link) {
	k.Abort()
	c.mode &^= secured
	c.setLink(nil)
	l.refuse(c, "", notTLS)
}

// watchHandshake has the poller watch for what the handshake can use.
func (l *loop) watchHandshake(c *Conn, k *tlslink.Link) {
	if k.NeedsWatch() {
		l.watch(c)
	}
}

// attend does what a handshake has asked the loop for.
func (l *loop) attend(c *Conn, k *tlslink.Link) {
	if c.state != stateHead {
		return // the last bytes of a handshake that failed
	}
	done, err := k.Outcome()
	sent := l.push(c, k)
	l.watchHandshake(c, k)
	switch {
	case k.Broken() != nil:
		l.finish(c, abnormal(k.Broken()), false)
		l.release(c)
	case !done:
	case err != nil:
		l.failHandshake(c, err, sent)
	case sent:
		l.establish(c, k)
	}
}

// failHandshake ends a connection whose handshake failed, with the alert that
// says so under way.
func (l *loop) failHandshake(c *Conn, err error, sent bool) {
	l.noteRefusal(c)
	if p, ok := errors.AsType[*tlslink.PanicError](err); ok {
		err = &panicError{reasonOf(p.Value)}
		l.tally.Panics++
	} else {
		l.server.log().Debug("engine: a TLS handshake failed", "remote", fmt.Sprint(c.RemoteAddr()), "error", err)
	}
	l.finish(c, abnormal(err), true)
	if !sent || err == tlslink.ErrEvicted {
		l.release(c)
		return
	}
	l.flush(c)
}

// establish lets a connection go on over TLS.
func (l *loop) establish(c *Conn, k *tlslink.Link) {
	if k.Establish() {
		l.watch(c)
	}
	if l.server.web != nil && k.TLS().ConnectionState().NegotiatedProtocol == protoHTTP2 {
		l.forward(c, nil, false)
		return
	}
	l.read(c)
}
