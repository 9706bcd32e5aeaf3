package dialect

import (
	"errors"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// End tells the client why its session is over.
func (s *Session) End(reason error, out *Effects) {
	e, ok := endingOf(reason)
	switch {
	case ok:
	case errors.Is(reason, hub.ErrTooManyCommands):
		e = ending{code: clientproto.CloseTooMany, reason: "too many commands", reconnect: true}
	case errors.Is(reason, hub.ErrShutdown), errors.Is(reason, hub.ErrClosed):
		e = ending{code: clientproto.CloseGoingAway, reason: "going away", reconnect: true}
	default:
		e = ending{code: clientproto.CloseInternalError, reason: "internal error", reconnect: true}
	}
	s.sendEnd(&e, out)
	s.finish(&Closing{End: endOf(reason), Code: e.code, Reason: e.reason, IsLast: true}, out)
}

// Refuse answers a request for a session that it cannot have. An event stream is opened
// to say so: an EventSource does not let its page see the status of a response.
func (s *Session) Refuse(err error, out *Effects) {
	if ended, ok := err.(*hub.Ended); ok && ended.Code == clientproto.CloseTakenOver {
		if s.framing.carried == carriedStream {
			out.Answer = &Answer{Status: 200, ContentType: s.framing.contentType}
		}
		s.Leave(out)
		return
	}
	if s.framing != &eventFraming {
		out.Answer = &Answer{Err: err}
		out.Closing = &Closing{End: EndRefused}
		return
	}
	out.Answer = &Answer{Status: 200, ContentType: s.framing.contentType}
	if errors.Is(err, hub.ErrShutdown) {
		s.End(err, out)
		return
	}
	s.close(clientproto.CloseSessionUnknown, "there is no such session here; connect again, with the positions that you have", out)
}

// Leave tells the client of the old carrier that the session goes on at another.
func (s *Session) Leave(out *Effects) {
	e := ending{code: clientproto.CloseTakenOver, reason: "the session goes on elsewhere"}
	if s.poll != nil {
		// The pages are those of the new carrier: this one has no number that could be
		// acknowledged.
		object := append(e.appendTo([]byte(`{"end":`)), '}')
		givePage(0, [][]byte{object}, out)
		out.Closing = &Closing{End: EndClient, Code: e.code, Reason: e.reason}
		return
	}
	s.sendEnd(&e, out)
	s.finish(&Closing{End: EndClient, Code: e.code, Reason: e.reason}, out)
}

// close ends the conversation with a code.
func (s *Session) close(code uint16, reason string, out *Effects) {
	e := ending{code: code, reason: reason, reconnect: clientproto.FindCode(code).Reconnect.CanReturn()}
	s.sendEnd(&e, out)
	s.finish(&Closing{End: EndRefused, Code: code, Reason: reason, IsLast: true}, out)
}

func (s *Session) finish(c *Closing, out *Effects) {
	if s.poll != nil {
		s.poll.answer(out)
	}
	out.Closing = c
}
