package transport

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/driver"
)

// modelWire carries a conversation between a server and a modelClient, byte by byte.
//
//	client ─► up   ─► receive, deliver ─► conversation
//	client ◄─ down ◄─ effects          ◄─ turn
type modelWire struct {
	r      *recoveryRun
	client *modelClient
	kind   wireKind
	node   int
	c      *conversation
	woken  atomic.Bool

	carried *carriedWire // instead of c, over a network

	up   [][]byte // sent by the client and not received
	down []byte   // sent by the server and not received

	isRefused bool // by the status of a response
	isEnded   bool // the server has said all that it is going to
	isGone    bool // the server knows that it is over
	isCut     bool // the client has gone
	wroteAt   time.Time
}

type wireKind uint8

const (
	wireSocket wireKind = iota
	wireEvents
	wireLines
	wirePoll
	wireKinds
)

func (k wireKind) String() string { return [...]string{"socket", "events", "lines", "poll"}[k] }

func (r *recoveryRun) dialectOf(kind wireKind) *dialect.Session {
	switch kind {
	case wireSocket:
		return dialect.NewSession(&r.transport.sessions)
	case wireEvents:
		return dialect.NewSessionEvents(&r.transport.sessions)
	case wireLines:
		return dialect.NewSessionLines(&r.transport.sessions)
	}
	return dialect.NewSessionPoll(&r.transport.sessions, 10*time.Second)
}

// open begins a conversation with commands, connect first.
func (r *recoveryRun) open(client *modelClient, kind wireKind, commands []byte) *modelWire {
	w := &modelWire{r: r, client: client, kind: kind, node: r.node}
	if r.carried != nil {
		r.carried.open(w, commands)
		return w
	}
	d := r.dialectOf(kind)
	var v *visitor
	if r.isGuarded {
		v = r.guard.visit(client.user)
	}
	if kind == wireSocket {
		w.up = append(w.up, commands)
	} else {
		d.SetContent(commands)
	}
	w.begin(d, v.linked(&link{}))
	return w
}

// goOn is a request for a session that exists. It returns nil if there is none.
func (r *recoveryRun) goOn(client *modelClient, kind wireKind, id, secret string, ack uint64) *modelWire {
	if r.carried != nil {
		w := &modelWire{r: r, client: client, kind: kind, node: r.node}
		r.carried.goOn(w, id, secret, ack)
		return w
	}
	seat := r.transport.findSeat(id, secret)
	if seat == nil {
		return nil
	}
	w := &modelWire{r: r, client: client, kind: kind, node: r.node}
	d := r.dialectOf(kind)
	d.Acknowledge(ack)
	w.begin(d, (*visitor)(nil).linked(&link{wants: seat}))
	return w
}

func (w *modelWire) begin(d dialect.Dialect, v *visitor) {
	w.c = &conversation{t: w.r.transport, dialect: d, wake: func() { w.woken.Store(true) }, visitor: v}
	m := scratches.Get().(*scratch)
	w.c.begin(m)
	w.apply(m)
	w.client.wires = append(w.client.wires, w)
}

// post hands commands to a session by a request of its own. It reports whether the
// session is there.
func (r *recoveryRun) post(id, secret string, commands []byte) bool {
	if r.carried != nil {
		return r.carried.post(id, secret, commands)
	}
	seat := r.transport.findSeat(id, secret)
	if seat == nil {
		return false
	}
	d := dialect.NewDeliver()
	d.SetContent(commands)
	c := &conversation{t: r.transport, dialect: d, visitor: (*visitor)(nil).linked(&link{wants: seat, delivers: true})}
	c.wake = func() {}
	m := scratches.Get().(*scratch)
	defer m.recycle()
	c.begin(m)
	c.take(m)
	answer := m.effects.Answer
	c.close()
	if answer == nil {
		r.failf("commands by POST have no answer")
		return false
	}
	return answer.Err == nil
}

// stray is a request that comes when its client does not expect it any more.
type stray struct {
	client     *modelClient
	id, secret string
	commands   []byte // nil for a poll
	ack        uint64
}

func (r *recoveryRun) arrive(s stray) {
	if s.commands != nil {
		r.notef("%s: a late POST: %s", s.client.user, s.commands)
		r.post(s.id, s.secret, s.commands)
		return
	}
	r.notef("%s: a late poll with ack %d", s.client.user, s.ack)
	s.client.mustResume = false // if it waits for the session, this one is before it
	if w := r.goOn(s.client, wirePoll, s.id, s.secret, s.ack); w != nil {
		w.cut()
	}
}

// turn has the server send what the session is owed.
func (w *modelWire) turn() (any bool) {
	if w.carried != nil {
		return w.carried.take(w)
	}
	if w.isEnded || w.isGone || len(w.down) > w.r.backlogMax && !w.c.mustAttend() {
		return false
	}
	m := scratches.Get().(*scratch)
	now := time.Now()
	if w.woken.Swap(false) {
		any = true
		w.c.take(m)
	}
	if at := w.c.dialect.Deadline(); m.effects.Closing == nil && !at.IsZero() && !now.Before(at) {
		w.c.expire(now, m)
	}
	w.apply(m)
	return any
}

// receive has the server receive one message of a socket.
func (w *modelWire) receive() (any bool) {
	if len(w.up) == 0 || w.isEnded || w.isGone || w.c != nil && w.c.isBusy() {
		return false
	}
	message := w.up[0]
	w.up = w.up[1:]
	if w.carried != nil {
		w.carried.say(message)
		return true
	}
	m := scratches.Get().(*scratch)
	w.c.receive(false, message, m)
	w.apply(m)
	return true
}

func (w *modelWire) apply(m *scratch) {
	defer m.recycle()
	e := &m.effects
	if e.Answer != nil && e.Answer.Err != nil {
		w.isRefused = true
	}
	for _, frame := range e.Frames {
		w.wroteAt = time.Now()
		w.down = append(w.down, frame...)
	}
	if e.Closing != nil && !w.isEnded {
		w.isEnded = true
		w.c.leavePresence()
		if !w.r.isOne(4) {
			w.hangUp() // the response is complete
		}
	}
}

// hangUp has the server know that the carrier is no more.
func (w *modelWire) hangUp() {
	if w.isGone {
		return
	}
	w.isGone, w.isEnded = true, true
	if w.carried != nil {
		w.carried.close()
	} else {
		w.c.close()
	}
	w.forget()
}

// goodbye closes a WebSocket in good order.
func (w *modelWire) goodbye() {
	if w.carried != nil {
		w.carried.goodbye()
		w.isCut = true
		w.hangUp()
		return
	}
	w.c.saidGoodbye(&driver.CloseError{Code: 1000, Sent: 1000})
	w.isCut = true
	w.hangUp()
}

// cut has the client go away. The server does not know it yet.
func (w *modelWire) cut() {
	w.isCut = true
	w.down, w.up = nil, nil
	if w.carried != nil {
		w.hangUp()
	}
	w.forget()
}

// forget takes a wire out of those of its client that is over for both.
func (w *modelWire) forget() {
	if w.isGone && w.isCut {
		w.client.wires = slices.DeleteFunc(w.client.wires, func(o *modelWire) bool { return o == w })
	}
}

// nextFrame returns the payload of the first frame of a server, and what is behind it.
func nextFrame(b []byte) (payload, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, b, false
	}
	n, head := int(b[1]), 2
	switch {
	case n == 126 && len(b) >= 4:
		n, head = int(b[2])<<8|int(b[3]), 4
	case n == 127 && len(b) >= 10:
		n, head = int(b[6])<<24|int(b[7])<<16|int(b[8])<<8|int(b[9]), 10
	case n >= 126:
		return nil, b, false
	}
	if len(b) < head+n {
		return nil, b, false
	}
	return b[head : head+n], b[head+n:], true
}
