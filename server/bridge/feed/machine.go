package feed

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Machine is one bridge. It is not safe for concurrent use. The acts that a call asks for are returned
// by Actions, in order.
type Machine struct {
	spec    *Spec
	state   State
	since   time.Time // of state
	problem string    // why there is none, or why a subscription is not there
	failed  string    // why the connection is being ended; "" if it is not

	heard    time.Time // when the last message came
	nextPing time.Time // zero: none
	step     int       // of Spec.First, the next one to send
	answers  []answer  // that are waited for
	subs     []subscribed
	early    [][]byte // messages that came before the answer that says whose they are
	earlyLen int

	channels channels
	pending  map[uint64]pending
	ticket   uint64

	counts  [outcomes]uint64
	conns   uint64
	gaps    uint64
	actions []Action
}

// State is what a bridge is doing.
type State string

// The states of a Machine.
const (
	Connecting  State = "connecting"  // there was no connection yet
	Subscribing State = "subscribing" // something was not answered yet, or was refused
	Live        State = "live"
	Away        State = "away" // the connection has gone, or none can be made
)

// Action is something to do: one of its fields is set.
type Action struct {
	Send    []byte       // to the upstream
	Publish *hub.Message // with Ticket; the outcome is given to Machine.Published
	Ticket  uint64
	Fail    string // why the connection is to be ended
	Note    string // for the log
}

// answer is an answer that is waited for.
type answer struct {
	id    string
	sub   int // of which subscription, or -1 for Spec.First
	until time.Time
}

// subscribed is how a subscription is.
type subscribed struct {
	isLive bool
	id     string // what messages have at /params/subscription, as it is written; "" if they need not have it

	retryAt time.Time // when it is asked for again; zero: it is not
	retry   time.Duration
}

// New returns a Machine without a connection.
func New(spec *Spec, now time.Time) *Machine {
	return &Machine{
		spec: spec, state: Connecting, since: now, subs: make([]subscribed, len(spec.Subscriptions)),
		channels: newChannels(spec.ChannelsMax), pending: make(map[uint64]pending),
	}
}

// Actions returns the acts to do, and forgets them. What it returns is valid until the next call of another
// method than Published and Status.
func (m *Machine) Actions() []Action {
	a := m.actions
	m.actions = m.actions[:0]
	return a
}

func (m *Machine) do(a Action) { m.actions = append(m.actions, a) }

func (m *Machine) setState(now time.Time, s State) {
	if m.state != s {
		m.state, m.since = s, now
	}
}

// Known says of when the newest publication in a channel with a fixed name is. It is called before the first connection.
func (m *Machine) Known(channel string, at time.Time) {
	for i := range m.spec.Subscriptions {
		if m.spec.Subscriptions[i].Channel.Fixed() == channel {
			if c := m.channels.get(channel, i, at); c != nil {
				c.from = at
			}
		}
	}
}

// Connected says that there is a connection.
func (m *Machine) Connected(now time.Time) {
	m.conns++
	m.heard = now
	m.failed, m.step = "", 0
	for i := range m.subs {
		m.subs[i] = subscribed{}
	}
	m.nextPing = time.Time{}
	if m.spec.Ping != nil {
		m.nextPing = now.Add(m.spec.PingEach)
	}
	m.setState(now, Subscribing)
	m.proceed(now)
}

// proceed sends the next messages.
func (m *Machine) proceed(now time.Time) {
	for m.step < len(m.spec.First) {
		r := m.spec.First[m.step]
		m.step++
		m.do(Action{Send: r.text})
		if r.id != "" {
			m.answers = append(m.answers, answer{r.id, -1, now.Add(m.spec.AnswerTimeout)})
			return
		}
	}
	for i := range m.spec.Subscriptions {
		m.subscribe(now, i)
	}
}

func (m *Machine) subscribe(now time.Time, i int) {
	r := m.spec.Subscriptions[i].Send
	m.subs[i].retryAt = time.Time{}
	if r.text != nil {
		m.do(Action{Send: r.text})
	}
	if r.id != "" {
		m.answers = append(m.answers, answer{r.id, i, now.Add(m.spec.AnswerTimeout)})
		return
	}
	m.confirm(now, i)
}

// confirm notes that what comes from now on of a subscription is all there is.
func (m *Machine) confirm(now time.Time, i int) {
	m.subs[i].isLive = true
	m.subs[i].retry = 0
	if name := m.spec.Subscriptions[i].Channel.Fixed(); name != "" {
		m.channels.get(name, i, now)
	}
	for c := range m.channels.of(i) {
		m.announce(now, c)
	}
	for j := range m.subs {
		if !m.subs[j].isLive {
			return
		}
	}
	m.problem = ""
	m.setState(now, Live)
}

// Receive takes a message of the upstream, which the Machine may keep nothing of. The detail says more of an Outcome that is
// no good one.
func (m *Machine) Receive(now time.Time, isText bool, message []byte) (o Outcome, detail string) {
	m.heard = now
	o, detail = m.receive(now, isText, message)
	m.count(o)
	return o, detail
}

func (m *Machine) receive(now time.Time, isText bool, message []byte) (Outcome, string) {
	if !isText {
		return Binary, fmt.Sprintf("%d bytes", len(message))
	}
	if !json.Valid(message) {
		return NotJSON, Quoted(string(message))
	}
	if m.answered(now, message) {
		return Answered, ""
	}
	for _, f := range m.spec.Failures {
		if f.Matches(message) {
			m.fail(fmt.Sprintf("the upstream has sent what %q says is a failure: %s", f, Quoted(string(message))))
			return Failure, ""
		}
	}
	return m.sort(now, message)
}

// sort gives a message to the subscription that takes it.
func (m *Machine) sort(now time.Time, message []byte) (Outcome, string) {
	whose, hasWhose := pointerSubscription.Find(message)
	for i := range m.subs {
		if m.takes(i, message, whose, hasWhose) {
			return m.publish(now, i, message)
		}
	}
	if hasWhose && m.isAwaited() && len(m.early) < earlyMax && m.earlyLen+len(message) <= earlyBytesMax {
		m.early = append(m.early, append([]byte(nil), message...))
		m.earlyLen += len(message)
		return Early, ""
	}
	return Ignored, ""
}

// Limits of messages that come before the answer that says whose they are.
const (
	earlyMax      = 100
	earlyBytesMax = 1 << 20
)

// isAwaited reports whether a subscription may soon have an ID.
func (m *Machine) isAwaited() bool {
	for _, a := range m.answers {
		if a.sub >= 0 {
			return true
		}
	}
	return false
}

// takes reports whether a message is one of subscription i.
func (m *Machine) takes(i int, message, whose []byte, hasWhose bool) bool {
	sub, spec := &m.subs[i], &m.spec.Subscriptions[i]
	switch {
	case !sub.isLive:
		return false
	case sub.id != "" && hasWhose && string(whose) != sub.id:
		return false
	case sub.id != "" && !hasWhose && len(spec.Match) == 0:
		return false
	}
	return allMatch(spec.Match, message) && !anyMatches(spec.Ignore, message)
}

// answered takes an answer that is waited for.
func (m *Machine) answered(now time.Time, message []byte) bool {
	if len(m.answers) == 0 {
		return false
	}
	id, ok := pointerID.Find(message)
	if !ok {
		return false
	}
	result, hasResult := pointerResult.Find(message)
	wrong, hasWrong := pointerError.Find(message)
	if hasWrong = hasWrong && string(wrong) != "null"; !hasWrong && !hasResult {
		return false
	}
	for i, a := range m.answers {
		if a.id != string(id) {
			continue
		}
		m.answers = append(m.answers[:i], m.answers[i+1:]...)
		switch {
		case a.sub < 0 && hasWrong:
			m.counts[Failure]++
			m.fail("the upstream has refused a request: " + Quoted(string(wrong)))
		case a.sub < 0:
			m.proceed(now)
		case hasWrong:
			m.refused(now, a.sub, wrong)
		default:
			m.subs[a.sub].id = ""
			if isScalar(result) && result[0] != 't' && result[0] != 'f' {
				m.subs[a.sub].id = string(result)
			}
			m.confirm(now, a.sub)
			m.sortEarly(now)
		}
		return true
	}
	return false
}

// refused has a subscription asked for again: others on the connection are not disturbed.
func (m *Machine) refused(now time.Time, i int, wrong []byte) {
	s := &m.subs[i]
	s.retry = min(max(2*s.retry, m.spec.RetryMin), m.spec.RetryMax)
	s.retryAt = now.Add(s.retry)
	m.problem = fmt.Sprintf("the upstream has refused subscription %d: %s", i+1, Quoted(string(wrong)))
	m.counts[Failure]++
	m.do(Action{Note: fmt.Sprintf("%s; it is asked for again in %v", m.problem, s.retry)})
}

// sortEarly sorts messages that came before the answer which says whose they are.
func (m *Machine) sortEarly(now time.Time) {
	early := m.early
	m.early, m.earlyLen = nil, 0
	for _, message := range early {
		o, _ := m.sort(now, message)
		m.count(o)
	}
}

// count counts a message that does not become something else.
func (m *Machine) count(o Outcome) {
	if o.IsFinal() {
		m.counts[o]++
	}
}

// Disconnected says that the connection has ended, or that none could be made.
func (m *Machine) Disconnected(now time.Time, problem string) {
	m.leave(now, reasonUpstream)
	m.problem, m.failed = cmp.Or(m.failed, problem), ""
	m.setState(now, Away)
}

// fail has the connection ended.
func (m *Machine) fail(problem string) {
	m.failed = problem
	m.do(Action{Fail: problem})
}

// Stopped says that the bridge ends here. Actions has the last that it publishes.
func (m *Machine) Stopped(now time.Time) { m.leave(now, reasonStopped) }

// leave tells the channels of live subscriptions that nothing comes any more.
func (m *Machine) leave(now time.Time, reason string) {
	m.counts[Ignored] += uint64(len(m.early))
	m.nextPing, m.answers, m.early, m.earlyLen = time.Time{}, nil, nil, 0
	for i := range m.subs {
		wasLive := m.subs[i].isLive
		m.subs[i] = subscribed{}
		if !wasLive {
			continue
		}
		for c := range m.channels.of(i) {
			m.away(now, c, reason)
		}
	}
}

// Deadline is when Tick has something to do, or zero.
func (m *Machine) Deadline() time.Time {
	var first time.Time
	at := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	at(m.nextPing)
	for _, a := range m.answers {
		at(a.until)
	}
	for i := range m.subs {
		at(m.subs[i].retryAt)
	}
	at(m.channels.due())
	return first
}

// Tick does everything due.
func (m *Machine) Tick(now time.Time) {
	if !m.nextPing.IsZero() && !now.Before(m.nextPing) {
		m.do(Action{Send: m.spec.Ping})
		m.nextPing = now.Add(m.spec.PingEach)
	}
	for _, a := range m.answers {
		if !now.Before(a.until) {
			m.answers = nil
			m.fail(fmt.Sprintf("the upstream has not answered the request %s in %v", a.id, m.spec.AnswerTimeout))
			break
		}
	}
	for i := range m.subs {
		if at := m.subs[i].retryAt; !at.IsZero() && !now.Before(at) {
			m.subscribe(now, i)
		}
	}
	if at := m.channels.due(); !at.IsZero() && !now.Before(at) {
		for c := range m.channels.owing() {
			if m.subs[c.sub].isLive {
				m.announce(now, c)
			}
		}
	}
}
