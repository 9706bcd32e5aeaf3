package session

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Errors of answering.
var (
	// ErrUnregistered ends a Registration that is not wanted any more.
	ErrUnregistered = errors.New("the registration was given up")

	// ErrCallOver is the outcome of an answer that is not wanted any more.
	ErrCallOver = errors.New("no answer to the call is wanted any more")

	errSessionGone = errors.New("the session that was to answer is gone")
)

// Registration announces that the calls of a method, or of the methods that a pattern matches,
// are answered. The exported fields are set before Register, and not changed afterwards.
type Registration struct {
	Method      string // or a pattern
	Concurrency int    // how many calls the server gives at a time

	pattern  access.Pattern
	isWanted bool
	isThere  bool             // the server may know of it
	isSure   bool             // it does
	hasBegun bool             // Began was told
	asked    uint64           // the command, while it has no reply
	askedFor clientproto.Verb // what that is
	retryAt  time.Time
}

// Call is a question that is to be answered.
type Call struct {
	Method  string
	Kind    hub.Kind
	Data    []byte // nil for none
	User    string // the caller, "" if that is not known
	Info    json.RawMessage
	Session string        // the ID of the session that asks, "" if none does
	Trace   string        // "" for none
	Timeout time.Duration // how long an answer is waited for, as the server says

	id uint64
}

// Answering is news of a Registration: exactly one of the others is set.
type Answering struct {
	To    *Registration
	Began bool  // calls may come from now on; told once
	Call  *Call // to be answered, with Answer, and Forget in any case
	Over  *Call // it needs no answer any more, because of Why
	Why   error
	Err   error // the registration is over; ErrUnregistered after Unregister
}

// recentMax is how many calls of a session are known again that come twice: as part of a page that the
// server does not know to have come.
const recentMax = 1024

// timeoutMaxMS is more than any server waits for an answer.
const timeoutMaxMS = 24 * 60 * 60 * 1000

// Register begins to answer r.Method. There is one Registration for a method or pattern.
func (m *Machine) Register(r *Registration) error {
	if m.state == Ended {
		return m.err
	}
	p, err := access.ParsePattern(r.Method)
	switch {
	case err != nil:
		return err
	case p.HasUser():
		return errors.New("a method has no " + access.UserMark + " in it")
	}
	r.pattern, r.isWanted = p, true
	m.registrations = append(m.registrations, r)
	m.reconcile(r)
	return nil
}

// Unregister ends r. Calls come until the server has confirmed that, which Answering.Err says.
func (m *Machine) Unregister(r *Registration) {
	if r.isWanted && slices.Contains(m.registrations, r) {
		r.isWanted, r.retryAt = false, time.Time{}
		m.reconcile(r)
	}
}

// reconcile sends the command that brings the server to the wanted state of r.
func (m *Machine) reconcile(r *Registration) {
	if r.asked != 0 || !r.retryAt.IsZero() {
		return
	}
	switch {
	case !r.isWanted && !r.isThere:
		m.endRegistration(r, ErrUnregistered)
	case m.state != Open: // it is done as soon as it is known which session this is
	case !r.isWanted:
		r.ask(m, &clientproto.Command{Verb: clientproto.Unregister, Method: r.Method})
	case !r.isSure:
		r.isThere = true
		r.ask(m, &clientproto.Command{Verb: clientproto.Register, Method: r.Method, Concurrency: r.Concurrency})
	}
}

func (r *Registration) ask(m *Machine, c *clientproto.Command) {
	r.asked, r.askedFor = m.send(c), c.Verb
}

// reconcileAll brings the registrations into an open session: a resumed one has them still, and the
// commands under way are sent again (docs/protocol.md §6.2).
func (m *Machine) reconcileAll(isResumed bool) {
	if !isResumed {
		m.recent = nil
		m.overAll(errSessionGone)
	}
	for _, r := range slices.Clone(m.registrations) {
		r.isThere, r.isSure = r.isThere && isResumed, r.isSure && isResumed
		m.reconcile(r)
	}
}

// registered is the reply to a command of r.
func (m *Machine) registered(now time.Time, r *Registration, p *Problem) {
	r.asked = 0
	passes := p != nil && p.passes() && !p.IsA(clientproto.ProblemTooManyRegistrations)
	switch {
	case r.askedFor == clientproto.Unregister && passes:
		r.retryAt = m.after(now, p)
	case r.askedFor == clientproto.Unregister: // it has ended, or there was none
		r.isThere, r.isSure = false, false
	case p == nil, p.IsA(clientproto.ProblemRegistered): // the latter on the connection before
		r.isSure = true
		if !r.hasBegun {
			r.hasBegun = true
			m.effects.Answering = append(m.effects.Answering, Answering{To: r, Began: true})
		}
	case !passes:
		m.endRegistration(r, p)
		return
	default:
		r.isThere = false
		if r.isWanted {
			r.retryAt = m.after(now, p)
		}
	}
	m.reconcile(r)
}

// after is the time to try again after a problem that passes.
func (m *Machine) after(now time.Time, p *Problem) time.Time {
	half := m.advised / 2
	return now.Add(max(time.Duration(p.RetryAfterMS)*time.Millisecond, half+time.Duration(m.options.Random()*float64(half))))
}

// unregistered is the server's word that a registration is over.
func (m *Machine) unregistered(o *registrationObject) {
	i := slices.IndexFunc(m.registrations, func(r *Registration) bool { return r.Method == o.Method })
	if i < 0 {
		return
	}
	var err error = o.Error
	if o.Error == nil {
		err = errors.New("the server has ended the registration")
	}
	m.endRegistration(m.registrations[i], err)
}

func (m *Machine) endRegistration(r *Registration, err error) {
	m.registrations = slices.DeleteFunc(m.registrations, func(other *Registration) bool { return other == r })
	r.asked, r.isThere, r.isSure, r.isWanted = 0, false, false, false
	m.effects.Answering = append(m.effects.Answering, Answering{To: r, Err: err})
}

// openCall is a Call without an answer, or with an answer that the server has not confirmed.
type openCall struct {
	*Call
	to *Registration
}

// called takes a call. One for which nothing is registered any more is answered at once, or its
// caller would wait until its time is over.
func (m *Machine) called(o *callObject) error {
	kind, data, err := payload(o.Data, o.DataBase64)
	if err != nil {
		return err
	}
	if o.ID == 0 || slices.Contains(m.recent, o.ID) {
		return nil
	}
	if len(m.recent) >= recentMax {
		m.recent = slices.Delete(m.recent, 0, recentMax/2)
	}
	m.recent = append(m.recent, o.ID)
	var to *Registration
	for _, r := range m.registrations {
		if r.pattern.Matches(o.Method, "") && (to == nil || isMoreSpecific(r.Method, to.Method)) {
			to = r
		}
	}
	if to == nil {
		m.send(&clientproto.Command{Verb: clientproto.Answer, Target: o.ID, Failure: &clientproto.Failure{
			Type: clientproto.ProblemMethodUnknown.Type(), Title: clientproto.ProblemMethodUnknown.Title, Detail: "the session that was to answer has given the method up",
		}})
		return nil
	}
	c := &Call{Method: o.Method, Kind: kind, Data: data, User: o.User, Info: o.Info, Session: o.Session, Trace: o.Trace, Timeout: time.Duration(min(o.TimeoutMS, timeoutMaxMS)) * time.Millisecond, id: o.ID}
	if m.calls == nil {
		m.calls = make(map[uint64]openCall)
	}
	m.calls[o.ID] = openCall{c, to}
	m.effects.Answering = append(m.effects.Answering, Answering{To: to, Call: c})
	return nil
}

// isMoreSpecific orders two patterns that match the same name as the server does (docs/protocol.md §7.2):
// segment by segment from the left, a word comes before *, and * before **.
func isMoreSpecific(a, b string) bool {
	for {
		x, restA, _ := strings.Cut(a, "/")
		y, restB, _ := strings.Cut(b, "/")
		if x != y {
			return y == "**" || y == "*" && x != "**"
		}
		if restA == "" || restB == "" {
			return false // they are the same
		}
		a, b = restA, restB
	}
}

// overReasons are why a call needs no answer, as the server says it.
var overReasons = map[string]error{
	"canceled":    errors.New("the caller has given the call up"),
	"caller-gone": errors.New("the caller is gone"),
	"timeout":     errors.New("the time of the call is over"),
}

// callOver is the server's word that a call needs no answer any more.
func (m *Machine) callOver(o *callOverObject) {
	c, ok := m.calls[o.ID]
	if !ok {
		return
	}
	delete(m.calls, o.ID)
	why, ok := overReasons[o.Reason]
	if !ok {
		why = ErrCallOver
	}
	m.effects.Answering = append(m.effects.Answering, Answering{To: c.to, Over: c.Call, Why: why})
}

// overAll ends all calls that have no answer, the oldest first.
func (m *Machine) overAll(why error) {
	calls := m.calls
	m.calls = nil
	for _, id := range slices.Sorted(maps.Keys(calls)) {
		m.effects.Answering = append(m.effects.Answering, Answering{To: calls[id].to, Over: calls[id].Call, Why: why})
	}
}

// Answer answers c, with a payload or with a failure. The outcome, which has the ticket, is
// ErrCallOver if c is over. While there is no connection the answer waits for one.
func (m *Machine) Answer(c *Call, kind hub.Kind, data []byte, failure *clientproto.Failure, ticket uint64) {
	if m.calls[c.id].Call != c {
		m.effects.Outcomes = append(m.effects.Outcomes, Outcome{Ticket: ticket, Err: ErrCallOver})
		return
	}
	m.Do(clientproto.Command{Verb: clientproto.Answer, Target: c.id, Kind: kind, Data: data, Failure: failure}, ticket)
}

// Forget gives up c, in any state.
func (m *Machine) Forget(c *Call) {
	if m.calls[c.id].Call == c {
		delete(m.calls, c.id)
	}
}

// endAnswering ends all registrations, and calls that have no answer, with the session.
func (m *Machine) endAnswering(err error) {
	m.overAll(err)
	for _, r := range slices.Clone(m.registrations) {
		m.endRegistration(r, err)
	}
}
