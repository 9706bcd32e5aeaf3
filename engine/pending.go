package engine

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/handshake"
)

// pending is an opening handshake that waits for the application.
type pending struct {
	accepted  handshake.Accepted
	admission Admission // when it was decided
	timeout   time.Duration
}

// newPending copies a, whose strings share memory with the request. The error wraps
// an *OptionError.
func (s *Server) newPending(a *handshake.Accepted, admission *Admission) (*pending, error) {
	timeout := admission.PendingTimeout
	if err := driver.Resolve("PendingTimeout", &timeout, s.numbers.handshakeTimeout); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	p := &pending{timeout: timeout, accepted: handshake.Accepted{
		Key: strings.Clone(a.Key), Subprotocol: strings.Clone(a.Subprotocol),
		Offered: slices.Clone(a.Offered), Extensions: slices.Clone(a.Extensions),
	}}
	for i := range p.accepted.Offered {
		p.accepted.Offered[i] = strings.Clone(p.accepted.Offered[i])
	}
	for i := range p.accepted.Extensions {
		x := &p.accepted.Extensions[i]
		x.Name = strings.Clone(x.Name)
		x.Params = slices.Clone(x.Params)
		for j := range x.Params {
			x.Params[j].Name, x.Params[j].Value = strings.Clone(x.Params[j].Name), strings.Clone(x.Params[j].Value)
		}
	}
	return p, nil
}

var pendingTimeout = &handshake.Fault{Status: http.StatusServiceUnavailable, Reason: "the server could not decide about the handshake in time; try again later",
	Header: handshake.Header{"Connection": {"close"}, "Retry-After": {"5"}}}

var errUndecided = errors.New("engine: an opening handshake that has waited can only be accepted or refused now")

// Admit decides about an opening handshake that waits, see Admission.Pending: it
// accepts, or refuses if a has a Status. OnEnd is called, and then, for a WebSocket,
// OnOpen of its Handler, and OnMessage for frames that the client has sent
// meanwhile.
//
// It returns ErrNotAHandshake for any other request, ErrExchangeOver, and an error
// if a has HTTP or Pending set, which would decide nothing; then nothing was done.
func (x Exchange) Admit(a Admission) error {
	if x.conn == nil {
		return ErrExchangeOver
	}
	c, e, ok := x.open()
	err := e.mayBegin(ok)
	switch {
	case err != nil:
	case e.pending == nil:
		err = ErrNotAHandshake
	case a.HTTP || a.Pending != nil:
		err = errUndecided
	default:
		e.pending.admission = a
		e.phase = phaseUpgrade
	}
	c.unlockAndSend()
	return err
}

// isUndecided reports whether e is an opening handshake that waits; mu is held.
func (e *exchange) isUndecided() bool { return e.pending != nil && e.phase == phaseAsked }

// suspendHandshake makes an opening handshake an exchange, which waits for the
// decision. early came behind it.
func (l *loop) suspendHandshake(c *Conn, p *pending, a *Admission, early []byte) {
	e := l.beginExchange(c, a.Pending, a.Value, nil)
	e.pending = p // no other goroutine knows the exchange yet
	e.last = true // what comes behind a handshake is no request
	e.due = l.clock() + wsproto.Time(p.timeout)
	l.deliverBody(c, e, nil, early)
}

// settleHandshake carries out the decision about an opening handshake that has waited.
func (l *loop) settleHandshake(c *Conn, e *exchange) {
	s, p := l.server, e.pending
	p.admission.choose(&p.accepted)
	agreed := agreement{subprotocol: p.accepted.Subprotocol, admission: p.admission}
	if a := &agreed.admission; a.Status != 0 {
		l.noteRefusal(c)
		f := a.fault()
		l.answerFault(c, false, f, a, f)
		return
	}
	if s.closing.Load() {
		l.answerFault(c, false, shuttingDown, nil, ErrServerClosed)
		return
	}
	response := &l.cork
	var err error
	if response.Bytes, err = s.respond(response.Bytes, &p.accepted, &agreed); err != nil {
		s.log().Error("engine: the response to an opening handshake could not be made", "error", err)
		l.answerFault(c, false, internalError, nil, err)
		return
	}
	l.endExchange(c, nil)
	c.mu.Lock()
	l.applyAgreement(c, &agreed)
	c.out, c.queued = response, len(response.Bytes)
	c.mu.Unlock()
	l.tally.Accepted++
	held := c.message
	c.message = nil
	var early []byte
	if held != nil {
		early = held.b
	}
	l.openWebSocket(c, early)
	if held != nil {
		held.recycle()
	}
}
