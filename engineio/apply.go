package engineio

import (
	"errors"
	"net/http"

	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// farewells are the close frames of a WebSocket when this side ends its session.
var farewells = [reasons]struct {
	code driver.StatusCode
	text string
}{
	ReasonTransportClose: {wire.CloseNormal, ""},
	ReasonTransportError: {wire.ClosePolicyViolation, "transport error"},
	ReasonPingTimeout:    {wire.ClosePolicyViolation, "ping timeout"},
	ReasonParseError:     {wire.CloseProtocolError, "parse error"},
	ReasonTooLarge:       {wire.CloseMessageTooBig, "payload too large"},
	ReasonQueueFull:      {wire.CloseTryAgainLater, "too slow"},
	ReasonForcedClose:    {wire.CloseNormal, ""},
	ReasonShuttingDown:   {wire.CloseGoingAway, "server shutting down"},
	ReasonPanic:          {wire.CloseInternalError, "internal error"},
}

// apply carries out the decisions of the session; mu is held.
func (s *Socket) apply(fx *session.Effects) { s.applyClosing(fx, 0, "") }

// applyClosing is apply where the WebSocket may be closed with a code of the application's.
func (s *Socket) applyClosing(fx *session.Effects, code driver.StatusCode, text string) {
	for i := 0; i < len(fx.All()); i++ { // an effect may have others
		switch e := &fx.All()[i]; e.Kind {
		case session.AnswerPoll:
			fields := s.polling.fields
			if e.Octets {
				fields = octets.with(fields)
			} else {
				fields = text8.with(fields)
			}
			if s.polling.get.Respond(http.StatusOK, fields, e.Data) != nil {
				s.session.PollLost(fx)
			}
		case session.Send:
			if errors.Is(s.conn.WriteFrames(e.Data), ErrQueueFull) {
				s.session.End(session.QueueFull, fx)
			} // otherwise OnClose comes
		case session.SendProbe:
			_ = s.polling.probe.WriteFrames(e.Data) // OnClose comes if it fails
		case session.Close:
			if !code.OnWire() {
				code, text = farewells[s.session.Reason()].code, farewells[s.session.Reason()].text
			}
			_ = s.conn.Close(code, text) // it has closed already if it fails
		case session.CloseProbe:
			s.server.table.upgradesFailed.Add(1)
			_ = s.polling.probe.Close(wire.CloseNormal, "")
			s.polling.probe = nil
		case session.TakeProbe:
			s.takeProbe()
		case session.FreePolling:
			s.freePolling()
		case session.Drained:
			s.calls |= callDrain
		case session.Ended:
			s.calls |= callClose
			if s.polling != nil {
				s.releasePost()
				s.stopTimer()
			}
		}
	}
}

// takeProbe makes the probe the WebSocket of the session; mu is held.
func (s *Socket) takeProbe() {
	s.conn, s.polling.probe = s.polling.probe, nil
	s.server.table.upgraded()
	if s.paused {
		s.conn.PauseReading()
	}
}

// freePolling forgets what belonged to polling; mu is held.
func (s *Socket) freePolling() {
	s.releasePost()
	s.stopTimer()
	s.polling = nil
	s.alarm = 0 // the WebSocket has one of its own
	s.isDirect.Store(s.session.IsPlain())
}

func (s *Socket) stopTimer() {
	if s.polling.timer != nil {
		s.polling.timer.Stop()
	}
}
