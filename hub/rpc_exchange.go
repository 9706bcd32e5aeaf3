package hub

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// exchange puts calls through to their answerers.
//
//	begin ─► open ─► handler or session ─► finish ─► outcome
//	           └── canceled, deadline, one of them gone ──↗ └─► the answerer is told
//
// finish takes a call out of open under mu, so each is finished once, in any order of
// events.
type exchange struct {
	hub       *Hub
	elsewhere Elsewhere       // nil: there are no other nodes
	ctx       context.Context // of handlers; ends with the hub
	cancel    context.CancelFunc
	wg        sync.WaitGroup // of handlers that run

	mu         sync.Mutex // guards what follows
	closed     bool
	open       shrinkmap.Map[uint64, *openCall]
	methods    shrinkmap.Map[string, int] // how many are open
	parties    shrinkmap.Map[*Session, *party]
	lastID     uint64
	turn       uint64 // ascends with each call that a session is given
	running    int    // handlers of Hub.Handle
	registered int    // registrations of sessions
	handlers   routes[handler]
	sessions   routes[answerers]
	due        deadlines
	timer      *time.Timer // nil until there was a call
	timerAt    time.Time   // when it fires; zero if it does not run
}

// party is what the exchange knows of a session.
type party struct {
	asked         []*openCall // that it waits for, the oldest first
	answering     map[*openCall]struct{}
	registrations map[string]*registration
}

// openCall is a call without an outcome.
type openCall struct {
	incoming IncomingCall
	began    time.Time
	done     func(Answer, error) // called once, without a lock

	session *Session // that asks; nil if none does
	tag     uint64   // of its command

	// What follows is guarded by exchange.mu.
	over      error         // why it is over without an answer
	isOver    bool          // it has its outcome
	place     int           // in exchange.due
	by        Answerer      // the answerer that has it
	given     *registration // the session's registration, if a session has it
	owed      *owed         // the push by which it was given; nil until it was
	withdrawn func()        // tells a handler that it is over; nil until it can be told
}

func newExchange(h *Hub) *exchange {
	x := &exchange{hub: h}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	// A process that takes over the sessions of another one counts on from elsewhere, so
	// an answer that comes late is not one to another call. JavaScript counts to 2⁵³.
	x.lastID = rand.Uint64N(1 << 48)
	return x
}

// newCall returns a call that was checked. It has no done yet.
func newCall(c Call) *openCall {
	return &openCall{
		incoming: IncomingCall{Method: c.Method, Kind: c.Kind, Data: c.Data, Trace: c.Trace, Session: c.Session, OnlyHere: c.OnlyHere},
		began:    time.Now(),
		place:    -1,
		by:       NoAnswerer,
	}
}

// begin puts a call through.
func (x *exchange) begin(c *openCall, timeout time.Duration) {
	c.incoming.Deadline = c.began.Add(timeout)
	x.mu.Lock()
	if err := x.admit(c); err != nil {
		c.isOver = true // the caller may cancel it all the same
		x.mu.Unlock()
		x.settle(c, Answer{}, err)
		return
	}
	if handler := x.handlers.find(c.incoming.Method); handler != nil {
		c.by = HandlerAnswerer
		if handler.run != nil && x.running >= x.hub.options.RPC.HandlersMax {
			x.mu.Unlock()
			x.finish(c, Answer{}, ErrTooManyCalls)
			return
		}
		if handler.run != nil {
			x.running++
			x.wg.Add(1)
		}
		x.mu.Unlock()
		x.hand(handler, c)
		return
	}
	x.mu.Unlock()
	x.give(c)
}

// admit makes a call an open one, or says why it cannot be; mu is held.
func (x *exchange) admit(c *openCall) error {
	method := c.incoming.Method
	n, _ := x.methods.Get(method)
	switch most := &x.hub.options.RPC; {
	case x.closed:
		return ErrClosed
	case x.open.Len() >= most.OpenMax, n >= most.MethodOpenMax:
		return ErrTooManyCalls
	}
	x.lastID++
	c.incoming.ID = x.lastID
	x.open.Set(c.incoming.ID, c)
	x.methods.Set(method, n+1)
	if c.session != nil {
		p := x.party(c.session)
		p.asked = append(p.asked, c)
	}
	heap.Push(&x.due, c)
	x.arm()
	return nil
}

// give gives a call to a session that has registered for it. A session that has ended,
// or does not take its calls, has not seen it, so another one can have it.
func (x *exchange) give(c *openCall) {
	for {
		x.mu.Lock()
		if c.isOver {
			x.mu.Unlock()
			return
		}
		found := x.sessions.find(c.incoming.Method)
		if found == nil {
			x.mu.Unlock()
			if !x.askElsewhere(c) {
				x.finish(c, Answer{}, ErrNoMethod)
			}
			return
		}
		c.by = SessionAnswerer
		r := found.next()
		if r == nil {
			x.mu.Unlock()
			x.finish(c, Answer{}, ErrTooManyCalls)
			return
		}
		x.turn++
		r.turn = x.turn
		r.open++
		found.fix(r)
		c.given = r
		x.party(r.session).answering[c] = struct{}{}
		x.mu.Unlock()

		pushed, refused := r.session.offerCall(&c.incoming)
		x.mu.Lock()
		if refused == nil {
			c.owed = pushed
			isUnanswered := c.over != nil
			x.mu.Unlock()
			if isUnanswered { // it was over before anybody could be told
				r.session.withdrawCall(pushed, c.over)
			}
			return
		}
		if c.given == r { // it is still open
			c.given = nil
			x.release(r, c)
		}
		var ended []string
		if refused == errStalled {
			x.setStalled(r.session, true)
		} else {
			ended = x.unregisterAll(r.session)
		}
		x.mu.Unlock()
		x.tellElsewhere(-1, ended...)
		if refused == errStalled && !r.session.isStalled() {
			x.resume(r.session) // it has taken meanwhile
		}
	}
}

// release notes that a registration has a call no more; mu is held.
func (x *exchange) release(r *registration, c *openCall) {
	r.open--
	if p, ok := x.parties.Get(r.session); ok {
		delete(p.answering, c)
		x.tidy(r.session, p)
	}
	x.reorder(r)
}

// reorder puts a registration where it belongs among the others; mu is held.
func (x *exchange) reorder(r *registration) {
	if found := x.sessions.get(r.pattern); found != nil && r.place >= 0 {
		found.fix(r)
	}
}

// finish gives a call its outcome, unless it has one. It reports whether it did.
func (x *exchange) finish(c *openCall, a Answer, err error) bool {
	return x.finishAs(c, a, err, false)
}

// finishAs is finish; with isAnswered a session or a handler has said what the outcome
// is, and need not be told.
func (x *exchange) finishAs(c *openCall, a Answer, err error, isAnswered bool) bool {
	x.mu.Lock()
	if c.isOver {
		x.mu.Unlock()
		return false
	}
	c.isOver = true
	method := c.incoming.Method
	x.open.Delete(c.incoming.ID)
	if n, _ := x.methods.Get(method); n > 1 {
		x.methods.Set(method, n-1)
	} else {
		x.methods.Delete(method)
	}
	if c.place >= 0 {
		heap.Remove(&x.due, c.place)
		c.place = -1
	}
	if p, ok := x.parties.Get(c.session); ok && c.session != nil {
		if i := slices.Index(p.asked, c); i >= 0 {
			p.asked = slices.Delete(p.asked, i, i+1)
		}
		x.tidy(c.session, p)
	}
	given, owed, withdrawn := c.given, c.owed, c.withdrawn
	if given != nil {
		if isAnswered {
			given.missed = 0
		} else {
			given.missed = min(given.missed+1, missedMax)
		}
		c.given = nil
		x.release(given, c)
	}
	if !isAnswered {
		c.over = err
	}
	x.mu.Unlock()
	if !isAnswered && owed != nil {
		given.session.withdrawCall(owed, err)
	}
	if !isAnswered && withdrawn != nil {
		withdrawn()
	}
	x.settle(c, a, err)
	return true
}

// settle tells the caller, and the observer.
func (x *exchange) settle(c *openCall, a Answer, err error) {
	if o := x.hub.options.Observer; o != nil && o.Called != nil {
		o.Called(c.by, err, time.Since(c.began))
	}
	c.done(a, err)
}

// arm has the timer fire when the first call is due; mu is held. It is not set later
// when that call is over: firing for nothing is cheaper than setting it with each
// call.
func (x *exchange) arm() {
	if len(x.due) == 0 || x.closed {
		return
	}
	first := x.due[0].incoming.Deadline
	if !x.timerAt.IsZero() && !first.Before(x.timerAt) {
		return
	}
	x.timerAt = first
	if x.timer == nil {
		x.timer = time.AfterFunc(time.Until(first), x.expire)
	} else {
		x.timer.Reset(time.Until(first))
	}
}

// expire is called by the timer.
func (x *exchange) expire() {
	var late []*openCall
	x.mu.Lock()
	x.timerAt = time.Time{}
	for now := time.Now(); len(x.due) > 0 && !now.Before(x.due[0].incoming.Deadline); {
		c := heap.Pop(&x.due).(*openCall)
		c.place = -1
		late = append(late, c)
	}
	x.arm()
	x.mu.Unlock()
	for _, c := range late {
		x.finish(c, Answer{}, ErrCallTimeout)
	}
}

// party returns the record of a session; mu is held.
func (x *exchange) party(s *Session) *party {
	p, ok := x.parties.Get(s)
	if !ok {
		p = &party{answering: make(map[*openCall]struct{}), registrations: make(map[string]*registration)}
		x.parties.Set(s, p)
	}
	return p
}

// tidy forgets a session that has nothing to do with calls any more; mu is held.
func (x *exchange) tidy(s *Session, p *party) {
	if len(p.asked) == 0 && len(p.answering) == 0 && len(p.registrations) == 0 {
		x.parties.Delete(s)
	}
}

// leave is called when a session was closed.
func (x *exchange) leave(s *Session) {
	x.mu.Lock()
	ended := x.unregisterAll(s)
	var asked, answering []*openCall
	if p, ok := x.parties.Get(s); ok {
		asked = slices.Clone(p.asked)
		for c := range p.answering {
			answering = append(answering, c)
		}
	}
	x.mu.Unlock()
	x.tellElsewhere(-1, ended...)
	for _, c := range asked {
		x.finish(c, Answer{}, ErrCallerGone)
	}
	for _, c := range answering {
		x.finish(c, Answer{}, ErrAnswererGone)
	}
}

// close finishes the open calls, and waits for the handlers of Hub.Handle.
func (x *exchange) close() {
	x.mu.Lock()
	x.closed = true
	if x.timer != nil {
		x.timer.Stop()
	}
	var open []*openCall
	for _, c := range x.open.All {
		open = append(open, c)
	}
	x.mu.Unlock()
	for _, c := range open {
		x.finish(c, Answer{}, ErrClosed)
	}
	x.cancel()
	x.wg.Wait()
}

func (x *exchange) stats() (calls, registrations, handlers int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open.Len(), x.registered, x.running
}
