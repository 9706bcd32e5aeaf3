package sockjs

import (
	"errors"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/sockjs/internal/frames"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// socket is a session that is a WebSocket. Its messages are the connection's to queue, and
// its calls are the connection's. Idle it is this and the connection alone.
type socket struct {
	Session
	conn httpcarrier.Conn // nil until OnOpen; written once, with mu held

	mu      sync.Mutex // guards what follows; not held while the handler is called
	early   *early     // nil once the session is open
	rest    *rest      // of a message that was not handed on whole; nil mostly
	closing *CloseError
	state   socketState
}

// early is the data that is kept until a session is open.
type early struct {
	queue    []byte // messages for the client, as WebSocket frames
	count    int
	received []received
	wakeAt   time.Time
	decideBy time.Time
	isAsked  bool // OnDrain is to follow
}

// rest is the input that has arrived while the application does not read.
type rest struct {
	batch *frames.Batch
	next  int
}

type received struct {
	typ  MessageType
	data []byte
}

type socketState uint8

const (
	socketHeld     socketState = 1 << iota // Hold was called
	socketAccepted                         // the session is to be opened
	socketOpen                             // it is
	socketWoken                            // Wake was called before there was a connection
	socketPaused                           // OnMessage is not to be called
	socketBroken                           // the client has sent bytes that are no frame
	socketDone                             // OnClose was called
)

func (s *socket) has(state socketState) bool { return s.state&state != 0 }

// begin asks for the Handler of the session, before there is a connection.
func (s *socket) begin(r *Request) {
	isDecided := s.server.decide(&s.Session, r)
	s.mu.Lock()
	switch {
	case !isDecided:
		s.end(CloseInternal, "internal error")
	case !s.has(socketHeld):
		s.state |= socketAccepted
	}
	s.mu.Unlock()
}

// abandon says that there will be no connection.
func (s *socket) abandon(err error) {
	s.mu.Lock()
	if s.closing == nil {
		s.closing = &CloseError{Code: CloseInterrupted, Reason: reasonInterrupted, IsRemote: true, Err: err}
	}
	s.mu.Unlock()
	s.finish()
}

// OnOpen implements httpcarrier.Handler.
func (s *socket) OnOpen(c httpcarrier.Conn) {
	s.server.addSocket(s)
	s.mu.Lock()
	s.conn = c
	isWoken := s.has(socketWoken)
	s.state &^= socketWoken
	if s.early != nil && !s.early.decideBy.IsZero() {
		c.WakeAt(s.early.due())
	}
	s.mu.Unlock()
	s.proceed()
	if isWoken {
		c.Wake()
	}
}

// due is when something is to be done about a session that is not open.
func (e *early) due() time.Time {
	if e.wakeAt.IsZero() || !e.decideBy.IsZero() && e.decideBy.Before(e.wakeAt) {
		return e.decideBy
	}
	return e.wakeAt
}

// proceed opens the session, or closes it, if that is due. It is called by the connection.
func (s *socket) proceed() {
	s.mu.Lock()
	switch {
	case s.closing != nil && !s.has(socketOpen):
		s.early = nil
		s.mu.Unlock()
		s.sayGoodbye()
	case s.has(socketAccepted) && !s.has(socketOpen):
		s.state |= socketOpen
		e := s.early
		s.early = nil
		if s.transport == WebSocket {
			s.note(s.conn.Write(driver.MessageText, []byte(frames.Open)))
		}
		if len(e.queue) > 0 {
			s.note(s.conn.WriteFrames(e.queue))
		}
		s.mu.Unlock()
		s.conn.WakeAt(e.wakeAt)
		s.server.opened(&s.Session)
		s.call(func() { s.handler.OnOpen(&s.Session) })
		if e.isAsked && s.conn.Buffered() == 0 { // or else the connection calls
			s.OnDrain(s.conn)
		}
		for _, m := range e.received {
			s.receive(m.typ, m.data)
		}
		if len(e.received) > 0 {
			s.pause(s.isPaused())
		}
	default:
		s.mu.Unlock()
	}
}

// note closes the session if a write found no room; mu is held.
func (s *socket) note(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, engine.ErrQueueFull):
		s.end(CloseSlow, "too much waits for this client")
		return ErrQueueFull
	}
	return ErrClosed
}

// OnMessage implements httpcarrier.Handler.
func (s *socket) OnMessage(c httpcarrier.Conn, typ driver.MessageType, p []byte) {
	s.mu.Lock()
	if s.early != nil && s.closing == nil {
		s.early.received = append(s.early.received, received{typ, append([]byte(nil), p...)})
		c.PauseReading()
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.receive(typ, p)
}

// receive hands on the client's messages.
func (s *socket) receive(typ MessageType, p []byte) {
	if s.isClosing() {
		return
	}
	if s.transport == RawWebSocket {
		s.server.received.Add(1)
		s.call(func() { s.handler.OnMessage(&s.Session, typ, p) })
		return
	}
	batch := batches.get()
	switch err := frames.ParseFrame(batch, p); {
	case err == frames.ErrTooMany, err == nil && batch.Longest() > s.server.o.MessageBytesMax:
		s.close(CloseTooBig, "the message is longer than is taken here")
	case err != nil || typ != driver.MessageText:
		s.mu.Lock()
		s.state |= socketBroken
		s.mu.Unlock()
		s.close(CloseBroken, reasonBroken)
	default:
		s.server.received.Add(uint64(batch.Len()))
		s.hand(batch, 0)
		return
	}
	batches.put(batch)
}

// hand hands on messages from next on. The others wait when the application pauses.
func (s *socket) hand(batch *frames.Batch, next int) {
	s.call(func() {
		for ; next < batch.Len(); next++ {
			s.mu.Lock()
			isClosing, isPaused := s.closing != nil, s.has(socketPaused)
			if isPaused && !isClosing {
				s.rest = &rest{batch, next}
			}
			s.mu.Unlock()
			if isPaused && !isClosing {
				batch = nil // it is in use
				return
			}
			if isClosing {
				return
			}
			s.handler.OnMessage(&s.Session, MessageText, batch.At(next))
		}
	})
	if batch != nil {
		batches.put(batch)
	}
}

// goOn hands on the waiting input, and has the connection read again.
func (s *socket) goOn() {
	s.mu.Lock()
	left := s.rest
	if left == nil || s.has(socketPaused) {
		s.mu.Unlock()
		return
	}
	s.rest = nil
	s.mu.Unlock()
	s.hand(left.batch, left.next)
	s.mu.Lock()
	if s.rest == nil && !s.has(socketPaused) {
		s.conn.ResumeReading()
	}
	s.mu.Unlock()
}

// call makes a callback.
func (s *socket) call(f func()) {
	if !s.server.guarded(&s.Session, f) {
		s.close(CloseInternal, "internal error")
	}
}

func (s *socket) isPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.has(socketPaused)
}

func (s *socket) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing != nil
}

// OnWake implements httpcarrier.Handler.
func (s *socket) OnWake(c httpcarrier.Conn) {
	s.mu.Lock()
	if e := s.early; e != nil && !e.decideBy.IsZero() && !s.has(socketAccepted) && !time.Now().Before(e.decideBy) {
		s.end(CloseTryAgainLater, "the server could not decide in time; try again later")
	}
	s.mu.Unlock()
	s.proceed()
	s.goOn()
	if s.isClosing() {
		return
	}
	s.call(func() { s.handler.OnWake(&s.Session) })
	s.mu.Lock()
	if s.early != nil {
		c.WakeAt(s.early.due())
	}
	s.mu.Unlock()
}

// OnDrain implements httpcarrier.Handler.
func (s *socket) OnDrain(httpcarrier.Conn) {
	s.mu.Lock()
	isOpen := s.has(socketOpen) && s.closing == nil
	s.mu.Unlock()
	if isOpen {
		s.call(func() { s.handler.OnDrain(&s.Session) })
	}
}

// OnClose implements httpcarrier.Handler.
func (s *socket) OnClose(_ httpcarrier.Conn, e *driver.CloseError) {
	s.mu.Lock()
	if s.closing == nil {
		s.closing = closeErrorOf(e)
	}
	s.early = nil
	s.mu.Unlock()
	s.finish()
}

// closeErrorOf is what the end of a connection means that this side did not close.
func closeErrorOf(e *driver.CloseError) *CloseError {
	out := &CloseError{Code: Code(e.Code), Reason: e.Reason, IsRemote: true}
	switch {
	case e.Err != nil && e.Sent != 0: // a fault of the peer, which was told so
		out.Code, out.Reason, out.Err = Code(e.Sent), "", e.Err
	case e.Err != nil || e.Code == wire.CloseAbnormal:
		out.Code, out.Reason, out.Err = CloseInterrupted, reasonInterrupted, e
	case e.Code == wire.CloseNoStatus:
		out.Code = CloseNormal
	}
	return out
}

// finish makes the last callback.
func (s *socket) finish() {
	s.mu.Lock()
	if s.has(socketDone) {
		s.mu.Unlock()
		return
	}
	s.state |= socketDone
	err, wasOpen := s.closing, s.has(socketOpen)
	s.mu.Unlock()
	s.server.removeSocket(s)
	s.server.ended(&s.Session, err, wasOpen)
}

// end closes the session; mu is held. Only the first call counts.
func (s *socket) end(code Code, reason string) bool {
	if s.closing != nil {
		return false
	}
	s.closing = &CloseError{Code: code, Reason: reason}
	return true
}

// sayGoodbye ends the connection of a session that was closed. Errors say that it has
// ended.
func (s *socket) sayGoodbye() {
	s.mu.Lock()
	code, reason, isBroken := s.closing.Code, s.closing.Reason, s.has(socketBroken)
	s.mu.Unlock()
	if s.transport == WebSocket && !isBroken { // a client whose input is no frame gets none
		_ = s.conn.Write(driver.MessageText, frames.AppendClose(nil, uint16(code), reason))
	}
	status := wire.CloseCode(code)
	if !status.OnWire() {
		status = wire.CloseNormal
	}
	_ = s.conn.Close(status, truncated(reason, wire.CloseReasonBytesMax))
}

// truncated is the beginning of s, which is not cut within a character.
func truncated(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// conclude ends the connection of a session that was closed just now.
func (s *socket) conclude() {
	s.mu.Lock()
	isOpen, conn := s.has(socketOpen), s.conn
	s.mu.Unlock()
	switch {
	case isOpen:
		s.sayGoodbye()
	case conn != nil:
		conn.Wake() // proceed does it
	}
}

// buffered implements carrier.
func (s *socket) buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.early != nil:
		s.early.isAsked = len(s.early.queue) > 0
		return len(s.early.queue)
	case s.conn != nil:
		return s.conn.Buffered()
	}
	return 0
}

// isCrowded implements carrier. How many messages wait, the connection does not say.
func (s *socket) isCrowded() bool {
	return s.buffered() > min(s.server.o.QueueBytesMax/2, crowdedBytes) && !s.isClosing()
}

// crowdedBytes are fewer of the smallest messages than a driver lets wait.
const crowdedBytes = 64 << 10

// close implements carrier.
func (s *socket) close(code Code, reason string) {
	s.mu.Lock()
	isFirst := s.end(code, reason)
	s.mu.Unlock()
	if isFirst {
		s.conclude()
	}
}

// wake implements carrier.
func (s *socket) wake() {
	s.mu.Lock()
	conn := s.conn
	if conn == nil {
		s.state |= socketWoken
	}
	s.mu.Unlock()
	if conn != nil {
		conn.Wake()
	}
}

// wakeAt implements carrier.
func (s *socket) wakeAt(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.early != nil {
		s.early.wakeAt = t
		t = s.early.due()
	}
	if s.conn != nil {
		s.conn.WakeAt(t)
	}
}

// hold implements carrier.
func (s *socket) hold() {
	s.mu.Lock()
	s.state |= socketHeld
	s.early.decideBy = time.Now().Add(s.server.o.DecisionTimeout)
	s.mu.Unlock()
}

// accept implements carrier.
func (s *socket) accept() {
	s.mu.Lock()
	s.state |= socketAccepted
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		conn.Wake()
	}
}

// pause implements carrier.
func (s *socket) pause(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on {
		s.state |= socketPaused
	} else {
		s.state &^= socketPaused
	}
	switch {
	case s.conn == nil:
	case on:
		s.conn.PauseReading()
	case s.rest != nil:
		s.conn.Wake() // the waiting input comes first
	default:
		s.conn.ResumeReading()
	}
}

// remoteAddr implements carrier.
func (s *socket) remoteAddr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	return s.conn.RemoteAddr()
}
