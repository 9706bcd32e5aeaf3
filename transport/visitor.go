package transport

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// visitor is the client of a conversation, as far as the Guard has named it, and
// the commands that wait for permission, in the order they came.
//
//	Identify ─► known ──┐
//	dialect ─► held ────┴─► Authorize ─► allowed ─► Session, Hub
//	                             │ a decision that comes later wakes the carrier
//	                             └────► refused ─► an outcome with the refusal
type visitor struct {
	guard Guard

	// The carrier's:
	held     []dialect.Command // the first one is being asked about, or is next
	question *question         // what the Guard is asked; nil until it was asked something
	link     *link             // nil unless the session outlives its carrier

	waiting  atomic.Int32 // how many commands are held
	borrowed bool         // the carrier's: held is in the memory of a scratch

	hasEnded bool // like all that follows, guarded by mu
	isKnown  bool // client or err is set
	asks     bool // about the first of held
	mu       sync.Mutex
	wake     func() // nil until the conversation has begun
	client   *Client
	err      error // why the client is not known
}

// question is a question to the Guard; they are asked one after the other. A visitor that
// is asked about nothing has none.
type question struct {
	act   Act         // the carrier's
	later func(error) // decide of the visitor

	decided bool // verdict is the answer; both are guarded by the visitor's mutex
	verdict error
}

// answer returns the answer to the question, if there is one; v.mu is held.
func (v *visitor) answer() (decided bool, verdict error) {
	if v.question == nil {
		return false, nil
	}
	return v.question.decided, v.question.verdict
}

// forget makes room for the next question; v.mu is held.
func (v *visitor) forget() {
	v.asks = false
	if q := v.question; q != nil {
		q.decided, q.verdict = false, nil
	}
}

// visit asks the Guard for the client of a request. It returns nil where there is no Guard.
func (t *Transport) visit(a *asked, isSocket bool) *visitor {
	if t.o.Guard == nil {
		return nil
	}
	a.isSocket = isSocket
	r := t.requestOf(a)
	if open, ok := t.o.Guard.(OpenGuard); ok && open.IsOpenTo(r) {
		return nil
	}
	v := &visitor{guard: t.o.Guard}
	t.o.Guard.Identify(r, v.know)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.isKnown && v.client == nil && v.err == nil {
		return nil // nothing is guarded
	}
	return v
}

// RequestOf is the head of a request that net/http has read, as a Guard sees it: for
// resources beside channels whose clients are the same.
func (t *Transport) RequestOf(r *http.Request) *Request {
	a := askedHTTP(r)
	a.isSocket = isUpgrade(r)
	return t.requestOf(&a)
}

func (t *Transport) requestOf(a *asked) *Request {
	a.request = Request{a: a, t: t}
	return &a.request
}

// admitsCookies reports whether cookies say that the client wants this: no page of
// somebody else has made its browser send them.
func (t *Transport) admitsCookies(a *asked) bool {
	origins := a.values("Origin")
	if len(origins) > 1 {
		return false // no browser sends two
	}
	if len(origins) == 1 && origins[0] != "" {
		return t.o.Origins.Trusts(origins[0], a.host, a.secure)
	}
	switch a.get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // no browser, the own page, or what somebody has typed
		return true
	}
	return false
}

// know takes the Guard's answer.
func (v *visitor) know(c *Client, err error) {
	v.mu.Lock()
	if v.isKnown || v.hasEnded {
		isLate := v.hasEnded && !v.isKnown && c != nil
		v.isKnown = true
		v.mu.Unlock()
		if isLate {
			v.guard.Leave(c)
		}
		return
	}
	v.isKnown, v.client, v.err = true, c, err
	wake := v.wake
	v.mu.Unlock()
	if wake != nil {
		wake()
	}
}

// decide is told whether the act that was asked about is allowed.
func (v *visitor) decide(err error) {
	v.mu.Lock()
	if !v.asks || v.question.decided {
		v.mu.Unlock()
		return
	}
	v.question.decided, v.question.verdict = true, err
	wake := v.wake
	v.mu.Unlock()
	wake()
}

// begin takes the function that wakes the conversation.
func (v *visitor) begin(wake func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.wake = wake
}

// identity returns the client's identity, nil while it is not known.
func (v *visitor) identity() *access.Identity {
	if v == nil || v.client == nil { // known for the carrier that has been told so
		return nil
	}
	return v.client.Identity
}

// hold keeps commands until they are decided about. If none waits, they stay where they
// are until keep: a command that is decided at once needs no memory.
func (v *visitor) hold(commands []dialect.Command) {
	if len(v.held) == 0 {
		v.held, v.borrowed = commands, len(commands) > 0
	} else {
		v.held = append(v.held, commands...)
	}
	v.waiting.Add(int32(len(commands)))
}

// keep copies the held commands that are still in the caller's memory.
func (v *visitor) keep() {
	if v.borrowed {
		v.held, v.borrowed = slices.Clone(v.held), false
	}
}

// isBusy reports whether so many commands wait that the client is to be read no more.
func (v *visitor) isBusy() bool {
	return v != nil && (v.waiting.Load() >= heldMax || v.link != nil && v.link.connecting != nil)
}

// next returns the next command about which there is a decision, and whether there
// is one.
func (v *visitor) next(session string) (command dialect.Command, refusal error, ok bool) {
	if len(v.held) == 0 {
		return command, nil, false
	}
	v.mu.Lock()
	isKnown, err := v.isKnown, v.err
	asks := v.asks
	decided, verdict := v.answer()
	v.mu.Unlock()
	switch {
	case !isKnown || asks && !decided:
		return command, nil, false
	case err != nil:
		verdict = err
	case v.client == nil, v.held[0].Action == 0: // nothing is guarded, or needs to be
	case !asks:
		if decided, verdict = v.ask(session); !decided {
			return command, nil, false
		}
	}
	if also := v.held[0].Also; verdict == nil && also != 0 {
		v.held[0].Action, v.held[0].Also = also, 0
		v.mu.Lock()
		v.forget()
		v.mu.Unlock()
		return v.next(session)
	}
	command = v.held[0]
	if q := v.question; q != nil {
		if q.act.Message != nil {
			command.Message = *q.act.Message
		}
		q.act = Act{}
	}
	v.held[0] = dialect.Command{}
	if v.held = v.held[1:]; len(v.held) == 0 {
		v.held = nil
	}
	v.waiting.Add(-1)
	v.mu.Lock()
	v.forget()
	v.mu.Unlock()
	return command, verdict, true
}

// ask asks about the first command that is held.
func (v *visitor) ask(session string) (decided bool, verdict error) {
	command := &v.held[0]
	if v.question == nil {
		v.question = &question{later: v.decide}
	}
	q, client := v.question, v.client
	if command.As != nil {
		client = &Client{Identity: command.As, Address: v.client.Address, State: v.client.State}
	}
	q.act = Act{Action: command.Action, Channel: command.Channel, Session: session}
	if command.Kind == hub.CommandPublish {
		m := command.Message // the array of held may be replaced while the Guard has it
		if user := client.Identity.User; user != "" {
			m.Attributes = withUser(m.Attributes, user)
		}
		q.act.Message = &m
	}
	v.mu.Lock()
	v.asks = true
	v.mu.Unlock()
	decided, verdict = v.guard.Authorize(client, &q.act, q.later)
	if !decided {
		v.mu.Lock()
		defer v.mu.Unlock()
		return q.decided, q.verdict // it may have come meanwhile
	}
	return true, verdict
}

// withUser is a with the user set, or what has only that.
func withUser(a *hub.Attributes, user string) *hub.Attributes {
	var attributes hub.Attributes
	if a != nil {
		attributes = *a
	}
	attributes.User = user
	return &attributes
}

// leave says that the conversation is over. It may be called more than once.
func (v *visitor) leave() {
	if v == nil {
		return
	}
	v.mu.Lock()
	client := v.client
	isFirst := !v.hasEnded
	v.hasEnded = true
	v.mu.Unlock()
	if isFirst && client != nil {
		v.guard.Leave(client)
	}
}

// heldMax is how many commands may wait for the Guard before the client is read no
// more.
const heldMax = 64
