package sockjs

import (
	"net/http"
	"time"

	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/sockjs/internal/session"
)

// settle is called behind a change, without mu. A callback that writes much does not wait
// for its end.
func (p *polled) settle() {
	p.mu.Lock()
	isUrgent := p.isHalfFull()
	p.mu.Unlock()
	p.flush(isUrgent)
	p.schedule()
}

// schedule has callbacks made soon, if any are due: where the receiver is served, so that
// what they write leaves there, or else by a worker.
func (p *polled) schedule() {
	p.mu.Lock()
	if p.has(isRunning|isPosted) || p.due() == callNothing {
		p.mu.Unlock()
		return
	}
	p.state |= isPosted
	r := p.receiver
	p.mu.Unlock()
	if !r.wake() {
		p.server.workers.add(p)
	}
}

// callback is a callback that is due.
type callback uint8

const (
	callNothing callback = iota
	callOpen
	callMessage
	callWake
	callDrain
	callClose
	callRemove // the Server is to forget the session
)

// due returns the callback that comes next; mu is held.
func (p *polled) due() callback {
	isOver := p.machine.Phase() == session.Over
	switch {
	case p.has(isEnded):
		if isOver && !p.has(isGone) {
			return callRemove
		}
		return callNothing
	case !p.has(isOpened) && p.machine.IsAccepted():
		return callOpen
	case p.closing != nil && !p.closing.IsRemote:
		return callClose
	case len(p.inbox) > 0 && p.has(isOpened) && !p.has(isPaused):
		return callMessage
	case p.closing != nil:
		return callClose
	case p.has(isWoken):
		return callWake
	case p.has(owesDrain) && p.has(isOpened) && !p.has(isWriting) && p.waiting() == 0:
		return callDrain
	}
	return callNothing
}

// run makes the callbacks that are due, until there are none. It returns at once if that
// is under way elsewhere.
func (p *polled) run() {
	p.mu.Lock()
	p.state &^= isPosted
	if p.has(isRunning) {
		p.mu.Unlock()
		return
	}
	p.state |= isRunning
	for {
		next := p.due()
		var d *delivery
		switch next {
		case callNothing:
			p.state &^= isRunning
			p.mu.Unlock()
			p.flush(false)
			p.mu.Lock()
			if p.has(isRunning|isPosted) || p.due() == callNothing {
				p.arm()
				p.mu.Unlock()
				return
			}
			p.state |= isRunning // it was drained at once
			continue
		case callOpen:
			p.state |= isOpened
		case callWake:
			p.state &^= isWoken
		case callDrain:
			p.state &^= owesDrain
		case callClose:
			p.state |= isEnded
		case callRemove:
			p.state |= isGone
			if p.timer != nil {
				p.timer.Stop()
			}
		case callMessage:
			d, p.inbox = p.inbox[0], p.inbox[1:]
			p.inboxBytes -= d.batch.Bytes()
		}
		p.mu.Unlock()
		p.call(next, d)
		p.flush(true)
		p.mu.Lock()
	}
}

// call makes one callback.
func (p *polled) call(c callback, d *delivery) {
	if c == callRemove {
		p.server.remove(p)
		return
	}
	if c == callClose {
		p.finish()
		return
	}
	if !p.server.guarded(&p.Session, func() {
		switch c {
		case callOpen:
			p.server.opened(&p.Session)
			p.handler.OnOpen(&p.Session)
		case callWake:
			p.handler.OnWake(&p.Session)
		case callDrain:
			p.handler.OnDrain(&p.Session)
		case callMessage:
			p.hand(d)
		}
	}) {
		p.mu.Lock()
		p.end(time.Now(), CloseInternal, "internal error", nil)
		p.mu.Unlock()
		if d != nil {
			d.answer(http.StatusInternalServerError)
		}
	}
}

// hand hands on the messages of a request. The rest of it waits when the application
// pauses.
func (p *polled) hand(d *delivery) {
	for d.next < d.batch.Len() {
		d.next++
		p.handler.OnMessage(&p.Session, MessageText, d.batch.At(d.next-1))
		p.mu.Lock()
		isClosed := p.closing != nil && !p.closing.IsRemote
		if p.has(isPaused) && !isClosed && d.next < d.batch.Len() {
			p.inbox = append([]*delivery{d}, p.inbox...)
			p.inboxBytes += d.batch.Bytes()
			p.mu.Unlock()
			return
		}
		p.mu.Unlock()
		if isClosed {
			break
		}
	}
	d.answer(http.StatusNoContent)
}

// finish makes the last callback.
func (p *polled) finish() {
	p.mu.Lock()
	left := p.inbox
	p.inbox, p.inboxBytes, p.wakeDue = nil, 0, time.Time{}
	err, wasOpen := p.closing, p.has(isOpened)
	p.mu.Unlock()
	for _, d := range left {
		d.answer(http.StatusNotFound)
	}
	p.server.ended(&p.Session, err, wasOpen)
	p.handler, p.value = nil, nil // the client may be told for a while
}

// flushBytes is how much of a response may wait for a slow client before no more is written
// to it: the rest waits in the queue of the session, which is bounded.
const flushBytes = 64 << 10

// flush writes the waiting messages to the receiver. While a callback is under way, only its
// caller flushes, or a caller with isUrgent.
func (p *polled) flush(isUrgent bool) {
	p.mu.Lock()
	if p.has(isWriting) || p.has(isRunning) && !isUrgent {
		p.mu.Unlock()
		return // it is done there
	}
	if !p.receiver.isReady() {
		p.arm()
		p.mu.Unlock()
		return
	}
	p.state |= isWriting
	scratch := scratches.get()
	for {
		r := p.receiver
		if !r.isReady() || !p.machine.HasNext() || r.buffered() > flushBytes {
			break // or OnDrain comes
		}
		out, isLast := p.machine.Next(scratch[:0], time.Now())
		if len(out) == 0 {
			break
		}
		scratch, r.carries = out, true
		if isLast {
			p.forgetReceiver()
		}
		p.mu.Unlock()
		err := r.write(out, isLast)
		p.mu.Lock()
		if err != nil {
			if p.receiver == r {
				p.forgetReceiver()
			}
			now := time.Now()
			p.machine.Detach(now)
			p.interrupt(now, err)
		}
	}
	p.state &^= isWriting
	isLost := p.has(isPosted) && p.receiver == nil // a wake of the receiver that has ended
	p.arm()
	p.mu.Unlock()
	scratches.put(scratch)
	if isLost {
		p.server.workers.add(p)
	}
}

// delivery holds the messages of one request.
type delivery struct {
	batch    *frames.Batch
	next     int // the message to hand on
	exchange httpcarrier.Exchange
	fields   fields
	isJSONP  bool
}

// answer ends the request.
func (d *delivery) answer(status int) {
	var body []byte
	switch {
	case status == http.StatusNoContent && d.isJSONP:
		status, body = http.StatusOK, []byte("ok") // an old browser did strange things on 204
	case status == http.StatusNotFound:
		body = []byte(notFoundText)
	case status >= http.StatusInternalServerError:
		body = []byte(http.StatusText(status) + "\n")
	}
	_ = d.exchange.Respond(status, d.fields, body) // an error says that the client has gone
	batches.put(d.batch)
	d.batch = nil
}
