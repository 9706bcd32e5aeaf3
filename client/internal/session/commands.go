package session

import (
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// command is a command that a caller waits for. ID is 0 until it was sent.
type command struct {
	clientproto.Command
	ticket uint64
	isSent bool // on this connection
}

// isWindowed reports whether the server bounds how many there are without a reply.
func (c *command) isWindowed() bool {
	return c.Verb == clientproto.Publish || c.Verb == clientproto.RPC || c.Verb == clientproto.Answer
}

// Do sends a command of a caller: Publish, which must have an idempotency key, RPC, History, Presence
// or Digest. Its outcome has the ticket. While there is no connection it waits for one.
func (m *Machine) Do(c clientproto.Command, ticket uint64) {
	waiting := &command{Command: c, ticket: ticket}
	switch {
	case m.state == Ended:
		m.outcome(waiting, nil, m.err)
		return
	case len(m.commands) >= WaitingMax && c.Verb != clientproto.Answer:
		m.outcome(waiting, nil, ErrTooMany)
		return
	}
	m.commands = append(m.commands, waiting)
	m.flush(nil)
}

// Cancel gives up a command, whose outcome is not wanted any more.
func (m *Machine) Cancel(ticket uint64) {
	i := slices.IndexFunc(m.commands, func(c *command) bool { return c.ticket == ticket })
	if i < 0 {
		return
	}
	c := m.commands[i]
	m.remove(i)
	if c.isSent && c.Verb == clientproto.RPC {
		m.send(&clientproto.Command{Verb: clientproto.Cancel, Target: c.ID})
	}
	m.flush(nil)
}

func (m *Machine) remove(i int) {
	c := m.commands[i]
	m.commands = slices.Delete(m.commands, i, i+1)
	if c.isSent && c.isWindowed() {
		m.window--
	}
}

// flush sends commands that were not sent on this connection, in order. Without may it
// does so only while the session is open.
func (m *Machine) flush(may func(*command) bool) {
	if m.state != Open && (may == nil || m.state != Opening) {
		return
	}
	for _, c := range m.commands {
		switch {
		case c.isSent || may != nil && !may(c):
			continue
		case c.isWindowed() && m.window >= windowMax:
			return // those behind it wait, too, so that the order stays
		}
		c.isSent = true
		if c.isWindowed() {
			m.window++
		}
		if c.ID == 0 || !c.isWindowed() {
			m.id++
			c.ID = m.id
		}
		m.line(&c.Command)
	}
}

func (m *Machine) outcome(c *command, ok json.RawMessage, err error) {
	m.effects.Outcomes = append(m.effects.Outcomes, Outcome{Ticket: c.ticket, OK: ok, Err: err})
}

// Receive takes one line that the server has sent, which is kept. An error says that it is no Godwit
// server, and that the carrier is of no use.
func (m *Machine) Receive(now time.Time, line []byte) error {
	if m.state != Opening && m.state != Open {
		return nil // it came too late
	}
	o, err := parseObject(line)
	if err != nil {
		return err
	}
	m.heard = now
	if m.pinged != 0 {
		m.pinged = 0 // anything shows that the server is there
	}
	switch {
	case o.End != nil:
		m.end(now, o.End)
	case o.ID != 0:
		m.reply(now, o)
	case o.Error != nil: // of a command without an ID, which there are none of
		m.err = o.Error
	case o.Channel != "":
		msg, err := o.message(line)
		if err != nil {
			return err
		}
		m.publication(msg)
	case o.Gap != nil:
		m.gap(o.Gap.gap())
	case o.Behind != nil:
		m.behind(o.Behind)
	case o.Message != nil:
		msg, err := ParseMessage(o.Message)
		if err != nil {
			return err
		}
		if isBehind(m.messages, msg.Position) {
			m.messages, m.userChannel = msg.Position, msg.Channel
			m.effects.Events = append(m.effects.Events, Delivery{Message: msg})
		}
	case o.Join != nil:
		m.members(o.Join.changes(true, false))
	case o.Leave != nil:
		m.members(o.Leave.changes(false, true))
	case o.Presence != nil:
		m.members(o.Presence.changes(false, false))
	case o.Vector != nil:
		if s := m.find(o.Vector.Channel); s != nil && s.isActive {
			s.vector = o.Vector.Vector
		}
	case o.Subscribed != nil:
		m.subscribed(o.Subscribed)
	case o.Unsubscribed != nil:
		if s := m.find(o.Unsubscribed.Channel); s != nil {
			var err error = o.Unsubscribed.Error
			if o.Unsubscribed.Error == nil {
				err = errors.New("the server has ended the subscription")
			}
			s.asked, s.isActive = 0, false // it has no need to be told
			m.endSubscription(s, err)
		}
	case o.Call != nil:
		return m.called(o.Call)
	case o.CallOver != nil:
		m.callOver(o.CallOver)
	case o.Unregistered != nil:
		m.unregistered(o.Unregistered)
	case o.Reconnect != nil:
		m.advised = time.Duration(o.Reconnect.AfterMS) * time.Millisecond
	case o.Expiring != nil:
		m.fetch(TokenExpired)
	}
	return nil
}

func (o *membersObject) changes(joined, left bool) *Members {
	c := &Members{Channel: o.Channel, Version: o.Version, Previous: o.Previous, Count: o.Count}
	if joined {
		c.Joined = o.Members
	}
	if left {
		c.Left = o.Members
	}
	return c
}

// subscribed says where the messages to the user begin, or that a back end has subscribed
// the session to a channel without a request from here.
func (m *Machine) subscribed(o *channelObject) {
	if len(o.Channel) > 0 && o.Channel[0] == '@' && m.find(o.Channel) == nil {
		m.userChannel = o.Channel
		if m.messages.IsZero() {
			m.messages = o.Position
		}
	}
}

// connectReply is what the reply to `connect` says.
type connectReply struct {
	Session        string      `json:"session"`
	Secret         string      `json:"secret"`
	User           string      `json:"user"`
	Resumed        bool        `json:"resumed"`
	Reconnect      delayObject `json:"reconnect"`
	PingMS         int64       `json:"ping_ms"`
	ExpiresAfterMS int64       `json:"expires_after_ms"`
}

type subscribeReply struct {
	Position hub.Position `json:"position"`
	Vector   string       `json:"vector"`
	Count    int          `json:"count"`
}

type refreshReply struct {
	ExpiresAfterMS int64 `json:"expires_after_ms"`
}

// reply is the answer to a command.
func (m *Machine) reply(now time.Time, o *object) {
	switch o.ID {
	case m.connect:
		m.connected(now, o)
		return
	case m.refreshing:
		m.refreshing = 0
		var ok refreshReply
		if o.Error != nil {
			m.fetch(TokenRefused)
		} else if json.Unmarshal(o.OK, &ok) == nil {
			m.expire(now, ok.ExpiresAfterMS)
		}
		return
	}
	for _, s := range m.subs {
		if s.asked != o.ID {
			continue
		}
		if o.Error != nil {
			m.refused(now, s, o.Error)
			return
		}
		var ok subscribeReply
		_ = json.Unmarshal(o.OK, &ok) // what cannot be read is not known
		m.began(s, &ok)
		return
	}
	for _, r := range m.registrations {
		if r.asked == o.ID {
			m.registered(now, r, o.Error)
			return
		}
	}
	i := slices.IndexFunc(m.commands, func(c *command) bool { return c.isSent && c.ID == o.ID })
	if i < 0 {
		return // of a ping, of a command without a waiting caller, or of an earlier connection
	}
	c := m.commands[i]
	m.remove(i)
	if o.Error != nil {
		m.outcome(c, nil, o.Error)
	} else {
		m.outcome(c, o.OK, nil)
	}
	m.flush(nil)
}

// connected is the reply to `connect`.
func (m *Machine) connected(now time.Time, o *object) {
	m.connect = 0
	if o.Error != nil {
		m.err = o.Error // what becomes of it says the end, which follows
		return
	}
	var ok connectReply
	if err := json.Unmarshal(o.OK, &ok); err != nil || ok.Session == "" {
		m.effects.Drop = true
		m.lose(now, errors.New("the reply to connect is not that of godwit.v1"), clientproto.ReconnectDelayed, 0)
		return
	}
	m.resume = clientproto.Resume{Session: ok.Session, Secret: ok.Secret}
	m.user, m.failures, m.tokenTried, m.err = ok.User, 0, false, nil
	if ok.Reconnect.AfterMS > 0 {
		m.advised = time.Duration(ok.Reconnect.AfterMS) * time.Millisecond
	}
	if ok.PingMS > 0 {
		m.ping = time.Duration(ok.PingMS) * time.Millisecond
	}
	m.expire(now, ok.ExpiresAfterMS)
	if !ok.Resumed {
		m.giveUpCalls()
	}
	m.enter(Open)
	if m.isUserBehind {
		m.tellUserBehind(&Behind{})
	}
	m.reconcileAll(ok.Resumed)
	m.flush(nil)
}

// giveUpCalls ends the calls of an earlier session and its answers: this session does not know
// them, so it is not known whether they were done.
func (m *Machine) giveUpCalls() {
	for i := 0; i < len(m.commands); {
		c := m.commands[i]
		isOld := c.Verb == clientproto.Answer || c.Verb == clientproto.RPC && c.ID != 0
		if !isOld || c.isSent {
			i++
			continue
		}
		m.remove(i)
		err := ErrUnknown
		if c.Verb == clientproto.Answer {
			err = ErrCallOver
		}
		m.outcome(c, nil, err)
	}
}

// expire notes when a token ends: it is replaced when four fifths of the time are over.
func (m *Machine) expire(now time.Time, afterMS int64) {
	m.refreshAt = time.Time{}
	if afterMS > 0 {
		m.refreshAt = now.Add(time.Duration(afterMS) * time.Millisecond * 4 / 5)
	}
}

// end is the last object of a connection.
func (m *Machine) end(now time.Time, e *endObject) {
	err := m.err
	if err == nil || m.state == Open {
		err = &EndError{Code: e.Code, Reason: e.Reason}
	}
	what := clientproto.ReconnectNever
	if known, ok := reconnectOfCode(e.Code); ok {
		what = known
	} else if e.Reconnect {
		what = clientproto.ReconnectDelayed
	}
	var after time.Duration
	if p, ok := errors.AsType[*Problem](err); ok {
		after = time.Duration(p.RetryAfterMS) * time.Millisecond
	}
	m.effects.Drop = true
	m.lose(now, err, what, after)
}

// EndError is how the server has ended a session.
type EndError struct {
	Code   uint16 // see docs/codes.md
	Reason string
}

// Error is the reason, or what the code means.
func (e *EndError) Error() string {
	if e.Reason != "" {
		return "the server has ended the session: " + e.Reason
	}
	if known := clientproto.FindCode(e.Code); known != nil {
		return "the server has ended the session: " + known.Meaning
	}
	return "the server has ended the session"
}
