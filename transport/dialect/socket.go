package dialect

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Socket is a channel as a WebSocket: the client's messages are published, and
// publications are sent to it, one message each. Without envelopes a message is
// the bare payload.
type Socket struct {
	channel       string
	envelope      bool
	compress      bool
	json          bool
	answered      bool
	opensToRefuse bool
	from          *hub.SubscribeOptions // nil once it was asked for
	opened        int64                 // in nanoseconds of Unix time
	progress      *progress             // nil unless it is of a pattern
}

// NewSocket returns the dialect of a WebSocket on channel that begins where from
// says. One on a pattern has envelopes, and publishes nothing.
func NewSocket(channel string, envelope bool, from hub.SubscribeOptions) *Socket {
	p := newProgress(channel)
	return &Socket{channel: channel, envelope: envelope || p != nil, from: &from, progress: p}
}

// OverSocket is a Dialect for WebSockets.
type OverSocket interface {
	Dialect

	// Agree tells what the handshake has agreed on, before the first frame. With
	// compression, messages sent from then on stand in Effects.Messages.
	Agree(subprotocol string, isCompressed bool)

	// Subprotocols returns the subprotocols that it speaks, the preferred one first.
	// They are shared.
	Subprotocols() []string
}

// The subprotocols of a channel. Browsers end a connection for which they offered
// some and the server chose none; others go on without one.
const (
	SubprotocolJSON = "json" // text messages are published as JSON, as with ?json=1
	SubprotocolText = "text" // it is published as text, as without a subprotocol
)

var socketSubprotocols = []string{SubprotocolJSON, SubprotocolText}

// Subprotocols implements OverSocket.
func (s *Socket) Subprotocols() []string { return socketSubprotocols }

// Agree implements OverSocket.
func (s *Socket) Agree(subprotocol string, isCompressed bool) {
	if subprotocol == SubprotocolJSON {
		s.PublishJSON()
	}
	s.compress = isCompressed
}

// PublishJSON has text that the client sends from now on published as JSON, which
// it must be.
func (s *Socket) PublishJSON() { s.json = true }

// OpenToRefuse has a client that may not connect told so by the close code of a
// WebSocket that was opened for it. A browser does not let its page see the status
// of a handshake that was refused.
func (s *Socket) OpenToRefuse() { s.opensToRefuse = true }

// Transport implements Dialect.
func (s *Socket) Transport() string { return "websocket" }

// Begin subscribes: the client is told that it is connected when that is done,
// and misses nothing from then on.
func (s *Socket) Begin(now time.Time, out *Effects) {
	s.opened = now.UnixNano()
	out.Commands = append(out.Commands, Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: tagBegin, Channel: s.channel, Subscribe: *s.from})
	s.from = nil
}

// Receive publishes.
func (s *Socket) Receive(_ time.Time, f Frame, out *Effects) {
	if s.progress != nil {
		s.refusePublish(out)
		return
	}
	kind := hub.Text
	switch {
	case f.Binary:
		kind = hub.Binary
	case s.json:
		kind = hub.JSON
	}
	// A success is not reported: the client of a bare socket cannot be told.
	out.Commands = append(out.Commands, Command{
		Kind: hub.CommandPublish, Action: access.Publish, Channel: s.channel,
		Message: hub.Message{Channel: s.channel, Kind: kind, Data: bytes.Clone(f.Data)},
	})
}

// Push sends.
func (s *Socket) Push(now time.Time, pushes []hub.Push, out *Effects) {
	form := formFrame
	if s.envelope {
		form = formEnvelope
	}
	for i := range pushes {
		if p := &pushes[i]; s.progress != nil && (p.Delivery != nil || p.Gap != nil) {
			s.pushPattern(p, out)
		}
		switch p := &pushes[i]; {
		case p.Gap != nil && s.progress != nil:
		case p.Run != nil:
			frames := hub.Join(form, p.Run)
			out.Frames = append(out.Frames, frames)
			out.Delivered.AddRun(p.Run, len(frames), s.opened)
		case p.Delivery != nil && s.compress:
			s.sendMessage(p.Delivery, out)
		case p.Delivery != nil:
			frame := form.Of(p.Delivery)
			out.Frames = append(out.Frames, frame)
			out.Delivered.Add(p.Delivery.Publication, len(frame), s.opened)
		case p.Gap != nil && s.envelope:
			s.sendText(appendGapObject(nil, p.Gap), out)
		case p.Gap != nil && p.Gap.Reason != hub.GapLost: // nothing was lost, and there is no place to say so
		case p.Gap != nil: // a bare payload has no place to say so either
			out.Closing = &Closing{End: EndLost, Code: clientproto.ClosePositionLost, Reason: "position lost"}
		case p.Behind != nil:
			if s.envelope { // a bare payload has no place to say so; nothing is lost
				s.sendText(appendBehindObject(nil, p, s.channel), out)
			}
		case p.Outcome.Command == hub.CommandSubscribe:
			s.answer(p.Outcome, out)
		case p.Outcome.Err != nil:
			s.fail(p.Outcome.Err, out)
		}
		if out.Closing != nil {
			return
		}
	}
	if s.progress != nil && s.progress.tracker != nil && s.progress.isDue(now) {
		s.sendText(s.progress.appendObject(nil, now), out)
	}
}

// TakesRuns implements RunTaker.
func (s *Socket) TakesRuns() bool { return !s.compress && s.progress == nil }

// sendMessage sends a publication so that it can be compressed.
func (s *Socket) sendMessage(d *hub.Delivery, out *Effects) {
	form := formMessage
	if s.envelope {
		form = formEnvelopeMessage
	}
	m := form.Of(d)
	out.Messages = append(out.Messages, m)
	out.Delivered.Add(d.Publication, len(m.Frame()), s.opened)
}

// sendText sends a text that is no publication.
func (s *Socket) sendText(text []byte, out *Effects) {
	if s.compress {
		out.Messages = append(out.Messages, prepareText(text))
	} else {
		out.Frames = append(out.Frames, appendTextFrame(nil, text))
	}
}

// fail tells the client that its message was not published. A bare socket has no
// other way to say so than its end.
func (s *Socket) fail(err error, out *Effects) {
	e, ok := endingOf(err)
	switch {
	case !ok:
		out.Closing = publishFailed(err)
	case s.envelope:
		s.sendText(e.appendError(nil), out)
	default:
		out.Closing = e.closing()
	}
}

func (s *Socket) answer(o *hub.Outcome, out *Effects) {
	s.answered = true
	if e, ok := endingOf(o.Err); ok && s.opensToRefuse {
		out.Answer = &Answer{Status: 101}
		out.Closing = e.closing()
		return
	}
	if o.Err != nil {
		out.Answer = &Answer{Err: o.Err}
		out.Closing = &Closing{End: endOf(o.Err)}
		return
	}
	out.Answer = &Answer{Status: 101}
	if s.progress != nil && o.Vector != nil {
		s.progress.begin(o.Vector)
		s.progress.isNew = true
		out.Answer.Vector = s.progress.tracker.String()
		return
	}
	if s.envelope { // there, the client follows positions
		out.Answer.Position = o.Position
	}
}

// publishFailed returns the end of a socket whose message was not published.
func publishFailed(err error) *Closing {
	switch {
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, hub.ErrClosed):
		// It tells the client that its last message went nowhere.
		return &Closing{End: EndShutdown, Code: clientproto.CloseGoingAway, Reason: "going away"}
	case errors.Is(err, hub.ErrTooLarge):
		return &Closing{End: EndRefused, Code: clientproto.CloseTooBig, Reason: strings.TrimPrefix(err.Error(), "hub: ")}
	case errors.Is(err, hub.ErrNotJSON):
		return &Closing{End: EndRefused, Code: clientproto.CloseInvalidData, Reason: "not JSON: on this socket every text message is one valid JSON value"}
	case errors.Is(err, hub.ErrTextNotUTF8):
		return &Closing{End: EndRefused, Code: clientproto.CloseInvalidData, Reason: strings.TrimPrefix(err.Error(), "hub: ")}
	}
	return &Closing{End: EndFailure, Code: clientproto.CloseInternalError, Reason: "could not publish"}
}

// End implements Dialect. A request that has no answer by then is refused.
func (s *Socket) End(reason error, out *Effects) {
	if !s.answered {
		s.answer(&hub.Outcome{Err: reason}, out)
		return
	}
	out.Closing = ClosingOf(reason)
}

// Deadline is never: the carrier pings.
func (s *Socket) Deadline() time.Time { return time.Time{} }

// Expire is never called.
func (s *Socket) Expire(time.Time, *Effects) {}

// endOf says which end an error of the hub is.
func endOf(err error) End {
	if errors.Is(err, hub.ErrShutdown) || errors.Is(err, hub.ErrClosed) {
		return EndShutdown
	}
	if errors.Is(err, hub.ErrSlow) {
		return EndSlow
	}
	if _, ok := endingOf(err); ok {
		return EndRefused
	}
	return EndFailure
}
