package protocol

import (
	"errors"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws/driver"
)

// Transport is the name under which the sockets appear in presence, statistics and
// metrics.
const Transport = "pusher"

// Close codes of the protocol, by which clients decide whether and when they come back.
const (
	CodeUnknownApp     = 4001 // not unchanged
	CodeAppDisabled    = 4003
	CodeOverQuota      = 4004
	CodePath           = 4005
	CodeVersion        = 4006
	CodeUnsupported    = 4007
	CodeNoProtocol     = 4008
	CodeUnauthorized   = 4009
	CodeOverCapacity   = 4100 // after a second or more
	CodeReconnect      = 4200 // at once
	CodeNoPong         = 4201
	codeClientEvents   = 4301 // in pusher:error only: the connection goes on
	codeWatchlistLimit = 4302
)

// pongTimeout is how long a client may take to answer, and what it is given beyond the
// silence after which it was to ping by itself.
const pongTimeout = 30 * time.Second

// Socket is one connection of a client. It is a dialect.OverSocket.
type Socket struct {
	source Source
	meter  Meter // that it has entered, nil while it has not
	opened int64 // in nanoseconds of Unix time

	session  string // of the hub
	id       string // the socket ID, made of it; "" until it is known
	compress bool
	isOpen   bool // the client was told its socket ID
	places   bool // the client has asked for positions

	identity *access.Identity // the client's, as it is known to the hub
	signing  *User            // that wants to sign in
	user     *User            // that has signed in
	data     string           // of the user that wants to sign in, as it was sent

	subs     map[string]*subscription // by channel of the hub
	settling int                      // how many of them have not succeeded yet
	newest   uint64                   // the tag of the newest command
	watching *watching                // nil without a watchlist
	told     map[uint64]*clientEvent  // those under way that the Listener is to be told of
	rate     rate                     // of client events

	heard   time.Time // when the client last said something
	due     time.Time // when it has to have said something
	asked   bool      // it was pinged, and has to answer by then
	counted time.Time // when numbers of subscribers are to be told that wait; zero for never
}

// NewSocket returns the dialect of a connection for the app of source.
func NewSocket(source Source) *Socket { return &Socket{source: source} }

// Transport implements dialect.Dialect.
func (*Socket) Transport() string { return Transport }

// Subprotocols implements dialect.OverSocket. There are none.
func (*Socket) Subprotocols() []string { return nil }

// Agree implements dialect.OverSocket.
func (s *Socket) Agree(_ string, isCompressed bool) { s.compress = isCompressed }

// The tags of commands that are about no subscription.
const (
	tagOpen   = 1 + iota // begins the session
	tagSignIn            // identifies the client
	tagOthers            // and the first of all others
)

// Begin accepts the connection, and begins the session: the client is told its socket ID
// when that is done.
func (s *Socket) Begin(now time.Time, out *dialect.Effects) {
	s.opened, s.newest = now.UnixNano(), tagOthers
	out.Answer = &dialect.Answer{Status: 101}
	app := s.source.App()
	if app == nil {
		s.close(CodeUnknownApp, "App key is unknown", dialect.EndRefused, out)
		return
	}
	s.heard, s.due = now, now.Add(app.ActivityTimeout+pongTimeout)
	s.identity = app.client("", nil)
	out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: tagOpen, As: s.identity})
}

// Opened implements dialect.Opener.
func (s *Socket) Opened(session string) {
	s.session = session
	s.id, _ = SocketID(session)
}

// Left implements dialect.Leaver.
func (s *Socket) Left() {
	if s.meter != nil {
		s.meter.Leave()
		s.meter = nil
	}
}

// establish tells the client that it is connected.
func (s *Socket) establish(app *App, o *hub.Outcome, out *dialect.Effects) {
	switch {
	case o.Err != nil:
		s.End(o.Err, out)
	case s.id == "":
		s.close(CodeReconnect, "the session has no ID that can be a socket ID", dialect.EndFailure, out)
	case !app.Meter.Enter():
		s.close(CodeOverQuota, "The app is over its connection quota", dialect.EndRefused, out)
	default:
		s.meter, s.isOpen = app.Meter, true
		s.send(appendEstablished(nil, s.id, app.ActivityTimeout), out)
	}
}

// Receive takes a message of the client.
func (s *Socket) Receive(now time.Time, f dialect.Frame, out *dialect.Effects) {
	s.heard, s.asked = now, false
	app := s.source.App()
	switch {
	case app == nil:
		s.close(CodeUnauthorized, "The app was removed, or its key or secret have changed", dialect.EndRefused, out)
		return
	case f.Binary:
		out.Closing = &dialect.Closing{End: dialect.EndRefused, Code: clientproto.CloseUnsupportedData, Reason: "messages are JSON, as text"}
		return
	}
	m, err := ParseMessage(f.Data)
	if err != nil {
		s.fail(0, "Invalid message: "+err.Error(), out)
		return
	}
	switch {
	case m.Event == eventPing:
		s.sendShared(&pong, out)
	case m.Event == eventPong:
	case !s.isOpen:
		s.fail(0, "The connection is not established yet: wait for "+eventEstablished, out)
	case m.Event == eventSubscribe:
		s.subscribe(app, m.Data, out)
	case m.Event == eventUnsubscribe:
		s.unsubscribe(app, m.Data, out)
	case m.Event == eventSignIn:
		s.signIn(app, m.Data, out)
	case isOfClient(m.Event):
		s.publish(now, app, &m, out)
	default:
		s.fail(0, "Event "+quoted(m.Event)+" cannot be sent by a client: names begin with client-", out)
	}
}

// Push sends the messages that the session is owed.
func (s *Socket) Push(now time.Time, pushes []hub.Push, out *dialect.Effects) {
	app := s.source.App()
	if app == nil {
		s.close(CodeUnauthorized, "The app was removed, or its key or secret have changed", dialect.EndRefused, out)
		return
	}
	delivered := 0
	for i := range pushes {
		switch p := &pushes[i]; {
		case p.Delivery != nil && s.settling > 0 && s.hold(p):
		case p.Delivery != nil:
			delivered += s.deliver(app, p.Delivery, out)
		case p.Outcome != nil:
			s.settle(now, app, p.Outcome, out)
		case p.Changes != nil:
			s.change(now, app, p, out)
		default:
			// The protocol has no word for a gap: the client hears what comes after it. A
			// history that cannot be read now is tried again.
		}
		if out.Closing != nil {
			return
		}
	}
	s.tellStatuses(out)
	if delivered > 0 {
		app.Meter.Delivered(delivered)
	}
}

// deliver sends a publication.
func (s *Socket) deliver(app *App, d *hub.Delivery, out *dialect.Effects) int {
	forms, size := app.Forms, 0
	switch {
	case s.compress && !s.places:
		m := forms.message.Of(d)
		if m == nil {
			return 0
		}
		out.Messages = append(out.Messages, m)
		size = len(m.Frame())
	default:
		form := forms.frame
		if s.places {
			form = forms.positioned
		}
		f := form.Of(d)
		if f == nil {
			return 0
		}
		s.sendFrame(f, out)
		size = len(f)
	}
	out.Delivered.Add(d.Publication, size, s.opened)
	return 1
}

// settle takes the outcome of a command.
func (s *Socket) settle(now time.Time, app *App, o *hub.Outcome, out *dialect.Effects) {
	switch {
	case o.Tag == tagOpen:
		s.establish(app, o, out)
	case o.Tag == tagSignIn:
		s.signedIn(app, o, out)
	case o.Command == hub.CommandPublish:
		s.published(app, o, out)
	case s.watching.settle(o):
	default:
		s.settleSubscription(now, app, o, out)
	}
}

// End says that the session has ended.
func (s *Socket) End(reason error, out *dialect.Effects) {
	var ended *hub.Ended
	var refusal *access.Refusal
	switch {
	case errors.Is(reason, hub.ErrShutdown), errors.Is(reason, hub.ErrClosed):
		// Not an error for the client, which comes back after a second: by then a server
		// that has been started again listens. pusher-js that came at once and found
		// nobody would wait for 15 seconds.
		out.Closing = &dialect.Closing{End: dialect.EndShutdown, Code: CodeOverCapacity, Reason: "the server is going away"}
	case errors.Is(reason, hub.ErrSlow):
		s.close(CodeOverCapacity, "too slow", dialect.EndSlow, out)
	case errors.As(reason, &ended) && ended.Reconnect:
		s.close(CodeReconnect, ended.Reason, dialect.EndRefused, out)
	case ended != nil:
		s.close(CodeUnauthorized, ended.Reason, dialect.EndRefused, out)
	case errors.As(reason, &refusal) && (refusal.Cause == access.TooMany || refusal.Cause == access.Unavailable):
		s.close(CodeOverCapacity, refusal.Reason, dialect.EndRefused, out)
	case refusal != nil:
		s.close(CodeUnauthorized, refusal.Reason, dialect.EndRefused, out)
	default:
		s.close(CodeOverCapacity, "the connection cannot go on", dialect.EndFailure, out)
	}
}

// close says why, and ends the connection.
func (s *Socket) close(code int, reason string, end dialect.End, out *dialect.Effects) {
	s.fail(code, reason, out)
	out.Closing = &dialect.Closing{End: end, Code: uint16(code), Reason: cut(reason)}
}

// Deadline is when Expire has something to do.
func (s *Socket) Deadline() time.Time {
	if !s.counted.IsZero() && s.counted.Before(s.due) {
		return s.counted
	}
	return s.due
}

// Expire pings a client that was silent, and gives up a client that was pinged.
func (s *Socket) Expire(now time.Time, out *dialect.Effects) {
	app := s.source.App()
	if app == nil {
		s.close(CodeUnauthorized, "The app was removed, or its key or secret have changed", dialect.EndRefused, out)
		return
	}
	if !s.counted.IsZero() && !now.Before(s.counted) {
		s.tellCounts(now, out)
	}
	silence := app.ActivityTimeout + pongTimeout
	switch {
	case now.Before(s.due):
	case s.asked:
		s.close(CodeNoPong, "Pong reply not received in time", dialect.EndClient, out)
	case now.Sub(s.heard) < silence: // the time is not moved with every message, but when it has come
		s.due = s.heard.Add(silence)
	default:
		s.asked, s.due = true, now.Add(pongTimeout)
		s.sendShared(&ping, out)
	}
}

// fail sends pusher:error. A code of 0 is none.
func (s *Socket) fail(code int, message string, out *dialect.Effects) {
	s.send(appendError(nil, code, message), out)
}

// event sends an event of the protocol.
func (s *Socket) event(event, channel string, data []byte, out *dialect.Effects) {
	s.send(appendEvent(nil, event, channel, data), out)
}

// send sends a message for this client alone.
func (s *Socket) send(text []byte, out *dialect.Effects) {
	if s.compress {
		out.Messages = append(out.Messages, prepare(text))
	} else {
		out.Frames = append(out.Frames, frameOf(text))
	}
}

// sendFrame sends a frame that is shared.
func (s *Socket) sendFrame(f []byte, out *dialect.Effects) {
	if !s.compress {
		out.Frames = append(out.Frames, f)
		return
	}
	out.Messages = append(out.Messages, prepare(payloadOf(f)))
}

// fixed is a message that is always the same.
type fixed struct {
	frame   []byte
	message *driver.Prepared
}

func newFixed(text []byte) fixed { return fixed{frameOf(text), prepare(text)} }

var (
	ping = newFixed(appendEvent(nil, eventPing, "", []byte("{}")))
	pong = newFixed(appendEvent(nil, eventPong, "", []byte("{}")))
)

func (s *Socket) sendShared(f *fixed, out *dialect.Effects) {
	if s.compress {
		out.Messages = append(out.Messages, f.message)
	} else {
		out.Frames = append(out.Frames, f.frame)
	}
}

// reasonBytesMax is the room of a close frame for a reason (RFC 6455 §5.5).
const reasonBytesMax = 123

func cut(reason string) string {
	if len(reason) <= reasonBytesMax {
		return reason
	}
	end := reasonBytesMax - len("…")
	for end > 0 && reason[end]&0xC0 == 0x80 { // inside a character
		end--
	}
	return reason[:end] + "…"
}
