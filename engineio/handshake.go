package engineio

import (
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
)

// decideTimeout is how long Options.Allow may take.
const decideTimeout = 10 * time.Second

// decision is a verdict that may come later.
type decision struct {
	mu      sync.Mutex // guards what follows
	verdict Verdict
	isMade  bool
	then    func() // called when it is made
}

// decide makes the decision. Only the first counts.
func (d *decision) decide(v Verdict) {
	d.mu.Lock()
	if d.isMade {
		d.mu.Unlock()
		return
	}
	d.verdict, d.isMade = v, true
	then := d.then
	d.then = nil
	d.mu.Unlock()
	if then != nil {
		then()
	}
}

// made returns the verdict, if there is one.
func (d *decision) made() (Verdict, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.verdict, d.isMade
}

// await has f called when the decision is made, at once if it is.
func (d *decision) await(f func()) {
	d.mu.Lock()
	isMade := d.isMade
	if !isMade {
		d.then = f
	}
	d.mu.Unlock()
	if isMade {
		f()
	}
}

// opening is a handshake over polling: the first GET of its session.
type opening struct {
	server   *Server
	decision *decision
	version  int
	base64   bool
	fields   []byte
	due      time.Time // of the decision
	socket   *Socket   // once it is decided
	isOver   bool      // it was answered, or its client has gone
}

// OnBody begins the session, or waits for the decision.
func (o *opening) OnBody(x httpcarrier.Exchange, _ []byte) {
	if v, ok := o.decision.made(); ok {
		o.decided(x, v)
		return
	}
	o.due = time.Now().Add(decideTimeout)
	x.WakeAt(o.due)
	o.decision.await(x.Wake)
}

// OnWake begins the session if that is decided.
func (o *opening) OnWake(x httpcarrier.Exchange) {
	if o.isOver {
		return
	}
	if v, ok := o.decision.made(); ok {
		o.decided(x, v)
	} else if !time.Now().Before(o.due) {
		o.abandon()
		o.server.refuse(x, problemUndecided, o.fields)
	}
}

// abandon says that there will be no session, whatever is decided.
func (o *opening) abandon() {
	o.isOver = true
	o.decision.await(func() {
		v, _ := o.decision.made()
		v.abandon()
	})
}

func (o *opening) decided(x httpcarrier.Exchange, v Verdict) {
	o.isOver = true
	if wrong := v.problem(); wrong != nil {
		o.server.refuse(x, wrong, o.fields)
		return
	}
	s := o.server.newSocket(o.version, o.base64, v.Value)
	s.polling = &polling{remote: x.RemoteAddr()}
	s.mu.Lock()
	if !o.server.table.add(s, Polling) {
		s.mu.Unlock()
		v.abandon()
		o.server.refuse(x, problemFull, o.fields)
		return
	}
	var fx session.Effects
	s.session.Start(o.server.now(), s.SID(), false, &fx)
	s.inTurn = true
	s.mu.Unlock()
	o.socket = s
	fields := append(appendHeader(nil, v.Header), o.fields...)
	if c := o.server.options.Cookie; c != nil {
		own := *c
		own.Value = s.SID()
		fields, _ = engine.AppendField(fields, "Set-Cookie", own.String()) // the options were judged
	}
	if !s.open() {
		o.server.refuse(x, problemSID, o.fields)
		return
	}
	s.mu.Lock()
	wrong := s.poll(o.server.now(), x, fields)
	if wrong == nil {
		s.polling.fields = o.fields
	}
	s.mu.Unlock()
	if wrong != nil {
		o.server.refuse(x, wrong, o.fields)
	}
	s.leave()
}

// OnTooLarge refuses a GET with content.
func (o *opening) OnTooLarge(x httpcarrier.Exchange, _ int64) {
	o.abandon()
	o.server.refuse(x, problemRequest, o.fields)
}

// OnDrain does nothing: nothing is streamed.
func (o *opening) OnDrain(httpcarrier.Exchange) {}

// OnEnd ends the session, as its client has gone.
func (o *opening) OnEnd(x httpcarrier.Exchange, err error) {
	switch {
	case !o.isOver:
		o.abandon()
	case err != nil && o.socket != nil:
		o.socket.pollLost(x)
	}
}

// newSocket returns a session that has not begun.
func (s *Server) newSocket(version int, base64 bool, value any) *Socket {
	return &Socket{server: s, id: s.newSID(), session: session.New(&s.settings, version, base64), value: value, wakeAt: session.Never}
}

// admit decides about an opening handshake.
func (s *Server) admit(head *httpcarrier.Request) httpcarrier.Admission {
	a, wrong := s.ask(head)
	if wrong != nil {
		return s.refusal(wrong)
	}
	if a.socket != nil {
		return httpcarrier.Admission{Handler: (*link)(a.socket), Limits: s.limits}
	}
	d, version, base64 := s.judge(&a), a.version, a.base64
	if v, ok := d.made(); ok {
		return s.admission(&v, version, base64)
	}
	return httpcarrier.Admission{PendingTimeout: decideTimeout, Pending: func(decide func(httpcarrier.Admission)) {
		d.await(func() {
			v, _ := d.made()
			decide(s.admission(&v, version, base64))
		})
	}}
}

// admission is what a verdict about an opening handshake makes of it.
func (s *Server) admission(v *Verdict, version int, base64 bool) httpcarrier.Admission {
	if wrong := v.problem(); wrong != nil {
		return s.refusal(wrong)
	}
	socket, abandoned := s.newSocket(version, base64, v.Value), v.Abandoned
	if !s.table.add(socket, WebSocket) {
		v.abandon()
		return s.refusal(problemFull)
	}
	return httpcarrier.Admission{Handler: (*link)(socket), Limits: s.limits, Fields: v.Header, Abandoned: func() {
		s.table.forget(socket)
		if abandoned != nil {
			abandoned()
		}
	}}
}
