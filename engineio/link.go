package engineio

import (
	"errors"
	"io"

	"github.com/godwit-io/godwit/engineio/internal/packet"
	"github.com/godwit-io/godwit/engineio/internal/session"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// link is a Socket as the handler of its WebSockets: of the WebSocket that carries it,
// of the probe that may come to carry it, and of others that must not.
type link Socket

// OnOpen begins the session, or is a WebSocket for one that exists.
func (l *link) OnOpen(c httpcarrier.Conn) {
	s := (*Socket)(l)
	s.mu.Lock()
	if s.polling == nil && s.conn == nil {
		s.start(c)
		return
	}
	if !s.session.ProbeOpened(s.server.now()) {
		s.server.table.upgradesFailed.Add(1)
		_ = c.Close(wire.CloseNormal, "") // OnClose comes if it has closed already
	} else {
		s.polling.probe = c
	}
	s.unlock()
}

// start begins a session on its WebSocket. It gives mu back.
func (s *Socket) start(c httpcarrier.Conn) {
	s.conn = c
	var fx session.Effects
	s.session.Start(s.server.now(), s.SID(), true, &fx)
	s.apply(&fx)
	s.isDirect.Store(s.session.IsPlain())
	if s.server.table.isClosed() {
		s.end(session.ShuttingDown) // nobody else will
	}
	s.inTurn = true
	s.mu.Unlock()
	if s.open() {
		s.leave()
	}
}

// OnMessage is a packet.
func (l *link) OnMessage(c httpcarrier.Conn, typ MessageType, p []byte) {
	s := (*Socket)(l)
	var one packet.Packet
	var wrong error
	s.mu.Lock()
	if typ == MessageText {
		one, wrong = packet.ParseText(p, s.session.Version())
	} else {
		one, wrong = packet.ParseBinary(p, s.session.Version())
	}
	if c != s.conn {
		s.probed(c, one, wrong)
		return
	}
	if wrong != nil {
		s.end(session.ParseError)
		s.unlock()
		return
	}
	var now session.Time
	if one.Type != packet.Message || s.session.NeedsTime() {
		now = s.server.now()
	}
	var fx session.Effects
	if s.session.Packet(now, one, &fx) { // a message has no effects
		s.take(one)
		return
	}
	s.apply(&fx)
	s.unlock()
}

// take hands on a message of the WebSocket, or leaves that to the holder of the turn. It
// gives mu back.
func (s *Socket) take(one packet.Packet) {
	typ := MessageText
	if one.Binary {
		typ = MessageBinary
	}
	if s.inTurn || s.inbox != nil {
		s.put(item{typ: typ, data: one.Data})
		s.unlock()
		return
	}
	s.inTurn = true
	s.mu.Unlock()
	if s.deliver(typ, one.Data) {
		s.leave()
	}
}

// probed takes a packet of a WebSocket that does not carry the session. It gives mu back.
func (s *Socket) probed(c httpcarrier.Conn, one packet.Packet, wrong error) {
	if s.polling == nil || s.polling.probe != c {
		s.mu.Unlock()
		return // it was told to go
	}
	var fx session.Effects
	if wrong != nil {
		s.session.ProbeFailed(&fx)
	} else {
		s.session.ProbePacket(s.server.now(), one, &fx)
	}
	s.apply(&fx)
	s.unlock()
}

// OnWake acts on passed deadlines, and hands on the messages that there are.
func (l *link) OnWake(c httpcarrier.Conn) {
	s := (*Socket)(l)
	s.mu.Lock()
	isMain := c == s.conn
	if isMain {
		s.alarm = 0 // it may have gone off; arm sets it again
	}
	s.mu.Unlock()
	if isMain {
		s.attend()
	}
}

// OnDrain says that everything has left.
func (l *link) OnDrain(c httpcarrier.Conn) {
	s := (*Socket)(l)
	s.mu.Lock()
	if c == s.conn {
		s.calls |= callDrain
	}
	s.unlock()
}

// OnClose ends the session, or an upgrade.
func (l *link) OnClose(c httpcarrier.Conn, end *driver.CloseError) {
	s := (*Socket)(l)
	s.mu.Lock()
	var fx session.Effects
	switch {
	case c == s.conn:
		s.session.SocketClosed(session.Reason(reasonOf(end)), &fx)
	case s.polling != nil && s.polling.probe == c:
		s.session.ProbeClosed()
		s.server.table.upgradesFailed.Add(1)
		s.polling.probe = nil
	}
	s.apply(&fx)
	s.unlock()
}

// reasonOf says why a WebSocket has ended that this package has not closed.
func reasonOf(end *driver.CloseError) Reason {
	if end == nil || end.Err == nil {
		return ReasonTransportClose // in good order, where the client's code comes back to it
	}
	switch end.Sent {
	case wire.CloseMessageTooBig:
		return ReasonTooLarge
	case wire.CloseProtocolError, wire.CloseInvalidPayload, wire.CloseUnsupportedData:
		return ReasonParseError
	case wire.CloseInternalError:
		return ReasonPanic
	case wire.CloseGoingAway:
		return ReasonShuttingDown
	}
	if errors.Is(end.Err, io.EOF) || errors.Is(end.Err, io.ErrUnexpectedEOF) {
		return ReasonTransportClose
	}
	return ReasonTransportError
}
