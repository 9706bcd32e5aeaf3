package hub

import (
	"errors"
	"maps"
	"slices"
)

// Call asks the answerer of c.Method, see Call. It keeps c.Data. The outcome has the
// Answer, or as its error a *MethodError, one of the payload, ErrNegativeTimeout,
// ErrNoMethod, ErrCallTimeout, ErrCanceled, ErrTooManyCalls, ErrAnswererGone,
// ErrAnswererFailed, ErrShutdown, ErrClosed, a *CallError, which is the answerer's own, or
// an *access.Refusal. An answer to a call without a tag is dropped.
//
// A call that waits for its answer counts for IsBusy like any command.
func (s *Session) Call(tag uint64, c Call) {
	h := s.hub
	under := command{tag: tag, kind: CommandCall}
	if err := h.checkCall(&c); err != nil {
		s.answer(under, Outcome{Err: err})
		return
	}
	if !s.handIn() {
		return
	}
	open := newCall(c)
	open.session, open.tag, open.incoming.Session = s, tag, s.id
	open.done = func(a Answer, err error) {
		o := Outcome{Err: err}
		if err == nil {
			o.Answer = &a
		}
		s.complete(under, o)
	}
	open.incoming.setCaller(s.Identity())
	s.lock()
	rpc := s.needRPC()
	if under.isCall = rpc.calls < h.options.RPC.SessionOpenMax; under.isCall {
		rpc.calls++
	}
	s.mu.Unlock()
	if !under.isCall {
		h.exchange.settle(open, Answer{}, ErrTooManyCalls)
		return
	}
	h.exchange.begin(open, c.Timeout)
	s.leaveIfClosed()
}

// CancelCall gives up the oldest of the session's calls with a tag that has no outcome
// yet. Its outcome is ErrCanceled, and its answerer is told. CancelCall returns false
// if there is none. It is no command: it has no outcome of its own.
func (s *Session) CancelCall(tag uint64) bool {
	x := s.hub.exchange
	x.mu.Lock()
	var open *openCall
	if p, ok := x.parties.Get(s); ok {
		if i := slices.IndexFunc(p.asked, func(c *openCall) bool { return c.tag == tag }); i >= 0 {
			open = p.asked[i]
		}
	}
	x.mu.Unlock()
	return open != nil && x.finish(open, Answer{}, ErrCanceled)
}

// IsAnswering reports whether the session has registered for any methods.
func (s *Session) IsAnswering() bool {
	x := s.hub.exchange
	x.mu.Lock()
	defer x.mu.Unlock()
	p, ok := x.parties.Get(s)
	return ok && len(p.registrations) > 0
}

// Register has the session answer the methods that pattern matches, see Call and
// access.Pattern: it is given calls as Push.Call, and answers each with AnswerCall or
// FailCall. Where several sessions have registered for a pattern, each call goes to the
// session with the fewest open calls, in turn among equals. Its outcome is an error or
// nothing: a *MethodError, an *OptionError, ErrRegistered or ErrTooManyRegistrations.
//
// The edge decides which sessions may register. A session that answers sees what others
// ask.
func (s *Session) Register(tag uint64, pattern string, o RegisterOptions) {
	if !s.handIn() {
		return
	}
	s.lock()
	s.needRPC()
	s.mu.Unlock()
	err := s.hub.exchange.register(s, pattern, o)
	s.complete(command{tag: tag, kind: CommandRegister}, Outcome{Err: err})
	s.leaveIfClosed()
	if o := s.hub.options.Observer; err == nil && o != nil && o.Registered != nil {
		o.Registered(s, pattern)
	}
}

// Unregister ends a registration. Calls that the session has by it are still to be
// answered. The outcome is ErrNotRegistered if there is none.
func (s *Session) Unregister(tag uint64, pattern string) {
	s.answer(command{tag: tag, kind: CommandUnregister}, Outcome{Err: s.hub.exchange.unregister(s, pattern)})
}

// Methods lists the patterns for which the session has registered, sorted.
func (s *Session) Methods() []string {
	x := s.hub.exchange
	x.mu.Lock()
	defer x.mu.Unlock()
	p, ok := x.parties.Get(s)
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(p.registrations))
}

// Registrations are the patterns for which the session has registered, and how; nil for
// none. The map is the caller's.
func (s *Session) Registrations() map[string]RegisterOptions {
	x := s.hub.exchange
	x.mu.Lock()
	defer x.mu.Unlock()
	p, ok := x.parties.Get(s)
	if !ok || len(p.registrations) == 0 {
		return nil
	}
	m := make(map[string]RegisterOptions, len(p.registrations))
	for pattern, r := range p.registrations {
		m[pattern] = RegisterOptions{ConcurrentMax: r.max}
	}
	return m
}

// AnswerCall answers a call that the session was given; id is that of the
// IncomingCall. It keeps a.Data. The outcome is ErrNoCall when the call is over, or one
// of the errors of a payload: the call is open then, and may be answered again.
func (s *Session) AnswerCall(tag, id uint64, a Answer) {
	err := s.hub.checkPayload(a.Kind, a.Data, s.hub.options.PublicationBytesMax)
	if err == nil {
		err = s.hub.exchange.answerAs(s, id, a, nil)
	}
	s.answer(command{tag: tag, kind: CommandAnswer}, Outcome{Err: err})
}

// FailCall answers a call with an error. It is like AnswerCall; where e cannot be used
// the outcome wraps ErrCallError.
func (s *Session) FailCall(tag, id uint64, e CallError) {
	err := e.check(s.hub.options.PublicationBytesMax)
	if err == nil {
		err = s.hub.exchange.answerAs(s, id, Answer{}, &e)
	}
	s.answer(command{tag: tag, kind: CommandAnswer}, Outcome{Err: err})
}

func (x *exchange) register(s *Session, pattern string, o RegisterOptions) error {
	err := x.registerHere(s, pattern, o)
	if err == nil {
		x.tellElsewhere(1, pattern)
	}
	return err
}

func (x *exchange) registerHere(s *Session, pattern string, o RegisterOptions) error {
	if err := checkMethodPattern(pattern); err != nil {
		return err
	}
	most := x.hub.options.RPC
	if err := resolve("ConcurrentMax", &o.ConcurrentMax, DefaultConcurrentMax); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	p := x.party(s)
	switch {
	case p.registrations[pattern] != nil:
		return ErrRegistered
	case len(p.registrations) >= most.RegistrationsMax:
		return ErrTooManyRegistrations
	}
	r := &registration{session: s, pattern: pattern, max: min(o.ConcurrentMax, most.AnswererOpenMax)}
	p.registrations[pattern] = r
	found := x.sessions.get(pattern)
	if found == nil {
		found = &answerers{}
		x.sessions.set(pattern, found)
	}
	found.add(r)
	x.registered++
	return nil
}

func (x *exchange) unregister(s *Session, pattern string) error {
	x.mu.Lock()
	p, ok := x.parties.Get(s)
	if !ok || p.registrations[pattern] == nil {
		x.mu.Unlock()
		return ErrNotRegistered
	}
	x.forget(p, p.registrations[pattern])
	x.tidy(s, p)
	x.mu.Unlock()
	x.tellElsewhere(-1, pattern)
	return nil
}

// unregisterAll ends the registrations of a session, and returns for what they were; mu is
// held.
func (x *exchange) unregisterAll(s *Session) (patterns []string) {
	p, ok := x.parties.Get(s)
	if !ok {
		return nil
	}
	for pattern, r := range p.registrations {
		patterns = append(patterns, pattern)
		x.forget(p, r)
	}
	x.tidy(s, p)
	return patterns
}

// forget ends a registration; mu is held.
func (x *exchange) forget(p *party, r *registration) {
	delete(p.registrations, r.pattern)
	found := x.sessions.get(r.pattern)
	found.remove(r)
	r.place = -1
	if found.Len() == 0 {
		x.sessions.remove(r.pattern)
	}
	x.registered--
}

// setStalled notes whether a session takes its calls; mu is held.
func (x *exchange) setStalled(s *Session, isStalled bool) {
	if p, ok := x.parties.Get(s); ok {
		for _, r := range p.registrations {
			r.isStalled = isStalled
			x.reorder(r)
		}
	}
}

// resume lets a session be given calls again.
func (x *exchange) resume(s *Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.setStalled(s, false)
}

// answerAs gives a call the outcome that a session says.
func (x *exchange) answerAs(s *Session, id uint64, a Answer, failed *CallError) error {
	x.mu.Lock()
	c, ok := x.open.Get(id)
	ok = ok && c.given != nil && c.given.session == s
	x.mu.Unlock()
	var err error // no *CallError that is nil
	if failed != nil {
		err = failed
	}
	if !ok || !x.finishAs(c, a, err, true) {
		return ErrNoCall
	}
	return nil
}

// sessionRPC is what a session itself knows of calls. It is guarded by Session.mu.
type sessionRPC struct {
	calls     int  // without an outcome that was taken
	owed      int  // CallPushes in the queue
	owedBytes int  // of their payloads
	isStalled bool // a call was refused since the queue was empty
}

// needRPC returns what the session knows of calls; s.mu is held.
func (s *Session) needRPC() *sessionRPC {
	under := s.needCommands()
	if under.rpc == nil {
		under.rpc = &sessionRPC{}
	}
	return under.rpc
}

// leaveIfClosed tells the exchange once more that the session was closed, which may have
// been before the exchange knew of it.
func (s *Session) leaveIfClosed() {
	s.lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		s.hub.exchange.leave(s)
	}
}

// Why a session is not given a call.
var (
	errStalled = errors.New("hub: the session does not take what it is given")
	errOver    = errors.New("hub: the session is over")
)

// offerCall queues a call, unless the session is over or so many wait to be taken that
// it does not seem to answer: as many, or as long, as publications may wait.
func (s *Session) offerCall(c *IncomingCall) (*owed, error) {
	s.lock()
	if s.ended != endNot {
		s.mu.Unlock()
		return nil, errOver
	}
	rpc, most := s.needRPC(), &s.hub.options
	if rpc.owed > 0 && (rpc.owed >= most.QueueCountMax || rpc.owedBytes+len(c.Data) > most.QueueBytesMax) {
		rpc.isStalled = true
		s.mu.Unlock()
		return nil, errStalled
	}
	q := s.pushCall(&CallPush{ID: c.ID, Incoming: c})
	wake := s.claimWake()
	s.mu.Unlock()
	if wake {
		s.wake()
	}
	return q, nil
}

// pushCall queues news of a call; s.mu is held.
func (s *Session) pushCall(p *CallPush) *owed {
	rpc := s.needRPC()
	rpc.owed++
	if p.Incoming != nil {
		rpc.owedBytes += len(p.Incoming.Data)
	}
	q := &owed{Push: Push{Call: p}}
	s.ensureQueue()
	s.queue = append(s.queue, queued{other: q})
	return q
}

// withdrawCall tells the session that a call needs no answer, or sees to it that it never
// hears of the call. A session has no more notices in its queue than calls that it has
// taken, which RegisterOptions bounds.
func (s *Session) withdrawCall(q *owed, why error) {
	s.lock()
	wake := false
	switch p := q.Call; {
	case s.ended != endNot:
	case !q.isTaken:
		s.needRPC().owedBytes -= len(p.Incoming.Data)
		q.Call, q.isWithdrawn = nil, true
	default:
		s.pushCall(&CallPush{ID: p.ID, Over: why})
		wake = s.claimWake()
	}
	s.mu.Unlock()
	if wake {
		s.wake()
	}
}

// takeCall appends news of a call, unless it was withdrawn; s.mu is held.
func (s *Session) takeCall(q *owed, dst []Push) []Push {
	rpc := s.commands.rpc
	rpc.owed--
	if q.isWithdrawn {
		return dst
	}
	q.isTaken = true
	if c := q.Call.Incoming; c != nil {
		rpc.owedBytes -= len(c.Data)
	}
	return append(dst, q.Push)
}

// noteCall notes that the outcome of a call was taken, or never will be; s.mu is held.
func (s *Session) noteCall(isCall bool) {
	if isCall && s.commands != nil && s.commands.rpc != nil {
		s.commands.rpc.calls--
	}
}

// isStalled reports whether a call was refused that may be given now.
func (s *Session) isStalled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commands != nil && s.commands.rpc != nil && s.commands.rpc.isStalled
}

// takeStalled reports whether calls may be given again that were refused; s.mu is held.
func (s *Session) takeStalled() bool {
	if s.commands == nil || s.commands.rpc == nil || !s.commands.rpc.isStalled || s.commands.rpc.owed > 0 {
		return false
	}
	s.commands.rpc.isStalled = false
	return true
}
