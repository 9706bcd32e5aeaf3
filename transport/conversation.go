package transport

import (
	"cmp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// conversation binds a dialect to the hub, for a carrier: the dialect's commands
// are done, and the hub's output comes back as pushes.
//
//	carrier ─► receive ─► Dialect ─► commands ─► Session, Hub
//	carrier ◄─ effects ◄─ Dialect ◄─ pushes   ◄─ take ◄─ wake
//
// The carrier calls begin, receive, take and expire one at a time. It must call
// close.
type conversation struct {
	t       *Transport
	dialect dialect.Dialect
	wake    func()       // called by the hub from any goroutine; it must not block
	session *hub.Session // nil until the dialect subscribes
	visitor *visitor     // nil where nothing is guarded
	asks    bool         // the visitor has commands that wait: it is not looked at with every delivery
	paused  bool         // the client is not read, as it is busy; of a carrier that reads
	isOver  bool         // the dialect has said its last: what the client has sent before it knew counts for nothing
	hasLeft bool         // the dialect was told that the conversation is over

	telling atomic.Int32 // publications of which the hub has the outcome, or is telling it

	mu      sync.Mutex // guards what follows
	settled *settled   // outcomes of commands that no session was needed for, in order
}

// begin begins the dialect.
func (c *conversation) begin(m *scratch) {
	if c.visitor != nil {
		c.visitor.begin(c.wake)
	}
	if l := c.link(); l != nil && l.wants != nil && !l.delivers {
		c.claimLinked(m)
		c.note(m)
		return
	}
	c.dialect.Begin(c.now(), &m.effects)
	c.perform(m)
	c.note(m)
	if c.link() != nil && m.effects.Answer == nil {
		c.wake() // a poll is answered by take
	}
}

// now is the time for a dialect. A Post does not look at it.
func (c *conversation) now() time.Time {
	if _, ok := c.dialect.(*dialect.Post); ok {
		return time.Time{}
	}
	return time.Now()
}

// note notes the end of the conversation, and of a session that could go on with another
// carrier.
func (c *conversation) note(m *scratch) {
	closing := m.effects.Closing
	if closing == nil {
		return
	}
	c.isOver = true
	if l := c.link(); l != nil && closing.IsLast {
		l.isOver = true
	}
}

// receive gives the dialect a frame of the client.
func (c *conversation) receive(binary bool, data []byte, m *scratch) {
	if c.isOver {
		return
	}
	c.follow()
	c.dialect.Receive(time.Now(), dialect.Frame{Binary: binary, Data: data}, &m.effects)
	c.perform(m)
	c.note(m)
}

// follow tells a dialect that follows patterns whether its client has everything but what it
// is about to be given.
func (c *conversation) follow() {
	if f, ok := c.dialect.(dialect.Follower); ok && c.session != nil && f.FollowsPatterns() {
		f.SetCaughtUp(c.session.HasCaughtUp())
	}
}

// expire tells the dialect that its deadline has passed.
func (c *conversation) expire(now time.Time, m *scratch) {
	if c.isOver {
		return
	}
	c.follow()
	c.dialect.Expire(now, &m.effects)
	c.perform(m)
	c.note(m)
}

// take gives the dialect the pushes that it is owed. There may be more: then wake is called again.
func (c *conversation) take(m *scratch) {
	if c.isOver {
		return
	}
	defer c.note(m)
	if c.link() != nil && !c.takeLinked(m) {
		return
	}
	if c.asks {
		c.advance(m)
	}
	if m.effects.Closing != nil {
		return
	}
	c.mu.Lock()
	first := c.settled
	c.settled = nil
	c.mu.Unlock()
	pushes := m.pushes[:0]
	for o := first; o != nil; o = o.next {
		pushes = append(pushes, hub.Push{Channel: o.Channel, Outcome: &o.Outcome})
	}
	var ended error
	if c.session != nil {
		if r, ok := c.dialect.(dialect.RunTaker); ok && !m.singly && r.TakesRuns() {
			pushes, ended = c.session.TakeRuns(pushes)
		} else {
			pushes, ended = c.session.Take(pushes)
		}
		c.follow()
	}
	m.pushes = pushes
	if len(pushes) > 0 || c.link() != nil { // a poll is answered also with what needed no session
		c.dialect.Push(c.now(), pushes, &m.effects)
		if _, ok := c.dialect.(*dialect.Post); ok && first != nil {
			first.recycle() // others may keep an Outcome
		}
	}
	if ended != nil && m.effects.Closing == nil {
		c.dialect.End(ended, &m.effects)
	}
	c.perform(m)
	c.expireTimed(m)
	c.wakeForInbox()
}

// takeInTime gives the dialect what it is owed, and tells it that its deadline has passed if
// it has: last, because at its deadline the dialect may say that there is nothing. alarm is
// when the carrier is woken for that, on the clock of sinceStart, or 0; it is set to 0 once
// it has gone off.
func (c *conversation) takeInTime(alarm *time.Duration, m *scratch) {
	c.take(m)
	if *alarm == 0 || m.effects.Closing != nil {
		return
	}
	now := time.Now()
	if sinceStart(now) >= *alarm {
		*alarm = 0
	}
	if deadline := c.dialect.Deadline(); !deadline.IsZero() && !now.Before(deadline) {
		c.expire(now, m)
	}
}

// perform does the dialect's commands, as far as they are allowed.
func (c *conversation) perform(m *scratch) {
	e := &m.effects
	if c.visitor != nil {
		c.visitor.hold(e.Commands)
		c.advance(m)
		c.visitor.keep()
		e.Commands = e.Commands[:0]
		return
	}
	for i := range e.Commands {
		c.do(&e.Commands[i], m)
	}
	e.Commands = e.Commands[:0]
}

// advance does the commands about which the Guard has decided, as long as they can be
// done in turn.
func (c *conversation) advance(m *scratch) {
	for {
		if l := c.link(); l != nil && (l.connecting != nil || len(c.visitor.held) > 0 && c.session != nil && c.session.IsBusy()) {
			c.asks = true
			return
		}
		c.allowByServer()
		command, refusal, ok := c.visitor.next(c.id())
		if !ok {
			c.asks = len(c.visitor.held) > 0
			return
		}
		if c.link().isOutdated(&command) {
			continue
		}
		if refusal == nil {
			c.do(&command, m)
			continue
		}
		kind := command.Kind
		if kind == dialect.CommandConnect {
			c.connected(&dialect.Connected{Tag: command.Tag, Err: c.t.refusalOf(refusal)}, m)
			continue
		}
		if kind == 0 {
			kind = hub.CommandSubscribe
		}
		c.settle(hub.Outcome{Tag: command.Tag, Command: kind, Channel: command.Channel, Err: c.t.refusalOf(refusal)})
	}
}

// allowByServer lets a client that is back subscribe again to what the server had
// subscribed it to: that needed no grant of its own.
func (c *conversation) allowByServer() {
	if v := c.visitor; v.link != nil && c.session != nil && len(v.held) > 0 {
		if first := &v.held[0]; first.Kind == hub.CommandSubscribe && first.Action != 0 && c.session.IsByServer(first.Channel) {
			first.Action = 0
		}
	}
}

// do does the dialect's commands.
func (c *conversation) do(command *dialect.Command, m *scratch) {
	switch command.Kind {
	case dialect.CommandConnect:
		c.connect(command, m)
	case dialect.CommandRefresh:
		c.refresh(command, m)
	case dialect.CommandIdentify:
		c.identify(command)
	case dialect.CommandDeliver:
		c.settle(hub.Outcome{Tag: command.Tag, Err: c.link().wants.deliver(command.Data)})
	case hub.CommandCall:
		c.session.Call(command.Tag, command.Call)
	case dialect.CommandCancel:
		found := c.session.CancelCall(command.Target)
		c.settle(hub.Outcome{Tag: command.Tag, Command: dialect.CommandCancel, Duplicate: !found})
	case hub.CommandRegister:
		c.session.Register(command.Tag, command.Channel, command.Register)
	case hub.CommandUnregister:
		c.session.Unregister(command.Tag, command.Channel)
	case hub.CommandAnswer:
		if command.Failure != nil {
			c.session.FailCall(command.Tag, command.Target, *command.Failure)
		} else {
			c.session.AnswerCall(command.Tag, command.Target, hub.Answer{Kind: command.Call.Kind, Data: command.Call.Data})
		}
	case hub.CommandUnsubscribe:
		c.session.Unsubscribe(command.Tag, command.Channel)
	case hub.CommandPublish:
		if command.Chosen && c.session.ID() != command.Message.Attributes.Exclude && !c.session.IsAnswering() {
			c.settle(hub.Outcome{Tag: command.Tag, Command: hub.CommandPublish, Channel: command.Channel, Err: errExclude})
			return
		}
		if c.session == nil {
			c.telling.Add(1)
			c.t.hub.BeginPublish(c.dialect.Transport(), command.Message, c, command.Tag)
		} else {
			c.session.Publish(command.Tag, c.keyed(command))
		}
	case hub.CommandHistory:
		if c.session != nil {
			c.session.History(command.Tag, command.Channel, command.Query)
			return
		}
		tag, channel := command.Tag, command.Channel
		c.t.hub.BeginHistory(channel, command.Query, func(page hub.Page, err error) {
			c.settle(hub.Outcome{Tag: tag, Command: hub.CommandHistory, Channel: channel, Page: page, Err: err})
		})
	case hub.CommandPresence:
		if c.session != nil {
			c.session.Presence(command.Tag, command.Channel, command.Presence)
			return
		}
		o := hub.Outcome{Tag: command.Tag, Command: command.Kind, Channel: command.Channel}
		c.t.hub.BeginMembers(command.Channel, command.Presence, func(roster hub.Roster, err error) {
			if o.Err = err; err == nil {
				o.Roster = &roster
			}
			c.settle(o)
		})
	case hub.CommandSubscribe:
		if err := c.enter(c.visitor.identity()); err != nil {
			c.settle(hub.Outcome{Tag: command.Tag, Command: command.Kind, Channel: command.Channel, Err: err})
			return
		}
		c.session.Subscribe(command.Tag, command.Channel, command.Subscribe)
	default: // it was only to be allowed
		c.settle(hub.Outcome{Tag: command.Tag, Command: hub.CommandSubscribe, Channel: command.Channel})
	}
}

// enter begins the session, if there is none yet.
func (c *conversation) enter(id *access.Identity) error {
	return c.enterAs("", id)
}

// enterAs is enter for a session that is to have an ID, if that is not "".
func (c *conversation) enterAs(restored string, id *access.Identity) (err error) {
	switch {
	case c.session != nil:
	case restored != "":
		c.session, err = c.t.hub.Restore(restored, id, c.dialect.Transport(), c.wake)
	default:
		c.session, err = c.t.hub.ConnectAs(id, c.dialect.Transport(), c.wake)
	}
	return err
}

// identify begins the session with the identity of its client.
func (c *conversation) identify(command *dialect.Command) {
	isNew := c.session == nil
	restored := command.Session
	if !isSameClient(command.Owner, c.visitor.identity()) {
		restored = ""
	}
	err := c.enterAs(restored, cmp.Or(command.As, c.visitor.identity()))
	if err == nil && !isNew && command.As != nil {
		c.session.SetIdentity(command.As)
	}
	if opener, ok := c.spoken().(dialect.Opener); ok && err == nil && isNew {
		opener.Opened(c.session.ID())
	}
	c.settle(hub.Outcome{Tag: command.Tag, Command: command.Kind, Err: err})
}

// isSameClient reports whether two identities, nil for Everybody, are of one client.
func isSameClient(a, b *access.Identity) bool {
	a, b = cmp.Or(a, access.Everybody), cmp.Or(b, access.Everybody)
	return a.Kind == b.Kind && a.User == b.User && a.Name == b.Name
}

// spoken is the dialect without what a Protocol needs around it.
func (c *conversation) spoken() dialect.Dialect {
	if d, ok := c.dialect.(*timed); ok {
		return d.OverSocket
	}
	return c.dialect
}

// Published implements hub.Completer.
func (c *conversation) Published(tag uint64, p hub.Published) {
	c.settle(hub.Outcome{Tag: tag, Command: hub.CommandPublish, Position: p.Position, Duplicate: p.Duplicate, Err: p.Err})
	c.telling.Add(-1) // c may be another conversation from now on, see postExchange
}

// settled is an outcome that came from no session.
type settled struct {
	hub.Outcome
	next *settled
}

var spareSettled = sync.Pool{New: func() any { return new(settled) }}

// recycle gives o, of which nobody keeps the Outcome, back.
func (o *settled) recycle() {
	*o = settled{}
	spareSettled.Put(o)
}

// settle keeps an outcome that came from no session.
func (c *conversation) settle(o hub.Outcome) {
	kept := spareSettled.Get().(*settled)
	kept.Outcome = o
	c.mu.Lock()
	last := &c.settled
	for *last != nil {
		last = &(*last).next
	}
	*last = kept
	c.mu.Unlock()
	c.wake()
}

// isBusy reports whether the client is to be read no more until the next wake.
func (c *conversation) isBusy() bool {
	return c.session != nil && c.session.IsBusy() || c.visitor.isBusy()
}

// wasEnded reports whether the session has been ended: its client has to be told,
// and to be gone from presence, however slow it is.
func (c *conversation) wasEnded() bool { return c.session != nil && c.session.WasEnded() }

// mustAttend reports whether there is something to do that no slow client may hold up.
func (c *conversation) mustAttend() bool { return c.wasEnded() || c.isClaimed() }

// leavePresence closes a session that has been ended, when its client has been told
// so: how long that takes to hear it is its own matter.
func (c *conversation) leavePresence() {
	if c.wasEnded() {
		c.session.Close()
	}
}

// id returns the ID of the session, "" without one.
func (c *conversation) id() string {
	if c.session == nil {
		return ""
	}
	return c.session.ID()
}

// close ends the session. It may be called more than once.
func (c *conversation) close() {
	if c.link() != nil {
		c.closeLinked()
		return
	}
	if k := c.clock(); k != nil {
		k.stop()
	}
	if c.session != nil {
		c.session.Close()
	}
	c.visitor.leave()
	if d, ok := c.spoken().(dialect.Leaver); ok && !c.hasLeft {
		c.hasLeft = true
		d.Left()
	}
}

// scratch is memory that a carrier needs for a moment and nobody keeps: an idle
// conversation has none.
type scratch struct {
	pushes   []hub.Push
	effects  dialect.Effects
	response response
	fields   []byte // of a response, as the engine takes them
	singly   bool   // the carrier wants each message as a frame of its own
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// pushesKept is the most that memory keeps room for.
const pushesKept = 2048

// recycle gives the scratch back.
func (m *scratch) recycle() {
	clear(m.pushes)
	m.pushes = m.pushes[:0]
	m.effects.Reset()
	m.response.reset()
	m.fields = m.fields[:0]
	m.singly = false
	if cap(m.pushes) > pushesKept || cap(m.effects.Frames) > pushesKept {
		*m = scratch{}
	}
	scratches.Put(m)
}
