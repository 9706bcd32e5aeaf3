package piesocket

import (
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/wire"
)

// Close codes. Clients look at the message before instead.
const (
	closeBadRequest = 4400
	closeAuth       = 4401
	closeForbidden  = 4403
	closeUnknown    = 4404
	closeTooMany    = 4429
)

// authFailed is what clients are told of every token that does not count.
const authFailed = "Authentication failed, provide valid jwt token."

// refusal is why a connection, or a subscription, is not to be.
type refusal struct {
	code   uint16
	text   string
	reason string // of the close frame, if it says more
}

// Socket is one connection: a dialect.OverSocket. A socket of version 3 has one channel,
// that of its URL; one of version 4 may have others beside it.
type Socket struct {
	protocol     *Protocol
	app          *app.App // nil if the key is unknown
	version      int
	uuid         string // of members that have none of their own
	notifiesSelf bool
	refusal      *refusal
	delay        time.Duration // before it is accepted

	primary  *channel
	channels map[string]*channel // of the hub, by their names there; the ones asked for
	commands map[uint64]pending  // by tag
	lastTag  uint64
	session  string // its ID

	opened    int64 // in nanoseconds of Unix time
	due       time.Time
	held      *dialect.Closing // what happens when it is due
	entered   bool             // it counts for the app
	answered  bool
	delivered int // publications that the app has not counted yet
}

// pending is a command without an outcome.
type pending struct {
	what    act
	channel *channel
}

type act uint8

const (
	identifies act = iota + 1
	subscribes
	subscribesDirect // to messages for the user alone
	unsubscribes
	lists    // the members, for a newcomer
	asks     // for the members, by get_members
	followUp // lists the members for a change, in version 3
)

var (
	_ dialect.OverSocket = (*Socket)(nil)
	_ dialect.Opener     = (*Socket)(nil)
	_ dialect.Leaver     = (*Socket)(nil)
)

// Transport implements dialect.Dialect.
func (s *Socket) Transport() string { return Transport }

// Subprotocols implements dialect.OverSocket: there is none.
func (s *Socket) Subprotocols() []string { return nil }

// Agree implements dialect.OverSocket. Messages are not compressed.
func (s *Socket) Agree(string, bool) {}

// Opened implements dialect.Opener.
func (s *Socket) Opened(session string) { s.session = session }

// Left implements dialect.Leaver.
func (s *Socket) Left() {
	if s.entered {
		s.entered = false
		s.app.Delivered(s.delivered)
		s.app.Leave()
	}
}

// Begin accepts the handshake, or has a client wait that comes back too fast.
func (s *Socket) Begin(now time.Time, out *dialect.Effects) {
	if s.refusal == nil && s.delay > 0 {
		s.due = now.Add(s.delay)
		return
	}
	s.begin(now, out)
}

func (s *Socket) begin(now time.Time, out *dialect.Effects) {
	s.opened = now.UnixNano()
	s.answered = true
	out.Answer = &dialect.Answer{Status: 101}
	if s.refusal == nil && s.isAppGone() { // while the client was waiting
		s.refusal = refuseApp
	}
	if s.refusal != nil {
		s.refuse(s.refusal, out)
		return
	}
	if !s.app.Enter() {
		s.hold(now, &dialect.Closing{End: dialect.EndRefused, Code: closeTooMany, Reason: "the app has as many connections as it may have"})
		return
	}
	s.entered = true
	s.channels, s.commands = make(map[string]*channel), make(map[uint64]pending)
	s.command(dialect.Command{Kind: dialect.CommandIdentify, As: s.primary.as}, pending{identifies, s.primary}, out)
	s.subscribe(s.primary, out)
}

// isAppGone reports whether the app that the client was let in by is there no more.
func (s *Socket) isAppGone() bool { return s.protocol.o.Apps.Current(s.app) == nil }

// refuseApp is for clients of an app that is gone.
var refuseApp = &refusal{code: closeUnknown, text: "the app was removed, or its key or secret have changed"}

// command hands in a command that has an outcome.
func (s *Socket) command(c dialect.Command, p pending, out *dialect.Effects) {
	s.lastTag++
	c.Tag = s.lastTag
	s.commands[c.Tag] = p
	out.Commands = append(out.Commands, c)
}

// hold ends the conversation after a while in which the client is told nothing: a client
// that is told of no error comes back at once, and finds the same.
func (s *Socket) hold(now time.Time, closing *dialect.Closing) {
	s.held, s.due = closing, now.Add(s.protocol.returns.patience())
}

// refuse ends the conversation with an error, after which clients do not come back.
func (s *Socket) refuse(r *refusal, out *dialect.Effects) {
	s.sendError(r.text, true, out)
	reason := r.reason
	if reason == "" {
		reason = r.text
	}
	out.Closing = &dialect.Closing{End: dialect.EndRefused, Code: r.code, Reason: cut(reason)}
}

// sendError tells of an error. In version 3 a final error has a form of its own.
func (s *Socket) sendError(text string, isEnd bool, out *dialect.Effects) {
	var b []byte
	switch {
	case s.version == 4:
		b = append(b, `{"event":"system::error","data":`...)
	case isEnd:
		b = append(b, `{"error":`...)
	default:
		b = append(b, `{"event":"system:error","data":`...)
	}
	b = jsontext.AppendString(b, text)
	s.send(append(b, '}'), out)
}

func (s *Socket) send(text []byte, out *dialect.Effects) {
	out.Frames = append(out.Frames, wire.AppendFrame(nil, true, wire.Text, text))
}

// reasonBytesMax is the room of a close frame for a reason (RFC 6455 §5.5).
const reasonBytesMax = 123

func cut(reason string) string {
	if len(reason) > reasonBytesMax {
		return strings.ToValidUTF8(reason[:reasonBytesMax-len("…")], "") + "…"
	}
	return reason
}

// Push sends the messages that the session is owed.
func (s *Socket) Push(now time.Time, pushes []hub.Push, out *dialect.Effects) {
	if s.held != nil {
		return
	}
	for i := range pushes {
		switch p := &pushes[i]; {
		case p.Delivery != nil:
			s.deliver(p, out)
		case p.Changes != nil:
			s.tellChanges(p.Changes, out)
		case p.Outcome != nil:
			s.settle(now, p.Outcome, out)
		}
		// Gaps and Behind have no word here. Nothing is repeated or out of order.
		if out.Closing != nil || s.held != nil {
			break
		}
	}
	if s.delivered >= deliveredMax {
		s.app.Delivered(s.delivered)
		s.delivered = 0
	}
}

// deliveredMax is how many publications a socket counts by itself.
const deliveredMax = 256

func (s *Socket) deliver(p *hub.Push, out *dialect.Effects) {
	c := s.channels[p.Channel]
	if c == nil {
		return // the server has subscribed the session to it, and clients do not know how
	}
	form := formV3
	switch {
	case s.version == 3:
	case c.direct != nil && c.direct == s.primary:
		form = formDirect
	case c.direct != nil:
		form = formDirectTagged
	case c == s.primary:
		form = formPrimary
	default:
		form = formTagged
	}
	f := form.Of(p.Delivery)
	if f == nil {
		return
	}
	out.Frames = append(out.Frames, f)
	out.Delivered.Add(p.Delivery.Publication, len(f), s.opened)
	s.delivered++
}

// settle takes the outcome of a command.
func (s *Socket) settle(now time.Time, o *hub.Outcome, out *dialect.Effects) {
	if o.Tag == hub.ByServer {
		s.settleByServer(o, out)
		return
	}
	p, ok := s.commands[o.Tag]
	delete(s.commands, o.Tag)
	switch {
	case !ok && o.Command == hub.CommandPublish && o.Err != nil:
		s.sendError(textOf(o.Err), false, out)
	case !ok:
	case p.what == identifies && o.Err != nil:
		s.fail(now, o.Err, out)
	case p.what == subscribes:
		s.subscribed(now, p.channel, o, out)
	case p.what == unsubscribes:
		s.sendChannel("system::unsubscribe_success", p.channel, "", out)
	case p.what == lists || p.what == asks || p.what == followUp:
		s.listed(p, o, out)
	}
}

// settleByServer takes the server's acts on the session.
func (s *Socket) settleByServer(o *hub.Outcome, out *dialect.Effects) {
	c := s.channels[o.Channel]
	if c == nil || o.Command != hub.CommandUnsubscribe {
		return
	}
	if c == s.primary {
		s.refuse(&refusal{code: closeForbidden, text: textOf(o.Err)}, out)
		return
	}
	s.forget(c, out)
	s.sendChannel("system::subscribe_error", c, textOf(o.Err), out)
}

// fail ends the conversation for an error of the hub or of a Guard. What passes is told
// by the end alone, so that clients come back.
func (s *Socket) fail(now time.Time, err error, out *dialect.Effects) {
	var refused *access.Refusal
	closing := dialect.ClosingOf(err)
	switch {
	case errors.As(err, &refused) && (refused.Cause == access.TooMany || refused.Cause == access.Unavailable):
	case refused != nil:
		s.refuse(&refusal{code: closing.Code, text: refused.Reason}, out)
		return
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		out.Closing = closing
		return
	}
	s.hold(now, closing)
}

// End implements dialect.Dialect.
func (s *Socket) End(reason error, out *dialect.Effects) {
	out.Closing = dialect.ClosingOf(reason)
	if !s.answered {
		out.Answer = &dialect.Answer{Err: reason}
		return
	}
	var refused *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.As(reason, &ended) && !ended.Reconnect:
		s.sendError(ended.Reason, true, out)
	case errors.As(reason, &refused) && refused.Cause != access.TooMany && refused.Cause != access.Unavailable:
		s.sendError(refused.Reason, true, out)
	}
}

// Deadline implements dialect.Dialect.
func (s *Socket) Deadline() time.Time { return s.due }

// Expire accepts a client that had to wait, or ends the conversation.
func (s *Socket) Expire(now time.Time, out *dialect.Effects) {
	s.due = time.Time{}
	if s.held != nil {
		out.Closing = s.held
		return
	}
	if !s.answered {
		s.begin(now, out)
	}
}

// textOf returns the text that tells a client of an error.
func textOf(err error) string {
	var refused *access.Refusal
	if errors.As(err, &refused) {
		return refused.Reason
	}
	return strings.TrimPrefix(err.Error(), "hub: ")
}
