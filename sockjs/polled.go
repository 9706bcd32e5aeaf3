package sockjs

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/sockjs/internal/session"
	"github.com/godwit-io/godwit/ws/wire"
)

// polled is a session that is a series of requests. Its state is a session.Machine; here
// are the calls and the writes, and when they are made.
//
//	request ─► receiver ─┐                      ┌─► callbacks, one at a time: run
//	request ─► sender ───┼─► Machine, inbox ────┤
//	timer, Session ──────┘                      └─► the receiver's response: flush
//
// Every change is followed by a flush, unless a callback is under way, behind which all its
// messages leave together. Callbacks are made on the loop or goroutine of a request, of the
// timer, or of a worker: never within a method of Session.
type polled struct {
	Session
	key  string
	addr netip.AddrPort // of the connection that began the session

	mu         sync.Mutex // guards what follows; not held while something is called or written
	machine    session.Machine
	receiver   *receiver   // nil without one
	inbox      []*delivery // what the client has sent
	inboxBytes int
	closing    *CloseError // nil until the session has ended
	undecided  time.Time   // until when it may be
	wakeDue    time.Time   // of WakeAt
	timer      *time.Timer // nil until it is needed
	armed      time.Time   // when timer fires; zero: it does not
	notices    int         // how often a client was told the same
	state      polledState
}

// polledState is a set of facts about a session.
type polledState uint16

const (
	isRunning polledState = 1 << iota // a callback is under way, or the next is being looked for
	isPosted                          // a goroutine will look for callbacks
	isWriting                         // something is being written to the receiver
	isHeld                            // Hold was called
	isOpened                          // OnOpen was called
	isWoken                           // OnWake is due
	isPaused                          // OnMessage is not to be called
	owesDrain                         // OnDrain is due when nothing waits
	isEnded                           // OnClose was called, or never will be
	isGone                            // the Server does not know it any more
)

func (p *polled) has(s polledState) bool { return p.state&s != 0 }

// begin asks for the Handler of the session. The Server knows it already, and its receiver is r.
func (p *polled) begin(r *Request) {
	isDecided := p.server.decide(&p.Session, r)
	p.mu.Lock()
	switch {
	case !isDecided:
		p.end(time.Now(), CloseInternal, "internal error", nil)
	case !p.has(isHeld):
		p.machine.Accept()
	}
	p.state &^= isRunning
	p.mu.Unlock()
	p.run()
}

// send implements carrier.
func (p *polled) send(typ MessageType, data []byte) error {
	if typ == MessageText && !utf8.Valid(data) {
		return ErrNotUTF8
	}
	p.mu.Lock()
	err := p.push(typ, data, p.machine.Push)
	p.mu.Unlock()
	p.settle()
	return err
}

// writeFrames implements carrier.
func (p *polled) writeFrames(encoded [][]byte) error {
	var err error
	push := p.machine.Push // one call is as one message for the bounds of the queue
	p.mu.Lock()
	for _, f := range encoded {
		for len(f) > 0 && err == nil {
			var typ MessageType
			var payload []byte
			if typ, payload, f, err = cutFrame(f); err == nil {
				err = p.push(typ, payload, push)
				push = p.machine.PushMore
			}
		}
	}
	p.mu.Unlock()
	p.settle()
	return err
}

// cutFrame takes a frame of a server from the beginning of b.
func cutFrame(b []byte) (typ MessageType, payload, rest []byte, err error) {
	h, n, err := wire.ParseHeader(b)
	if err != nil || n == 0 || !h.Fin || h.RSV != 0 || h.Masked || h.Opcode != wire.Text && h.Opcode != wire.Binary || h.Length > int64(len(b)-n) {
		return 0, nil, nil, ErrFrame
	}
	end := n + int(h.Length)
	return MessageType(h.Opcode), b[n:end], b[end:], nil
}

// push queues a message; mu is held.
func (p *polled) push(typ MessageType, data []byte, push func([]byte) error) error {
	if p.closing != nil {
		return ErrClosed
	}
	if typ == MessageBinary {
		data = base64.StdEncoding.AppendEncode(nil, data)
	}
	switch push(data) {
	case nil:
		p.server.sent.Add(1)
		return nil
	case session.ErrFull:
		p.machine.Drop()
		p.end(time.Now(), CloseSlow, "too much waits for this client", nil)
		return ErrQueueFull
	}
	return ErrClosed
}

// end closes the session; mu is held. Only the first call counts.
func (p *polled) end(now time.Time, code Code, reason string, cause error) {
	if p.closing != nil {
		return
	}
	p.machine.Close(now, uint16(code), reason)
	p.undecided = time.Time{}
	p.closing = &CloseError{Code: code, Reason: reason, Err: cause}
}

// interrupt says that something of a response was lost; mu is held.
func (p *polled) interrupt(now time.Time, cause error) {
	p.machine.Interrupt(now)
	p.undecided = time.Time{}
	if p.closing == nil {
		p.closing = &CloseError{Code: CloseInterrupted, Reason: reasonInterrupted, IsRemote: true, Err: cause}
	}
}

// buffered implements carrier.
func (p *polled) buffered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.waiting()
	if n > 0 {
		p.state |= owesDrain // a caller that learns that may wait for OnDrain
	}
	o := &p.server.o
	return max(n, p.machine.Count()*(min(o.QueueBytesMax, DefaultQueueBytesMax)/o.QueueMessagesMax))
}

// isCrowded implements carrier.
func (p *polled) isCrowded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.isHalfFull() && p.receiver.buffered() < flushBytes {
		return false
	}
	p.state |= owesDrain
	return p.closing == nil
}

// isHalfFull reports whether half of what may wait for a request does; mu is held.
func (p *polled) isHalfFull() bool {
	o := &p.server.o
	return p.machine.Count() >= max(1, o.QueueMessagesMax/2) || p.machine.Queued() > o.QueueBytesMax/2
}

// waiting is how many bytes wait; mu is held.
func (p *polled) waiting() int { return p.machine.Queued() + p.receiver.buffered() }

// close implements carrier.
func (p *polled) close(code Code, reason string) {
	p.mu.Lock()
	p.end(time.Now(), code, reason, nil)
	p.mu.Unlock()
	p.settle()
}

// wake implements carrier.
func (p *polled) wake() {
	p.mu.Lock()
	p.state |= isWoken
	p.mu.Unlock()
	p.schedule()
}

// wakeAt implements carrier.
func (p *polled) wakeAt(t time.Time) {
	p.mu.Lock()
	p.wakeDue = t
	p.arm()
	p.mu.Unlock()
}

// hold implements carrier.
func (p *polled) hold() {
	p.mu.Lock()
	p.state |= isHeld
	p.undecided = time.Now().Add(p.server.o.DecisionTimeout)
	p.mu.Unlock()
}

// accept implements carrier.
func (p *polled) accept() {
	p.mu.Lock()
	p.machine.Accept()
	p.undecided = time.Time{}
	p.mu.Unlock()
	p.settle()
}

// pause implements carrier.
func (p *polled) pause(on bool) {
	p.mu.Lock()
	if on {
		p.state |= isPaused
	} else {
		p.state &^= isPaused
	}
	p.mu.Unlock()
	p.schedule()
}

// remoteAddr implements carrier.
func (p *polled) remoteAddr() net.Addr {
	if !p.addr.IsValid() {
		return nil
	}
	return net.TCPAddrFromAddrPort(p.addr)
}

// forget stops the rest of a session that has ended.
func (p *polled) forget() {
	p.mu.Lock()
	p.state |= isGone
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	p.server.remove(p)
}

// verdict is what becomes of a request that wants to receive.
type verdict uint8

const (
	isReceiver  verdict = iota
	isSecond            // there is another one
	isToldOfEnd         // the session is closed
	isUnknown           // there is no such session any more
)

// attach makes r the receiver, if there is no other one. isOften says that the client has
// asked many times.
func (p *polled) attach(r *receiver) (v verdict, isOften bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	r.session = p
	if p.receiver != nil && p.receiver.hasGone() {
		p.detach(now, nil) // its end has not been noticed yet
	}
	switch {
	case p.machine.Phase() == session.Over:
		return isUnknown, false
	case p.machine.HasOnlyFarewell():
		p.machine.Touch(now)
		v = isToldOfEnd
	case !p.machine.Attach(now, r.format):
		v = isSecond
	default:
		p.receiver = r
		p.server.receivers.Add(1)
		return isReceiver, false
	}
	p.notices++
	return v, p.notices > noticesAtOnce
}

// farewell is the text about the end for the client.
func (p *polled) farewell() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.machine.Farewell()
}

var anotherReceiver = frames.AppendClose(nil, uint16(CloseAnotherReceiver), reasonAnother)

// detach says that the receiver has gone before its response was complete; mu is held.
func (p *polled) detach(now time.Time, cause error) {
	p.forgetReceiver()
	p.machine.Detach(now)
	p.interrupt(now, cause)
	p.state &^= isPosted // it would have been there
}

// forgetReceiver is called when the response is complete, or cut; mu is held.
func (p *polled) forgetReceiver() {
	p.receiver = nil
	p.server.receivers.Add(-1)
}

// expire acts on the deadlines that have passed. It is the function of the timer.
func (p *polled) expire() {
	now := time.Now()
	p.mu.Lock()
	p.armed = time.Time{}
	p.machine.Expire(now)
	if !p.undecided.IsZero() && !now.Before(p.undecided) {
		p.end(now, CloseTryAgainLater, "the server could not decide in time; try again later", nil)
	}
	if p.machine.Phase() == session.Over && p.closing == nil {
		p.closing = &CloseError{Code: CloseNormal, IsRemote: true}
	}
	if !p.wakeDue.IsZero() && !now.Before(p.wakeDue) {
		p.wakeDue = time.Time{}
		p.state |= isWoken
	}
	p.mu.Unlock()
	p.run()
}

// arm sets the timer to the next deadline; mu is held. A timer that fires too early
// is set again, so it is not moved with everything that happens.
func (p *polled) arm() {
	if p.has(isGone) {
		return
	}
	next := p.machine.Deadline()
	for _, t := range [...]time.Time{p.wakeDue, p.undecided} {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	if next.IsZero() || !p.armed.IsZero() && !next.Before(p.armed) {
		return
	}
	p.armed = next
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(next), p.expire)
		return
	}
	p.timer.Reset(time.Until(next))
}

// take gives the inbox the client's messages. It returns the status that refuses it, or
// 0; the answer comes when it was handed on.
func (p *polled) take(d *delivery) (status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cost := d.batch.Bytes()
	switch {
	case p.closing != nil:
		return http.StatusNotFound
	case len(p.inbox) > 0 && (len(p.inbox) >= inboxMax || p.inboxBytes+cost > p.server.o.BodyBytesMax):
		return http.StatusServiceUnavailable
	}
	p.inbox = append(p.inbox, d)
	p.inboxBytes += cost
	return 0
}

// inboxMax is how many requests of a client may wait to be handed on. The SockJS client
// makes one at a time. pusher-js makes one for each message, all at once, so a client
// that subscribes to many channels has many under way.
const inboxMax = 256
