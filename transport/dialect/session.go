package dialect

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Session is godwit.v1 (docs/protocol.md): many channels on one connection, whatever
// carries it. The first command is connect; what the client sends behind it waits until
// it is answered.
//
//	frames ─► Receive ─► commands ─► ask ─► Command
//	          frames ◄── replies ◄── Push ◄─ outcomes
//	                 ◄── pushes  ◄── Push ◄─ publications, gaps, members
//
// What it knows of its client, besides what the hub does, is a few numbers: it moves to
// another carrier with Adopt.
type Session struct {
	framing *framing
	options *SessionOptions
	opened  int64 // in nanoseconds of Unix time
	phase   phase
	looked  looked // when the delay was looked at last
	notice  notice // how long before the identity expires the client is told
	drawnAt int32  // see SessionOptions.Reconnect

	resumed  uint64    // the ID of the connect with which the session went on, 0 if it is new
	messages string    // the channel of the user's own messages, "" for none
	deltas   deltas    // nil without any
	pages    uint64    // the number of the newest page of polls before, of a carrier that is none
	due      time.Time // when Expire has something to do
	expires  instant   // when the identity does; zero for never, or once the client was told
	poll     *pages    // of a carrier that is a long poll
	patterns *patterns // those it is subscribed to; nil if there were none
	early    *early    // nil for a session that is connected and idle

	// Written by the carrier, and read by State from anywhere:
	newest atomic.Uint64          // the newest ID of a command
	recent atomic.Pointer[recent] // replies to commands that must not be done twice; nil without any
	begin  atomic.Pointer[string] // the position where the user's own messages began; nil if they have not
}

// phase is how far the conversation has come.
type phase uint8

const (
	phaseNew        phase = iota // connect has not come
	phaseConnecting              // it has, and is not answered
	phaseConnected
)

// NewSession returns the dialect of a session over a WebSocket, before Agree has set
// its kind of frames.
func NewSession(o *SessionOptions) *Session {
	return &Session{framing: &socketFraming, options: o}
}

// NewSessionEvents returns the dialect of a session over Server-Sent Events, and
// NewSessionLines over a line of JSON each. content are commands that came with the
// request; SetContent replaces it.
func NewSessionEvents(o *SessionOptions) *Session {
	return &Session{framing: &eventFraming, options: o}
}

// NewSessionLines is described at NewSessionEvents.
func NewSessionLines(o *SessionOptions) *Session {
	return &Session{framing: &lineFraming, options: o}
}

// NewSessionPoll returns the dialect of a session over long polling: the answer is
// whole, and comes when there is something, or after wait.
func NewSessionPoll(o *SessionOptions, wait time.Duration) *Session {
	return &Session{framing: &pollFraming, options: o, poll: &pages{wait: wait}}
}

// Acknowledge says that the client has received the pages of a poll up to a number.
func (s *Session) Acknowledge(number uint64) { s.needEarly().acknowledged = number }

// Acknowledged is what Acknowledge was called with, until Begin; 0 for nothing.
func (s *Session) Acknowledged() uint64 {
	if s.early == nil {
		return 0
	}
	return s.early.acknowledged
}

// Pages is the number of the newest page of polls that was sent, on this connection or one before.
func (s *Session) Pages() uint64 { return s.page() }

// Transport implements Dialect.
func (s *Session) Transport() string { return "session" }

// SetContent gives the session the commands of its request, which it keeps.
func (s *Session) SetContent(content []byte) { s.needEarly().content = content }

// Agree tells what the handshake of a WebSocket has agreed on.
func (s *Session) Agree(subprotocol string, isCompressed bool) {
	switch {
	case subprotocol == SubprotocolCBOR:
		s.framing = &cborFraming // which are sent as they are: there is little to compress
	case isCompressed:
		s.framing = &compressedFraming
	}
}

// Subprotocols returns the subprotocols of a session's WebSocket.
func (s *Session) Subprotocols() []string { return SessionSubprotocols }

// SessionSubprotocols are the subprotocols of sessions, the preferred one first. A
// client that offers none speaks the first.
var SessionSubprotocols = []string{"godwit.v1", SubprotocolCBOR}

// SubprotocolCBOR is the subprotocol of sessions whose objects are CBOR (docs/protocol.md §10).
const SubprotocolCBOR = "godwit.v1.cbor"

// IsPolled reports whether the session is between two long polls when its carrier has
// answered.
func (s *Session) IsPolled() bool { return s.framing.carried == carriedPoll }

// Adopt makes the session go on where old was, on the carrier of s. isResumed says that
// the client begins with commands that say where it is; else nothing is missing between
// the two.
func (s *Session) Adopt(old *Session, isResumed bool) {
	connect := s.newest.Load()
	// Pages are counted on, or a poll that comes late would acknowledge one of a newer
	// connection.
	s.setPage(old.page())
	s.newest.Store(max(connect, old.newest.Load()))
	s.recent.Store(old.recent.Load())
	s.expires, s.notice = old.expires, old.notice
	if isResumed {
		s.resumed = connect
		if s.messages == "" {
			if begin := old.begin.Load(); begin != nil {
				s.messages = *begin // the client has had none since then
			}
		}
		return
	}
	s.messages, s.resumed, s.patterns = old.messages, old.resumed, old.patterns
	s.begin.Store(old.begin.Load())
	s.phase = phaseConnected
	s.deltas = old.deltas // the client has had everything up to here, or is given it first
	if old.poll == nil {
		return
	}
	e := s.needEarly()
	isMissing := e.acknowledged != old.poll.number
	switch {
	case s.poll != nil:
		s.poll.pending = old.poll.pending
		if isMissing {
			s.poll.sent = old.poll.sent
		}
	case isMissing:
		e.backlog = append(old.poll.sent, old.poll.pending...)
	default:
		e.backlog = old.poll.pending
	}
}

// Begin opens the conversation, in which the client's identity and rights are settled.
func (s *Session) Begin(now time.Time, out *Effects) {
	s.opened = now.UnixNano()
	switch s.framing.carried {
	case carriedSocket:
		out.Answer = &Answer{Status: 101}
	case carriedStream:
		out.Answer = &Answer{Status: 200, ContentType: s.framing.contentType}
		out.Frames = append(out.Frames, s.framing.opening)
	case carriedPoll:
		s.poll.begin(now, out)
	}
	var e early
	if s.early != nil {
		e, s.early = *s.early, nil
	}
	for _, object := range e.backlog {
		s.send(object, out)
	}
	if s.phase == phaseNew {
		s.due = now.Add(s.options.ConnectTimeout)
	} else {
		s.rest(now)
	}
	s.Receive(now, Frame{Binary: s.framing.isCBOR, Data: e.content}, out)
}

// Receive takes commands, one on each line, or items of CBOR.
func (s *Session) Receive(now time.Time, f Frame, out *Effects) {
	s.receive(now, f, out)
	s.answerReplies(now, out)
}

func (s *Session) receive(now time.Time, f Frame, out *Effects) {
	if s.framing.isCBOR && !f.Binary {
		s.close(clientproto.CloseUnsupportedData, "godwit.v1.cbor is binary messages", out)
		return
	}
	if f.Binary && !s.framing.isCBOR { // docs/protocol.md §3.1
		s.close(clientproto.CloseUnsupportedData, "commands are JSON, in text messages", out)
		return
	}
	data := f.Data
	for len(data) > 0 && out.Closing == nil {
		if s.phase == phaseConnecting {
			e := s.needEarly()
			e.waiting = append(e.waiting, bytes.Clone(data))
			return
		}
		var c clientproto.Command
		var err error
		if s.framing.isCBOR {
			c, data, err = clientproto.ParseCommandCBOR(data)
		} else {
			var line []byte
			line, data, _ = bytes.Cut(data, []byte{'\n'})
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue // a heartbeat of the client
			}
			c, err = clientproto.ParseCommand(line)
		}
		if err != nil {
			var wrong *clientproto.SyntaxError
			errors.As(err, &wrong)
			s.refuse(wrong.ID, clientproto.ProblemCommand, wrong.Detail, out)
			continue
		}
		s.ask(now, &c, out)
	}
}

// ask does a command.
func (s *Session) ask(now time.Time, c *clientproto.Command, out *Effects) {
	switch {
	case c.Verb == clientproto.Connect && s.phase == phaseConnected:
		s.refuse(c.ID, clientproto.ProblemConnected, "this session is connected already; to show a new token use refresh", out)
		return
	case c.Verb != clientproto.Connect && s.phase == phaseNew:
		s.refuse(c.ID, clientproto.ProblemNotConnected, "the first command is connect, such as {\"id\":1,\"connect\":{}}", out)
		return
	case c.Verb == clientproto.Connect:
		s.phase = phaseConnecting
		if c.NoMessages {
			s.messages = noMessages
		} else if c.Messages != "" {
			s.messages = c.Messages // where they go on, until the channel is known
		}
		s.newest.Store(c.ID)
		out.Commands = append(out.Commands, Command{Kind: CommandConnect, Tag: c.ID, Token: c.Token, Client: c.Client, Resume: c.Resume})
		return
	}
	newest := s.newest.Load()
	if c.ID != 0 && c.ID <= newest && s.isOld(c, out) {
		return
	}
	if c.ID > newest {
		s.newest.Store(c.ID)
	}
	s.do(now, c, out)
}

// do hands in a command of a session that is connected.
func (s *Session) do(now time.Time, c *clientproto.Command, out *Effects) {
	command := Command{Tag: c.ID, Channel: c.Channel}
	switch c.Verb {
	case clientproto.Subscribe:
		command.Kind, command.Action = hub.CommandSubscribe, access.Subscribe
		command.Subscribe = hub.SubscribeOptions{Since: c.Since, Last: c.Last, ExcludeSelf: c.ExcludeSelf, Rate: c.Rate, Presence: c.WithMembers, PresenceByUser: c.ByUser, Deltas: c.Delta != ""}
		if c.WithMembers {
			command.Also = access.Presence
		}
		if !s.beginPattern(c, &command, out) {
			return
		}
	case clientproto.Unsubscribe:
		command.Kind = hub.CommandUnsubscribe
		command.Tag = tagOf(c)
	case clientproto.Publish:
		command.Kind, command.Action = hub.CommandPublish, access.Publish
		command.Message = hub.Message{Channel: c.Channel, Kind: c.Kind, Data: c.Data, IdempotencyKey: c.Idempotency}
		if c.Event != "" || c.Key != "" || c.Exclude != "" {
			command.Message.Attributes = &hub.Attributes{Event: c.Event, Key: c.Key, Exclude: c.Exclude}
			command.Chosen = c.Exclude != ""
		}
		s.note(c.ID, true)
	case clientproto.History:
		command.Kind, command.Action = hub.CommandHistory, access.History
		command.Query = hub.Query{Since: c.Since, Last: c.Last, Limit: c.Limit}
	case clientproto.Presence:
		command.Kind, command.Action = hub.CommandPresence, access.Presence
		command.Presence = hub.PresenceQuery{After: c.Cursor, Limit: c.Limit, ByUser: c.ByUser, CountOnly: c.CountOnly}
	case clientproto.Digest:
		command.Kind, command.Action = hub.CommandHistory, access.History
		command.Query = hub.Query{Last: max(1, min(c.Last, DigestMax)), Limit: DigestMax}
		if c.Last == 0 {
			command.Query.Last = DigestMax
		}
		command.Tag |= tagDigest
	case clientproto.RPC:
		command.Kind, command.Action, command.Channel = hub.CommandCall, access.Call, c.Method
		command.Call = hub.Call{Method: c.Method, Kind: c.Kind, Data: c.Data, Timeout: c.Timeout}
		s.note(c.ID, false)
	case clientproto.Cancel:
		command.Kind, command.Target = CommandCancel, c.Target
	case clientproto.Register:
		command.Kind, command.Action, command.Channel = hub.CommandRegister, access.Answer, c.Method
		command.Register = hub.RegisterOptions{ConcurrentMax: c.Concurrency}
	case clientproto.Unregister:
		command.Kind, command.Channel = hub.CommandUnregister, c.Method
	case clientproto.Answer:
		command.Kind, command.Target = hub.CommandAnswer, c.Target
		if f := c.Failure; f != nil {
			command.Failure = &hub.CallError{Type: f.Type, Title: f.Title, Detail: f.Detail, Data: f.Data}
		} else {
			command.Call = hub.Call{Kind: c.Kind, Data: c.Data}
		}
		s.note(c.ID, false)
	case clientproto.Refresh:
		command.Kind, command.Token = CommandRefresh, c.Token
	case clientproto.Ping:
		s.reply(c.ID, out, nil)
		s.redraw(out)
		s.tellVectors(now, true, out)
		return
	case clientproto.End:
		s.reply(c.ID, out, nil)
		s.finish(&Closing{End: EndClient, Code: clientproto.CloseNormal, Reason: "ended by the client", IsLast: true}, out)
		return
	default:
		s.refuse(c.ID, clientproto.ProblemNotSupported, c.Verb.String()+" is not supported here", out)
		return
	}
	out.Commands = append(out.Commands, command)
}

// Connected takes the outcome of CommandConnect and CommandRefresh.
func (s *Session) Connected(now time.Time, o *Connected, out *Effects) {
	if s.phase == phaseConnected { // of a refresh
		if o.Err != nil {
			s.fail(o.Tag, o.Err, out)
			s.answerReplies(now, out)
			return
		}
		s.expiresAt(now, o.Expires)
		s.rest(now)
		s.reply(o.Tag, out, func(w writer) writer { w.expiry(now, o.Expires); return w })
		s.answerReplies(now, out)
		return
	}
	if o.Err != nil {
		s.fail(o.Tag, o.Err, out)
		s.End(o.Err, out)
		return
	}
	s.phase = phaseConnected
	s.expiresAt(now, o.Expires)
	s.reply(o.Tag, out, func(w writer) writer { s.connected(&w, now, o); return w })
	s.subscribeMessages(o.User, out)
	var e early
	if s.early != nil {
		e, s.early = *s.early, nil
	}
	for _, frame := range e.waiting {
		if out.Closing == nil {
			s.receive(now, Frame{Binary: s.framing.isCBOR, Data: frame}, out)
		}
	}
	s.rest(now)
	s.answerReplies(now, out)
}

// noMessages stands in Session.messages for a client that wants none.
const noMessages = "\x00"

// subscribeMessages subscribes to the channel of the user.
func (s *Session) subscribeMessages(user string, out *Effects) {
	since := s.messages
	s.messages = ""
	if user == "" || since == noMessages {
		return
	}
	channel, err := access.UserChannel(user)
	if err != nil {
		return // it is too long to be a channel's
	}
	s.messages = channel
	command := Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: tagMessages, Channel: s.messages}
	if since != s.messages {
		position, err := hub.ParsePosition(since)
		if err != nil && since != "" {
			position = hub.Position{Epoch: LostEpoch} // what cannot be read is announced as a gap
		}
		command.Subscribe.Since = position
	}
	out.Commands = append(out.Commands, command)
}

// Push replies, and pushes.
func (s *Session) Push(now time.Time, pushes []hub.Push, out *Effects) {
	before := len(out.Frames) + len(out.Messages)
	for i := range pushes {
		switch p := &pushes[i]; {
		case p.Delivery != nil:
			s.patterns.note(p)
			s.deliver(p, out)
		case p.Run != nil:
			s.deliverRun(p, out)
		case p.Gap != nil:
			s.patterns.note(p)
			s.lose(p, out)
		case p.Changes != nil:
			for _, object := range s.framing.encoded(p.Changes) {
				s.send(object, out)
			}
		case p.Behind != nil:
			s.tellBehind(p, out)
		case p.Call != nil:
			s.call(now, p.Call, out)
		case p.Outcome != nil:
			s.settle(p.Outcome, out)
		}
		if out.Closing != nil {
			break
		}
	}
	if len(pushes) > 0 && out.Closing == nil {
		s.tellVectors(now, false, out)
		if at := lookedAt(now); at != s.looked && s.phase == phaseConnected { // a session that is never silent has no heartbeat or ping to go with
			s.redraw(out)
			s.looked = at
		}
	}
	if s.poll != nil {
		if len(pushes) == 0 && now.Before(s.poll.until) {
			s.linger(now, out)
			return
		}
		s.answerPoll(now, out)
	} else if len(out.Frames)+len(out.Messages) > before {
		s.rest(now)
	}
}

// rest says when Expire has something to do, after something was sent.
func (s *Session) rest(now time.Time) {
	s.due = time.Time{}
	if s.framing.carried == carriedStream {
		s.due = now.Add(s.options.Heartbeat)
	}
	if s.poll != nil {
		s.due = s.poll.until
	}
	if s.expires != 0 {
		if at := s.tellsExpiring(); s.due.IsZero() || at.Before(s.due) {
			s.due = at
		}
	}
}

// Deadline is when a heartbeat is due, or the client is told that its token ends.
func (s *Session) Deadline() time.Time { return s.due }

// Expire acts on the deadlines that have passed.
func (s *Session) Expire(now time.Time, out *Effects) {
	if s.phase == phaseNew {
		s.refuse(0, clientproto.ProblemNotConnected, "no connect came", out)
		s.close(clientproto.CloseConnectTimeout, "no connect came in time", out)
		return
	}
	if s.expires != 0 && !now.Before(s.tellsExpiring()) {
		s.sendObject(out, func(w writer) writer { w.after(clientproto.KeyExpiring, s.expires.time().Sub(now)); return w })
		s.expires = 0
	}
	switch {
	case s.poll != nil:
		s.tellVectors(now, true, out)
		s.answerPoll(now, out)
	case s.framing.carried == carriedStream && len(out.Frames) == 0:
		s.redraw(out)
		if s.tellVectors(now, true, out); len(out.Frames) == 0 {
			out.Frames = append(out.Frames, s.framing.heartbeat)
		}
	}
	s.rest(now)
}
