package session

import (
	"errors"
	"time"

	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

// Limits are the limits of many machines. All are positive.
type Limits struct {
	Heartbeat        time.Duration
	DisconnectDelay  time.Duration
	ResponseLimit    int
	QueueMessagesMax int
	QueueBytesMax    int
}

// Phase is how far a session is.
type Phase uint8

// The phases.
const (
	Undecided Phase = iota // the client waits to be told that it is open
	Open
	Closed // every receiver is told so
	Over   // nobody asks any more, and the name may be used anew
)

// Errors of Push.
var (
	ErrClosed = errors.New("session: it is not open")
	ErrFull   = errors.New("session: too much waits")
)

// Machine is a session. Init begins it.
type Machine struct {
	limits   *Limits
	queue    []byte // messages as JSON strings, with commas between them
	count    int    // of them
	farewell []byte // the close frame, nil before Closed
	idle     time.Time
	last     time.Time     // when the receiver was attached, or sent something
	format   frames.Format // of the receiver
	room     int           // bytes until its response ends
	phase    Phase
	attached bool // there is a receiver
	begun    bool // it has had its prelude
	accepted bool // the client is to be told that it is open
	greeted  bool // it was
	beat     bool // a heartbeat is due
}

// Init begins a session that nobody receives yet.
func (m *Machine) Init(l *Limits, now time.Time) { *m = Machine{limits: l, idle: now} }

// Phase returns how far the session is.
func (m *Machine) Phase() Phase { return m.phase }

// IsAccepted reports whether the session is or was open.
func (m *Machine) IsAccepted() bool { return m.accepted }

// IsAttached reports whether there is a receiver.
func (m *Machine) IsAttached() bool { return m.attached }

// Count returns how many messages wait.
func (m *Machine) Count() int { return m.count }

// Queued returns how many bytes of messages wait.
func (m *Machine) Queued() int { return len(m.queue) }

// Farewell returns the close frame, nil before Closed.
func (m *Machine) Farewell() []byte { return m.farewell }

// HasOnlyFarewell reports whether every receiver is told the same from now on: that the
// session is closed.
func (m *Machine) HasOnlyFarewell() bool {
	return m.phase == Closed && len(m.queue) == 0 && !m.attached && m.accepted == m.greeted
}

// Attach makes a response the receiver. It returns false if there is another one, or the
// session is over.
func (m *Machine) Attach(now time.Time, f frames.Format) bool {
	if m.attached || m.phase == Over {
		return false
	}
	m.attached, m.begun, m.beat = true, false, false
	m.format, m.room, m.last = f, m.limits.ResponseLimit, now
	return true
}

// Touch says that a client has asked, and was told the farewell.
func (m *Machine) Touch(now time.Time) { m.idle = now }

// Detach says that the receiver has gone before its response was complete.
func (m *Machine) Detach(now time.Time) {
	if m.attached {
		m.attached, m.idle = false, now
	}
	m.Interrupt(now)
}

// Interrupt says that a response did not reach the client. Something may be lost, so the
// session is closed.
func (m *Machine) Interrupt(now time.Time) {
	if m.phase < Closed {
		m.Close(now, 1002, "Connection interrupted")
		m.Drop()
		m.greeted = m.accepted // too late
	}
}

// Accept opens the session.
func (m *Machine) Accept() {
	if m.phase == Undecided {
		m.phase, m.accepted = Open, true
	}
}

// Push lets a message wait, which is valid UTF-8. It returns ErrClosed, or ErrFull, which
// has closed nothing yet. One message may always wait.
func (m *Machine) Push(message []byte) error {
	if m.phase <= Open && m.count > 0 && (m.count >= m.limits.QueueMessagesMax || len(m.queue)+len(message) >= m.limits.QueueBytesMax) {
		return ErrFull
	}
	return m.PushMore(message)
}

// PushMore is Push for a message that came together with another that was pushed: it is never
// too much.
func (m *Machine) PushMore(message []byte) error {
	if m.phase > Open {
		return ErrClosed
	}
	if m.count > 0 {
		m.queue = append(m.queue, ',')
	}
	m.queue = frames.AppendString(m.queue, message)
	m.count++
	return nil
}

// Close ends the session with code and reason, behind the waiting messages. It returns
// false if it has ended before.
func (m *Machine) Close(now time.Time, code uint16, reason string) bool {
	if m.phase > Open {
		return false
	}
	if m.phase == Undecided {
		m.Drop() // it was never open
	}
	m.phase, m.farewell = Closed, frames.AppendClose(nil, code, reason)
	if !m.attached {
		m.idle = now // for as long again the client may ask
	}
	return true
}

// Drop forgets the waiting messages: the client would miss something before it.
func (m *Machine) Drop() { m.queue, m.count = nil, 0 }

// HasNext reports whether Next has something.
func (m *Machine) HasNext() bool {
	switch {
	case !m.attached:
		return false
	case !m.begun && !m.format.IsSingle():
		return true
	case m.phase == Undecided:
		return false
	}
	return m.accepted && !m.greeted || len(m.queue) > 0 || m.phase == Closed || m.beat
}

// Next appends the next data for the receiver, as one piece: the prelude, or a frame
// in its format. Nothing is appended when there is nothing. isLast says that the response
// ends behind it; the receiver is gone then.
func (m *Machine) Next(dst []byte, now time.Time) (out []byte, isLast bool) {
	if !m.attached {
		return dst, false
	}
	if !m.begun {
		m.begun = true
		if out = m.format.AppendPrelude(dst); len(out) > len(dst) {
			return out, false
		}
	}
	size := len(dst)
	switch {
	case m.phase == Undecided:
		return dst, false
	case m.accepted && !m.greeted:
		m.greeted = true
		dst = m.format.Append(dst, []byte(frames.Open))
	case len(m.queue) > 0:
		dst = m.format.Append(dst, frames.AppendMessages(make([]byte, 0, len(m.queue)+3), m.queue))
		m.queue, m.count = recycled(m.queue), 0
	case m.phase == Closed:
		dst = m.format.Append(dst, m.farewell)
		isLast = true
	case m.beat:
		dst = m.format.Append(dst, []byte(frames.Heartbeat))
	default:
		return dst, false
	}
	m.last, m.beat = now, false
	m.room -= len(dst) - size
	if isLast = isLast || m.room <= 0 || m.format.IsSingle(); isLast {
		m.attached, m.idle = false, now
	}
	return dst, isLast
}

// queueKeptBytes is the largest memory of a queue that is kept for the next messages.
const queueKeptBytes = 1 << 10

// recycled is the memory of a queue, if it is worth keeping.
func recycled(queue []byte) []byte {
	if cap(queue) > queueKeptBytes {
		return nil
	}
	return queue[:0]
}

// Deadline is when Expire is to be called, the zero time for never. It moves with what
// happens.
func (m *Machine) Deadline() time.Time {
	switch {
	case m.phase == Over, m.attached && (m.beat || m.phase != Open):
		return time.Time{}
	case m.attached:
		return m.last.Add(m.limits.Heartbeat)
	}
	return m.idle.Add(m.limits.DisconnectDelay)
}

// Expire acts on a passed deadline: Next has a heartbeat, or the session is Over.
func (m *Machine) Expire(now time.Time) {
	deadline := m.Deadline()
	switch {
	case deadline.IsZero() || now.Before(deadline):
	case m.attached:
		m.beat = true
	default:
		m.phase = Over
		m.Drop()
	}
}
