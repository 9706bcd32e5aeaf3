package transport

import (
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// link is the state of a conversation whose session outlives its carrier.
type link struct {
	seat       *seat       // that it has; nil before connect
	wants      *seat       // that it is going to have, or delivers to; nil for a new one
	connecting *connecting // connect, until it is answered
	clock                  // of a WebSocket
	outdated   int32       // how many held commands come from the connection before
	delivers   bool        // to wants
	isOver     bool        // the session does not go on
}

// connecting is a connect, or a refresh, that is under way.
type connecting struct {
	tag     uint64
	resume  *seat  // to be taken over; nil for none
	isAsked bool   // the Guard is asked about a token
	name    string // what the client says of itself

	isResume bool       // the client wants to go on with a session
	outcome  Resumption // if it can

	// Guarded by the visitor's mutex:
	isKnown bool
	client  *Client
	err     error
	isOver  bool // nobody waits for it any more
}

// link returns the link of a conversation, nil for a conversation that ends with its carrier.
func (c *conversation) link() *link {
	if c.visitor == nil {
		return nil
	}
	return c.visitor.link
}

// linked returns v, which may be nil, with the link.
func (v *visitor) linked(l *link) *visitor {
	if v == nil {
		v = &visitor{isKnown: true}
	}
	v.link = l
	return v
}

// errSessionUnknown is the answer to a request for a session that is not here, see
// Transport.sessionUnknown.
var errSessionUnknown = errors.New("transport: there is no such session here")

// errTakenOver is the answer to a carrier that another one has replaced.
var errTakenOver = &hub.Ended{Code: clientproto.CloseTakenOver, Reason: "the session goes on elsewhere"}

// errResumeByPositions is the answer to a carrier that cannot say where it is.
var errResumeByPositions = &hub.Ended{Code: clientproto.CloseSessionUnknown, Reason: "connect again, with the positions that you have"}

// claimLinked begins a conversation on a carrier for a session that exists, unless its client
// has gone on meanwhile.
func (c *conversation) claimLinked(m *scratch) {
	wanted := claim{by: c, acknowledged: c.dialect.(*dialect.Session).Acknowledged()}
	if _, isLate := c.link().wants.claim(wanted); isLate {
		c.refuseLinked(errResumeByPositions, m)
		return
	}
	c.beginLinked(m)
}

// beginLinked begins a conversation on a carrier for a session that exists, as soon as
// its seat is free.
func (c *conversation) beginLinked(m *scratch) {
	l := c.link()
	left, done, isRefused := l.wants.takeOver(c)
	switch {
	case !done:
		return // it wakes
	case isRefused:
		c.refuseLinked(l.wants.refusal(), m)
		return
	}
	d := c.dialect.(*dialect.Session)
	d.Adopt(left.dialect, false)
	l.wants.settle(d)
	l.seat, l.wants = l.wants, nil
	c.session = l.seat.session
	left.visitor.begin(c.wake)
	left.visitor.link = l
	l.connecting, l.outdated = left.refreshing, left.outdated
	c.visitor = left.visitor
	c.adopt(&left)
	c.dialect.Begin(time.Now(), &m.effects)
	c.perform(m)
	c.wake() // there may be something already
}

// refuseLinked answers a request that concerns a session which it cannot have.
func (c *conversation) refuseLinked(err error, m *scratch) {
	c.link().wants = nil
	c.dialect.(*dialect.Session).Refuse(err, &m.effects)
}

// connect begins a session, or resumes an earlier session of its client.
func (c *conversation) connect(command *dialect.Command, m *scratch) {
	l := c.link()
	l.connecting = &connecting{tag: command.Tag, name: command.Client}
	if r := command.Resume; r.Session != "" {
		l.connecting.isResume, l.connecting.outcome = true, SessionResumed
		if s := c.t.findSeat(r.Session, r.Secret); s != nil {
			isFree, isLate := s.claim(claim{by: c, isConnect: true, connect: command.Tag})
			if !isLate {
				l.connecting.resume = s
			}
			if !isLate && !isFree {
				l.connecting.outcome = SessionTakenOver
			}
		} else if node := nodeOf(r.Secret); c.t.o.Elsewhere != nil && node != "" && node != c.t.o.Node {
			c.t.o.Elsewhere(strings.Clone(node), strings.Clone(r.Session), strings.Clone(r.Secret))
		}
	}
	c.showToken(command.Token)
	c.proceed(m)
}

// refresh shows a new token.
func (c *conversation) refresh(command *dialect.Command, m *scratch) {
	c.link().connecting = &connecting{tag: command.Tag}
	c.showToken(command.Token)
	c.proceed(m)
}

// showToken asks the Guard for the holder of a token, where something is guarded.
func (c *conversation) showToken(token string) {
	v, o := c.visitor, c.visitor.link.connecting
	if token == "" || v.client == nil {
		return
	}
	guard, ok := v.guard.(TokenGuard)
	if !ok {
		o.isKnown, o.err = true, &access.Refusal{Cause: access.Unauthenticated, Reason: "tokens are shown with the request here"}
		return
	}
	o.isAsked = true
	guard.IdentifyToken(v.client, token, func(client *Client, err error) {
		v.mu.Lock()
		isLate := v.hasEnded || o.isOver
		if !isLate {
			o.isKnown, o.client, o.err = true, client, err
		}
		wake := v.wake
		v.mu.Unlock()
		switch {
		case isLate && client != nil:
			guard.Leave(client)
		case !isLate && wake != nil:
			wake()
		}
	})
}

// proceed goes on with connect or refresh as far as it can now.
func (c *conversation) proceed(m *scratch) {
	v := c.visitor
	l := v.link
	o := l.connecting
	v.mu.Lock()
	isKnown, client, err := o.isKnown, o.client, o.err
	o.client = nil
	v.mu.Unlock()
	switch {
	case o.isAsked && !isKnown:
		return
	case err != nil:
		c.connected(&dialect.Connected{Tag: o.tag, Err: c.t.refusalOf(err)}, m)
		return
	case client != nil && l.seat != nil && !isSameUser(client.Identity, v.client.Identity):
		v.guard.Leave(client)
		c.connected(&dialect.Connected{Tag: o.tag, Err: &access.Refusal{Cause: access.Denied, Reason: "the token is of another user; a session stays with its user"}}, m)
		return
	case client != nil:
		v.become(client)
	}
	if l.seat != nil { // a refresh
		if client != nil {
			c.session.SetIdentity(client.Identity)
		}
		c.connected(&dialect.Connected{Tag: o.tag, Expires: expiresAt(v.identity())}, m)
		return
	}
	if o.resume != nil {
		if !c.resume(o) {
			return // it wakes
		}
		if l.seat != nil {
			l.seat.introduce(o.name)
			c.t.observe.resumed(l.seat.session.ID(), o.outcome)
			c.connected(c.greeting(o.tag, true), m)
			return
		}
	}
	if o.isResume && c.t.isMoving.Load() {
		c.connected(&dialect.Connected{Tag: o.tag, Err: c.t.sessionUnknown()}, m)
		return
	}
	seat, err := c.t.newSeat(c)
	if err != nil {
		c.connected(&dialect.Connected{Tag: o.tag, Err: err}, m)
		return
	}
	l.seat, c.session = seat, seat.session
	seat.introduce(o.name)
	if o.isResume {
		c.t.observe.resumed(seat.session.ID(), SessionUnknown)
	}
	seat.noteConnect(o.tag, 1)
	c.connected(c.greeting(o.tag, false), m)
}

// resume takes over the session that the client has had. It reports false while it has
// to wait; when it is done the conversation has the seat, or it cannot have it.
func (c *conversation) resume(o *connecting) (done bool) {
	left, done, isRefused := o.resume.takeOver(c)
	if !done {
		return false
	}
	seat := o.resume
	o.resume = nil
	if isRefused {
		return true
	}
	v, old := c.visitor, left.visitor
	before := old.identity()
	if old == nil { // nobody has had it here, see ImportSessions
		before = seat.session.Identity()
	}
	if (v.client == nil) != (before == nil) || v.client != nil && !isSameUser(v.client.Identity, before) {
		// It is the session of another client, whatever its secret says.
		seat.leave(left)
		return true
	}
	seat.session.Suspend()
	if v.client != nil {
		seat.session.SetIdentity(v.client.Identity)
	}
	if old != nil {
		if v.client != nil {
			old.become(v.client)
			v.client = nil
		}
		old.drop(left.refreshing)
		old.begin(c.wake)
		old.link = v.link
		c.visitor = old
		c.visitor.link.outdated = int32(len(old.held))
	} else {
		v.hold(left.registrations())
		v.keep()
	}
	c.visitor.link.seat, c.session = seat, seat.session
	d := c.dialect.(*dialect.Session)
	d.Adopt(left.dialect, true)
	seat.settle(d)
	seat.noteConnect(o.tag, d.Pages()+1)
	c.adopt(&left)
	c.wake() // there may be something already
	return true
}

// adopt takes over the unfinished work of the conversation before.
func (c *conversation) adopt(left *leftBehind) {
	c.asks = len(c.visitor.held) > 0
	if left.settled == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := left.settled
	for last.next != nil {
		last = last.next
	}
	last.next, c.settled = c.settled, left.settled
}

// isOutdated reports whether a held command comes from a connection before the one that
// has resumed the session, and is not done any more: its client has said since what it
// wants. A command for a single act is done all the same.
func (l *link) isOutdated(command *dialect.Command) bool {
	if l == nil || l.outdated == 0 {
		return false
	}
	l.outdated--
	switch command.Kind {
	case hub.CommandSubscribe, hub.CommandUnsubscribe, hub.CommandHistory, hub.CommandPresence:
		return true
	}
	return false
}

// greeting is the reply to a connect that was successful.
func (c *conversation) greeting(tag uint64, isResumed bool) *dialect.Connected {
	seat := c.link().seat
	id := c.visitor.identity()
	o := &dialect.Connected{
		Tag: tag, Session: seat.session.ID(), Secret: c.t.shown(&seat.secret), IsResumed: isResumed,
		Expires: expiresAt(id),
	}
	if id != nil {
		o.User = id.User
	}
	return o
}

// connected tells the dialect what became of connect or refresh.
func (c *conversation) connected(o *dialect.Connected, m *scratch) {
	c.link().connecting = nil
	c.visitor.keep()
	m.effects.Commands = m.effects.Commands[:0] // they are held, or done
	c.dialect.(*dialect.Session).Connected(time.Now(), o, &m.effects)
	c.visitor.hold(m.effects.Commands)
	c.visitor.keep()
	m.effects.Commands = m.effects.Commands[:0]
	c.wake() // a poll is answered by take
}

// become makes the client another one, of the same conversation.
func (v *visitor) become(client *Client) {
	v.mu.Lock()
	old := v.client
	v.client = client
	v.mu.Unlock()
	if old != nil {
		v.guard.Leave(old)
	}
}

// drop forgets a refresh, or a connect, that is under way.
func (v *visitor) drop(o *connecting) {
	if o == nil {
		return
	}
	v.mu.Lock()
	client := o.client
	o.client, o.isOver = nil, true
	v.mu.Unlock()
	if client != nil {
		v.guard.Leave(client)
	}
}

func isSameUser(a, b *access.Identity) bool {
	return a.User == b.User && (a.User != "" || a.Kind == b.Kind)
}

func expiresAt(id *access.Identity) (t time.Time) {
	if id != nil {
		t = id.Expires
	}
	return t
}

// takeLinked does what has come for a conversation whose session outlives its carrier.
// It reports whether the conversation goes on.
func (c *conversation) takeLinked(m *scratch) bool {
	l := c.link()
	if l.wants != nil && !l.delivers {
		c.beginLinked(m)
		return false
	}
	if l.connecting != nil {
		c.proceed(m)
	}
	if l.seat == nil || !l.seat.news.Load() {
		return true
	}
	frames, isClaimed := l.seat.attend()
	for i, frame := range frames {
		if m.effects.Closing != nil || isClaimed || c.isBusy() {
			l.seat.putBack(frames[i:])
			break
		}
		c.follow()
		c.dialect.Receive(time.Now(), dialect.Frame{Data: frame}, &m.effects)
		c.perform(m)
	}
	if !isClaimed {
		return true
	}
	c.dialect.(*dialect.Session).Leave(&m.effects)
	c.letGo()
	return false
}

// letGo leaves the seat to the next conversation.
func (c *conversation) letGo() {
	l := c.link()
	seat := l.seat
	d := c.dialect.(*dialect.Session)
	left := leftBehind{dialect: d, visitor: c.visitor, resumes: !d.IsPolled(), refreshing: l.connecting, outdated: l.outdated}
	c.mu.Lock()
	left.settled, c.settled = c.settled, nil
	c.mu.Unlock()
	l.seat, l.connecting, c.session = nil, nil, nil
	c.visitor = (&visitor{isKnown: true}).linked(l)
	seat.leave(left)
}

// closeLinked is close for a conversation whose session outlives its carrier.
func (c *conversation) closeLinked() {
	l := c.link()
	l.stop()
	if l.wants != nil {
		l.wants.withdraw(c)
	}
	if o := l.connecting; o != nil && o.resume != nil {
		o.resume.withdraw(c)
	}
	switch {
	case l.seat == nil:
		c.visitor.drop(l.connecting)
		c.visitor.leave()
	case l.isOver, l.seat.session.HasEnded():
		l.seat.end()
		c.visitor.drop(l.connecting)
		c.visitor.leave()
	default:
		c.letGo()
	}
}

// wakeForInbox has the conversation come back for commands that were delivered while it
// was busy, if it is not any more.
func (c *conversation) wakeForInbox() {
	if l := c.link(); l != nil && l.seat != nil && l.seat.news.Load() && !c.isBusy() {
		c.wake()
	}
}

// isClaimed reports whether another conversation waits for the seat of this one.
func (c *conversation) isClaimed() bool {
	l := c.link()
	return l != nil && l.seat != nil && l.seat.isClaimed()
}

// isClaimed reports whether a conversation waits for the seat.
func (s *seat) isClaimed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claimant != nil
}
