package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Bounds of what a Machine holds.
const (
	// WaitingMax bounds the commands that wait for a reply, unsent ones included. A command
	// beyond is answered with ErrTooMany.
	WaitingMax = 10_000

	// windowMax is how many publications, calls and answers are sent without a reply (docs/protocol.md §2.5).
	windowMax = 64

	delayFirst = time.Second // until the server has said something else (§6.6)
	delayMax   = time.Minute

	pingDefault = 25 * time.Second

	openMax = 10 * time.Second // for the reply to `connect`
)

// Errors that a command may end with besides those of the server.
var (
	ErrTooMany = errors.New("too many commands wait for the server")
	ErrUnknown = errors.New("the connection was lost, and it is not known whether the call had an effect")
	ErrClosed  = errors.New("the client is closed")

	// ErrNoReply is the reason to give up a carrier that stays silent from the beginning, as
	// behind a proxy that holds back data.
	ErrNoReply = errors.New("there was no reply to connect")

	errLost = errors.New("the connection was lost")
)

// State is where a Machine is.
type State uint8

// The states.
const (
	Waiting    State = iota // for the time of the next attempt; see Machine.RetryAt
	Connecting              // a carrier is being opened, a token may be fetched
	Opening                 // `connect` has no reply yet
	Open
	Ended // for good; see Machine.Err
)

// String is the word for s.
func (s State) String() string {
	return [...]string{"waiting", "connecting", "opening", "open", "ended"}[s]
}

// Reason is why a token is wanted.
type Reason string

// The reasons.
const (
	TokenFirst   Reason = "first"   // there is none yet
	TokenExpired Reason = "expired" // it ends soon, or has ended
	TokenRefused Reason = "refused" // the server does not accept it
)

// Options are what a Machine is made with.
type Options struct {
	Client     string         // the name and version of the program
	NoMessages bool           // the messages to the user are not wanted
	CanFetch   bool           // there are tokens to be had, see Effects.Token
	Random     func() float64 // from 0 up to 1, for the times to wait
}

// Effects are the acts that are due after a call of the Machine, in order.
type Effects struct {
	Send      [][]byte    // lines for the carrier
	Events    []Delivery  // for subscriptions, and for the user
	Outcomes  []Outcome   // of commands
	Answering []Answering // of registrations
	Dial      bool        // open a carrier, and call Opened or Broken
	Drop      bool        // leave the carrier without ending the session
	Finish    bool        // close the carrier, the session is over
	Token     Reason      // fetch a token, and call Refresh; "" for none
	Changed   bool        // State, or a detail of it
}

// Delivery is something for a subscription. Exactly one of the others is set.
type Delivery struct {
	To      *Subscription // nil: for the user
	Message *Message
	Gap     *Gap
	Behind  *Behind
	Members *Members
	Began   *Began
	Err     error // the subscription is over
}

// Began says that a subscription is in force.
type Began struct {
	Position hub.Position // zero for a pattern
	Count    int          // members, if they are watched
}

// Outcome is what became of a command.
type Outcome struct {
	Ticket uint64
	OK     json.RawMessage
	Err    error
}

// Cause is why a carrier is not there, or not any more.
type Cause struct {
	Err        error
	Code       uint16        // of a close frame, 0 for none
	Status     int           // of an answer in place of the carrier, 0 for none
	Problem    *Problem      // in that answer, nil for none
	RetryAfter time.Duration // that the answer asks for, 0 for none
}

// Machine is one client's session, over all its connections. Its methods are called one
// at a time; after each the caller takes the Effects, and calls Tick at Deadline.
type Machine struct {
	options Options
	state   State
	err     error // why it has ended, or why it is not open
	effects Effects
	away    *Behind // what the server has said of everything on this connection; nil: it is not behind

	id      uint64
	resume  clientproto.Resume
	user    string
	connect uint64 // the command, while it has no reply

	token       string // that was shown last
	tokenTried  bool   // it has been replaced since the server has refused one
	isFetching  bool
	refreshing  uint64    // the command, while it has no reply
	refreshAt   time.Time // zero: never
	advised     time.Duration
	failures    int
	retryAt     time.Time
	heard       time.Time
	ping        time.Duration
	pinged      uint64 // the command, while it has no reply
	pingedAt    time.Time
	messages    hub.Position // how far the messages to the user have come
	userChannel string

	isUserBehind bool // the user was told so

	subs     []*Subscription // in the order in which they first began
	commands []*command      // in the order of their IDs, which unsent ones do not have yet
	window   int             // publications, calls and answers that were sent and have no reply

	registrations []*Registration
	calls         map[uint64]openCall // by their IDs
	recent        []uint64            // IDs of calls that this session was given, at most recentMax
}

// New returns a Machine that begins at once: Deadline is in the past.
func New(o Options) *Machine {
	return &Machine{options: o, advised: delayFirst, ping: pingDefault}
}

// State is where it is.
func (m *Machine) State() State { return m.state }

// Err is why it has ended, or why it is not open.
func (m *Machine) Err() error { return m.err }

// User is the client's user according to the server, "" if that is not known.
func (m *Machine) User() string { return m.user }

// Session is the name of the session, "" before it has begun.
func (m *Machine) Session() string { return m.resume.Session }

// RetryAt is when the next attempt begins, while it is Waiting.
func (m *Machine) RetryAt() time.Time { return m.retryAt }

// Resume is what a request for the session names it by.
func (m *Machine) Resume() clientproto.Resume { return m.resume }

// Take returns the acts that have become due since the last call.
func (m *Machine) Take() Effects {
	e := m.effects
	m.effects = Effects{}
	return e
}

// Deadline is when Tick is to be called, the zero Time for never.
func (m *Machine) Deadline() time.Time {
	var at time.Time
	earliest := func(t time.Time) {
		if !t.IsZero() && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	switch m.state {
	case Waiting:
		if m.retryAt.IsZero() {
			return time.Unix(0, 1) // at once
		}
		return m.retryAt
	case Opening:
		return m.heard.Add(openMax)
	case Open:
		if m.pinged != 0 {
			earliest(m.pingedAt.Add(m.ping))
		} else {
			earliest(m.heard.Add(m.ping))
		}
		earliest(m.refreshAt)
		for _, s := range m.subs {
			earliest(s.retryAt)
		}
		for _, r := range m.registrations {
			earliest(r.retryAt)
		}
	}
	return at
}

// Tick does what is due.
func (m *Machine) Tick(now time.Time) {
	switch m.state {
	case Waiting:
		if !now.Before(m.retryAt) {
			m.enter(Connecting)
			m.effects.Dial = true
		}
	case Opening:
		if !now.Before(m.heard.Add(openMax)) {
			m.effects.Drop = true
			m.Broken(now, Cause{Err: ErrNoReply})
		}
	case Open:
		switch {
		case m.pinged != 0 && !now.Before(m.pingedAt.Add(m.ping)):
			m.effects.Drop = true
			m.Broken(now, Cause{Err: fmt.Errorf("nothing was heard for %v, and no answer to a ping", m.ping)})
			return
		case m.pinged == 0 && !now.Before(m.heard.Add(m.ping)):
			m.pinged, m.pingedAt = m.send(&clientproto.Command{Verb: clientproto.Ping}), now
		}
		if !m.refreshAt.IsZero() && !now.Before(m.refreshAt) {
			m.refreshAt = time.Time{}
			m.fetch(TokenExpired)
		}
		for _, s := range m.subs {
			if !s.retryAt.IsZero() && !now.Before(s.retryAt) {
				s.retryAt = time.Time{}
				m.subscribe(s)
			}
		}
		for _, r := range slices.Clone(m.registrations) {
			if !r.retryAt.IsZero() && !now.Before(r.retryAt) {
				r.retryAt = time.Time{}
				m.reconcile(r)
			}
		}
	}
}

func (m *Machine) enter(s State) {
	m.state = s
	m.effects.Changed = true
}

// Hurry has the next attempt begin at once, if one is waited for: the network is back, for
// example.
func (m *Machine) Hurry(now time.Time) {
	if m.state == Waiting {
		m.retryAt = now
	}
}

// Opened says that there is a carrier. token is shown in `connect`, "" for none or if the
// carrier has shown it.
func (m *Machine) Opened(now time.Time, token string) {
	if m.state != Connecting {
		return
	}
	m.enter(Opening)
	m.token, m.heard, m.pinged, m.refreshing, m.away = token, now, 0, 0, nil
	c := clientproto.Command{Verb: clientproto.Connect, Token: token, Client: m.options.Client, Resume: m.resume, NoMessages: m.options.NoMessages}
	if !c.NoMessages && !m.messages.IsZero() {
		c.Messages = m.messages.String()
	}
	m.connect = m.send(&c)
	for _, s := range m.subs {
		s.asked = 0
		m.subscribe(s)
	}
	// Publications have a key by which the server knows them again. Calls wait until it is
	// known whether the server remembers their effects (§6.3), and answers until it is known
	// whether it remembers their calls.
	m.flush(func(c *command) bool {
		return c.Verb != clientproto.Answer && (c.Verb != clientproto.RPC || c.ID == 0 && m.resume == (clientproto.Resume{}))
	})
}

// send sends a command with the next ID, and returns that.
func (m *Machine) send(c *clientproto.Command) uint64 {
	m.id++
	c.ID = m.id
	m.line(c)
	return c.ID
}

func (m *Machine) line(c *clientproto.Command) {
	m.effects.Send = append(m.effects.Send, clientproto.AppendCommand(nil, c))
}

// Broken says that there is no carrier, or not any more.
func (m *Machine) Broken(now time.Time, c Cause) {
	if m.state != Connecting && m.state != Opening && m.state != Open {
		return
	}
	if c.Problem != nil && c.Err == nil {
		c.Err = c.Problem
	}
	what := clientproto.ReconnectDelayed
	switch {
	case c.Status != 0:
		what = reconnectOfStatus(c)
	case c.Code != 0:
		if known, ok := reconnectOfCode(c.Code); ok {
			what = known
		}
	}
	m.lose(now, c.Err, what, c.RetryAfter)
}

// reconnectOfCode is what a client does after a code, if it is known. No other client has the session of a Machine:
// where it goes on elsewhere, a request of an earlier connection has come late, as proxies have it, and
// taken the session over from the one that it is on.
func reconnectOfCode(code uint16) (clientproto.Reconnect, bool) {
	known := clientproto.FindCode(code)
	switch {
	case known == nil:
		return 0, false
	case code == clientproto.CloseTakenOver:
		return clientproto.ReconnectDelayed, true
	}
	return known.Reconnect, true
}

// reconnectOfStatus is a client's reaction to a status in place of the answer that it asked
// for (§3.9).
func reconnectOfStatus(c Cause) clientproto.Reconnect {
	switch {
	case c.Status == 401:
		return clientproto.ReconnectNewToken
	case c.Status == 404 && c.Problem != nil && c.Problem.IsA(clientproto.ProblemSessionUnknown):
		return clientproto.ReconnectAfresh
	case slices.Contains([]int{408, 425, 429, 500, 502, 503, 504}, c.Status):
		return clientproto.ReconnectDelayed
	}
	return clientproto.ReconnectNever
}

// lose is what becomes of a connection that is over.
func (m *Machine) lose(now time.Time, err error, what clientproto.Reconnect, after time.Duration) {
	if err == nil {
		err = errLost
	}
	m.err = err
	m.connect, m.pinged, m.window = 0, 0, 0
	m.refreshAt = time.Time{}
	for _, c := range m.commands {
		c.isSent = false
	}
	for _, s := range m.subs {
		s.asked, s.isActive, s.retryAt = 0, false, time.Time{}
	}
	for _, r := range m.registrations {
		r.asked, r.retryAt = 0, time.Time{}
	}
	switch what {
	case clientproto.ReconnectNever:
		m.finish(err)
		return
	case clientproto.ReconnectNewToken:
		if m.tokenTried || !m.options.CanFetch {
			m.finish(err)
			return
		}
		m.tokenTried = true
		m.enter(Waiting)
		m.retryAt = now.Add(delayMax) // Refresh is sooner
		m.fetch(TokenRefused)
		return
	case clientproto.ReconnectAfresh:
		m.resume = clientproto.Resume{}
	}
	m.enter(Waiting)
	delay := m.advised
	if m.failures > 0 {
		delay = min(m.advised<<min(m.failures, 16), delayMax)
		delay = delay/2 + time.Duration(m.options.Random()*float64(delay/2))
	}
	m.failures++
	m.retryAt = now.Add(max(delay, after))
}

// finish ends everything.
func (m *Machine) finish(err error) {
	m.enter(Ended)
	m.err = err
	subs := m.subs
	m.subs = nil
	for _, s := range subs {
		m.effects.Events = append(m.effects.Events, Delivery{To: s, Err: err})
	}
	m.endAnswering(err)
	commands := m.commands
	m.commands = nil
	for _, c := range commands {
		m.outcome(c, nil, err)
	}
}

// Close ends the session.
func (m *Machine) Close() {
	if m.state == Ended {
		return
	}
	if m.state == Opening || m.state == Open {
		m.send(&clientproto.Command{Verb: clientproto.End})
	}
	m.effects.Finish = true
	m.finish(ErrClosed)
}

// fetch asks for a token, once at a time.
func (m *Machine) fetch(why Reason) {
	if m.options.CanFetch && !m.isFetching {
		m.isFetching = true
		m.effects.Token = why
	}
}

// Refresh gives the token that Effects.Token asked for, or the reason why there is none.
func (m *Machine) Refresh(now time.Time, token string, err error) {
	m.isFetching = false
	switch {
	case m.state == Ended:
	case err != nil && m.state == Waiting:
		m.err = err
		m.tokenTried = false // it was not tried
		delay := min(m.advised<<min(m.failures, 16), delayMax)
		m.failures++
		m.retryAt = now.Add(delay/2 + time.Duration(m.options.Random()*float64(delay/2)))
		m.effects.Changed = true
	case err != nil:
		m.refreshAt = now.Add(10 * time.Second) // until the server has enough of it
	case m.state == Waiting:
		m.token, m.retryAt = token, now
	case m.state == Open && token != m.token:
		m.token = token
		m.refreshing = m.send(&clientproto.Command{Verb: clientproto.Refresh, Token: token})
	}
}
