package server

import (
	"errors"
	"fmt"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// recordRefusal is guard.Options.RefusedTo.
func (s *Server) recordRefusal(c *transport.Client, act *transport.Act, why *access.Refusal) {
	user := ""
	if c.Identity != nil {
		user = c.Identity.User
	}
	s.flight.Refuse(act.Session, user, act.Action, act.Channel, why)
}

// transportObserver tells metrics and the recorder.
func (s *Server) transportObserver() *transport.Observer {
	o := s.metrics.observer(&s.refusals)
	o.Disconnected = func(session string, end transport.End, err error) {
		code, reason := howItEnded(end, err)
		s.flight.Disconnect(session, code, reason)
	}
	o.Suspended = func(session string) { s.flight.Suspend(session, 0, "") } // Disconnected has said how
	o.Resumed = func(session string, how transport.Resumption) {
		s.metrics.sessions.resumed(how)
		if how != transport.SessionUnknown {
			s.flight.Resume(session, transport.Session)
		}
	}
	o.InboxRefused = s.metrics.sessions.inbox.Inc
	return o
}

// howItEnded says how a connection ended: the close code of a WebSocket, 0 for another
// transport, and a reason for people.
func howItEnded(end transport.End, err error) (code uint16, reason string) {
	var closed *ws.CloseError
	errors.As(err, &closed)
	if end != transport.EndClient { // this side has ended it
		if closed != nil {
			code = uint16(closed.Sent)
		}
		return code, endReasons[end]
	}
	if closed == nil {
		return 0, "the client left"
	}
	switch code = uint16(closed.Code); {
	case code == closeAbnormal:
		reason = "no close frame"
	case code == closeNoStatus:
		reason = "the client closed it, without a code"
	case closed.Reason != "":
		reason = fmt.Sprintf("the client closed it: %q", closed.Reason) // text of the peer
	default:
		reason = "the client closed it"
	}
	return code, reason
}

// Codes that no close frame has (RFC 6455 §7.4.1).
const (
	closeNoStatus = 1005
	closeAbnormal = 1006
)

// endReasons are the ends that were not the client's doing.
var endReasons = map[transport.End]string{
	transport.EndShutdown: "the server was shutting down",
	transport.EndSlow:     "the client did not take what was written in time",
	transport.EndLost:     "the history did not hold any more what it had missed, which a WebSocket without envelopes cannot be told",
	transport.EndRefused:  "it was refused",
	transport.EndFailure:  "an error of the server or of its broker",
}
