package inspect

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// session uses an open connection and sees what comes. One goroutine does all of
// it: what it waits for, it reads for, with a deadline.
type session struct {
	in     *inspector
	conn   net.Conn
	began  time.Time
	report *Session
	ctx    context.Context

	// Bytes that have come and are not a whole frame yet.
	buf     []byte
	header  *wire.Header // of the frame under way
	raw     []byte       // its header as it came
	left    int64        // of its payload
	payload []byte       // the first messageBytesMax of it

	// The message under way.
	op         wire.Opcode // Continuation between messages
	message    []byte
	onWire     int64 // its payload so far
	compressed bool
	cut        bool // it is too long to be kept

	deflater *deflate.Deflater // nil if compression was not agreed
	inflater *deflate.Inflater
	estimate *deflate.Deflater // of what compressing would save
	traffic  *Traffic

	pong      []byte // payload of the newest pong, nil for none
	pongAt    time.Time
	pings     int    // of the server
	sample    string // waited for
	sampleAt  time.Time
	sampleLen int64

	broken   bool      // the server broke the protocol: nothing it sends means anything
	closeGot bool      // a close frame came
	closeAt  time.Time // the later close frame
	err      error     // how the connection ended
}

func newSession(in *inspector, a *attempt) *session {
	s := &session{in: in, conn: a.conn, began: time.Now(), buf: a.rest, report: new(Session), estimate: deflate.NewDeflater(deflate.Direction{}, nil)}
	s.report.Frames = []Frame{}
	s.report.Close.Code = int(wire.CloseAbnormal)
	s.report.Pings.All = []time.Duration{}
	if p := a.head.get("Sec-WebSocket-Protocol"); p != "" {
		s.report.Subprotocol = printable(p, quotedBytesMax)
	}
	in.report.Session = s.report
	return s
}

// run uses the connection: it listens, pings, sends the sample if that is
// wanted, and closes.
func (s *session) run(ctx context.Context) {
	s.ctx = ctx
	stop := context.AfterFunc(ctx, func() { s.conn.SetDeadline(longAgo) })
	defer stop()
	s.listen()
	if s.alive() && s.in.options.Pings > 0 {
		s.ping()
	}
	if s.alive() && s.in.options.Sample {
		s.sendSample()
	}
	s.close()
}

// alive reports whether there is more to find out.
func (s *session) alive() bool {
	return s.err == nil && !s.closeGot && !s.broken && s.ctx.Err() == nil
}

// await reads until done says so, the connection is over, or the deadline. It
// reports whether done said so.
func (s *session) await(deadline time.Time, done func() bool) bool {
	for {
		for s.alive() {
			if done() {
				return true
			}
			if !s.decode() {
				break
			}
		}
		if !s.alive() {
			return done()
		}
		if !s.read(deadline) {
			return false
		}
	}
}

// read takes what has come. It returns false at the deadline and at the end.
func (s *session) read(deadline time.Time) bool {
	if !time.Now().Before(deadline) {
		return false
	}
	s.conn.SetReadDeadline(deadline)
	if s.ctx.Err() != nil {
		return false // the deadline may just have been moved past the context's end
	}
	b := make([]byte, 16<<10)
	n, err := s.conn.Read(b)
	s.buf = append(s.buf, b[:n]...)
	if err != nil && errorKind(err) != timedOut {
		s.err = err
	}
	return n > 0 || err == nil
}

// decode takes a frame from what has come and handles it, if it is whole.
func (s *session) decode() bool {
	if s.header == nil {
		h, n, err := wire.ParseHeader(s.buf)
		if err != nil {
			s.fault("frame-length", "The server sent a frame whose length is "+map[bool]string{true: "not in its shortest form", false: "impossible"}[err == wire.ErrLengthNotMinimal]+" (RFC 6455 §5.2).")
			return false
		}
		if n == 0 {
			return false
		}
		s.header, s.raw, s.left, s.payload = &h, append([]byte(nil), s.buf[:n]...), h.Length, nil
		s.buf = s.buf[n:]
		s.judgeFrame(&h)
	}
	n := int(min(int64(len(s.buf)), s.left))
	if room := messageBytesMax - len(s.payload); room > 0 {
		s.payload = append(s.payload, s.buf[:min(n, room)]...)
	}
	s.buf, s.left = s.buf[n:], s.left-int64(n)
	if s.left > 0 {
		return false
	}
	h := s.header
	s.header = nil
	if h.Masked {
		wire.Mask(s.payload, h.Mask, 0)
	}
	s.record("server", h, s.raw, s.payload)
	s.handle(h)
	return true
}

// record notes a frame for the report. payload is unmasked.
func (s *session) record(from string, h *wire.Header, raw, payload []byte) {
	if len(s.report.Frames) >= framesMax {
		return
	}
	text := h.Opcode.String()
	if !h.Fin {
		text += ", not the last"
	}
	if h.RSV&wire.RSV1 != 0 {
		text += ", compressed"
	}
	text += ", " + count(int(h.Length), "byte")
	s.report.Frames = append(s.report.Frames, Frame{
		At: time.Since(s.began), From: from, Frame: text, Header: hex.EncodeToString(raw), Payload: hex.EncodeToString(payload[:min(len(payload), 64)]),
	})
}

// send sends a frame.
func (s *session) send(op wire.Opcode, rsv uint8, payload []byte) {
	b := appendFrame(nil, op, rsv, payload)
	h, n, _ := wire.ParseHeader(b)
	s.record("inspect", &h, b[:n], payload)
	s.conn.SetWriteDeadline(time.Now().Add(s.in.options.Timeout))
	_, _ = s.conn.Write(b) // that the connection has ended is noticed when reading
}

// fault notes that the server broke the protocol. Nothing is measured any more.
func (s *session) fault(id, means string) {
	s.in.found(id, means+" Browsers end the connection.", "Mend or update the server's WebSocket library; godwit conform server finds all such faults.")
	s.broken = true
}

// judgeFrame holds the header of a frame to RFC 6455 §5.
func (s *session) judgeFrame(h *wire.Header) {
	allowed := uint8(0)
	if s.inflater != nil && (h.Opcode == wire.Text || h.Opcode == wire.Binary) {
		allowed = wire.RSV1
	}
	switch {
	case h.Masked:
		s.fault("frame-masked", "The server sent a masked frame, and only clients mask (RFC 6455 §5.1).")
	case h.Opcode.IsReserved():
		s.fault("frame-opcode", fmt.Sprintf("The server sent a frame with the %v (RFC 6455 §5.2).", h.Opcode))
	case h.RSV&^allowed != 0:
		s.fault("frame-reserved-bits", fmt.Sprintf("The server sent a %v frame with reserved bits (%03b) that no extension gives a meaning (RFC 6455 §5.2).", h.Opcode, h.RSV))
	case h.Opcode.IsControl() && (!h.Fin || h.Length > wire.ControlPayloadBytesMax):
		s.fault("frame-control", fmt.Sprintf("The server sent a %v frame that is fragmented or longer than %d bytes (RFC 6455 §5.5).", h.Opcode, wire.ControlPayloadBytesMax))
	case h.Opcode == wire.Continuation && s.op == wire.Continuation:
		s.fault("frame-fragments", "The server sent a continuation of no message (RFC 6455 §5.4).")
	case !h.Opcode.IsControl() && h.Opcode != wire.Continuation && s.op != wire.Continuation:
		s.fault("frame-fragments", "The server began a message before the last one had ended (RFC 6455 §5.4).")
	}
}

// handle takes a whole frame.
func (s *session) handle(h *wire.Header) {
	if s.broken {
		return
	}
	switch h.Opcode {
	case wire.Ping:
		s.pings++
		s.send(wire.Pong, 0, s.payload)
	case wire.Pong:
		s.pong, s.pongAt = append([]byte{}, s.payload...), time.Now()
	case wire.Close:
		s.closed()
	default:
		s.data(h)
	}
}

// closed takes the server's close frame.
func (s *session) closed() {
	s.closeGot, s.closeAt = true, time.Now()
	code, reason, err := wire.ParseClose(s.payload)
	s.report.Close.Code, s.report.Close.Reason = int(code), printable(string(reason), wire.ControlPayloadBytesMax)
	if err != nil {
		s.fault("frame-close", fmt.Sprintf("The server's close frame is invalid: its payload is %d bytes with the code %d (RFC 6455 §5.5.1, §7.4).", len(s.payload), code))
	}
}

// phase is what was going on when a connection ended early.
func (s *session) judgeEarlyEnd(phase string) {
	if s.broken || s.ctx.Err() != nil {
		return
	}
	c := &s.report.Close
	switch {
	case s.closeGot:
		c.By = "server"
		text := wire.CloseCode(c.Code).String()
		if c.Reason != "" {
			text += " " + quote(c.Reason)
		}
		f := s.in.found("session-closed", "The server closed the connection "+phase+": "+text+".", closeAdvice(wire.CloseCode(c.Code)))
		if c.Code == int(wire.CloseNormal) && f.Grade == Error {
			f.Grade = Warning // it may have said all it has to say
		}
	case s.err != nil:
		s.in.found("session-dropped", "The connection ended "+phase+" without a close frame: "+explainError(s.err)+".",
			"Look into the server's log for a crash, and into the timeouts of every proxy in between; a proxy that answers 101 and then finds nobody behind it acts like this.")
	}
}

// closeAdvice is what to do about a server that closes with a code at once.
func closeAdvice(code wire.CloseCode) string {
	switch {
	case code == wire.CloseProtocolError, code == wire.CloseInvalidPayload:
		return "The server takes what was sent for a fault; godwit conform server finds out more about it."
	case code == wire.ClosePolicyViolation, code == 3000, code == 3003:
		return "The application refuses: send its credentials with --header, or the --subprotocol and --origin it expects."
	case code == wire.CloseInternalError:
		return "The application failed: look into the server's log."
	case code == wire.CloseGoingAway, code == wire.CloseServiceRestart, code == wire.CloseTryAgainLater:
		return "The server is shutting down, restarting or overloaded: try again later."
	case code == wire.CloseBadGateway:
		return "A gateway got no valid answer from the server behind it: look at that."
	case code >= 4000:
		return "The code is the application's own: its documentation says what it means; missing credentials or parameters are common."
	}
	return "Look into the server's log for the reason."
}
