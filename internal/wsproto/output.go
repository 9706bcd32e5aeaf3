package wsproto

import (
	"encoding/binary"
	"errors"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of misuse of the core itself. Nothing was appended and nothing has
// changed. The others are those of package driver.
var (
	ErrControlLength = errors.New("websocket: the payload of a ping or pong has at most 125 bytes")
	ErrFragmentOpen  = errors.New("websocket: a fragmented message is still being written")
)

// AppendMessage appends a whole message in one frame to dst. op is wire.Text or
// wire.Binary. Whether text is UTF-8 is the caller's business. It returns
// driver.ErrMessageType, driver.ErrClosing or ErrFragmentOpen.
func (c *Conn) AppendMessage(dst []byte, op wire.Opcode, payload []byte) ([]byte, error) {
	if err := c.mayBegin(op); err != nil {
		return dst, err
	}
	return c.appendMessage(dst, op, payload), nil
}

func (c *Conn) appendMessage(dst []byte, op wire.Opcode, payload []byte) []byte {
	if c.z != nil {
		if out, ok := c.appendCompressed(dst, op, payload); ok {
			return out
		}
	}
	return c.appendFrame(dst, true, op, payload)
}

// AppendFragment appends one frame of a message that is written in parts. The
// first call begins the message and says what it is; op is ignored afterwards.
func (c *Conn) AppendFragment(dst []byte, op wire.Opcode, payload []byte, last bool) ([]byte, error) {
	if c.writeOp == wire.Continuation {
		if err := c.mayBegin(op); err != nil {
			return dst, err
		}
		if !last {
			c.writeOp = op
		}
		if c.z != nil {
			return c.appendCompressedPart(dst, true, last, op, payload), nil
		}
		return c.appendFrame(dst, last, op, payload), nil
	}
	if c.isClosing() {
		return dst, driver.ErrClosing
	}
	if last {
		c.writeOp = wire.Continuation
	}
	if c.z != nil {
		return c.appendCompressedPart(dst, false, last, op, payload), nil
	}
	return c.appendFrame(dst, last, wire.Continuation, payload), nil
}

// EncodeMessage appends a whole message that is to be sent later, before any
// message that is appended after it, at a moment when MayWrite returns nil. It
// returns driver.ErrMessageType or driver.ErrClosing.
func (c *Conn) EncodeMessage(dst []byte, op wire.Opcode, payload []byte) ([]byte, error) {
	switch err := c.mayBegin(op); err {
	case nil:
		return c.appendMessage(dst, op, payload), nil
	case ErrFragmentOpen:
		// The compressor is in the middle of the other message. Any message may
		// go uncompressed (RFC 7692 §6).
		return c.appendFrame(dst, true, op, payload), nil
	default:
		return dst, err
	}
}

// MayWrite returns what AppendMessage would refuse with: a driver asks before it
// sends frames that were encoded elsewhere.
func (c *Conn) MayWrite() error { return c.mayBegin(wire.Binary) }

func (c *Conn) mayBegin(op wire.Opcode) error {
	switch {
	case op != wire.Text && op != wire.Binary:
		return driver.ErrMessageType
	case c.isClosing():
		return driver.ErrClosing
	case c.writeOp != wire.Continuation:
		return ErrFragmentOpen
	}
	return nil
}

// AppendPing appends a ping of the caller's own. It returns ErrControlLength or
// driver.ErrClosing.
func (c *Conn) AppendPing(dst, payload []byte) ([]byte, error) {
	return c.appendControl(dst, wire.Ping, payload)
}

// AppendPong appends an unsolicited pong (RFC 6455 §5.5.3).
func (c *Conn) AppendPong(dst, payload []byte) ([]byte, error) {
	return c.appendControl(dst, wire.Pong, payload)
}

func (c *Conn) appendControl(dst []byte, op wire.Opcode, payload []byte) ([]byte, error) {
	if len(payload) > wire.ControlPayloadBytesMax {
		return dst, ErrControlLength
	}
	if c.isClosing() {
		return dst, driver.ErrClosing
	}
	return c.appendFrame(dst, true, op, payload), nil
}

// QueueClose begins the closing handshake: this side's close frame is owed, and
// AppendReplies appends it. wire.CloseNoStatus sends one without a code; a
// reason that is too long is cut. It returns driver.ErrCloseCode or, when a close frame
// was sent or is owed already, driver.ErrClosing.
func (c *Conn) QueueClose(code wire.CloseCode, reason string, now Time) error {
	if code != wire.CloseNoStatus && !code.OnWire() {
		return driver.ErrCloseCode
	}
	if c.isClosing() {
		return driver.ErrClosing
	}
	c.queueClose(code, reason, now)
	return nil
}

// AppendReplies appends the frames that the protocol owes the peer: the pong
// for the newest ping, the keepalive ping, the close frame. A driver calls it
// after Next, Expire and with whatever else it sends.
func (c *Conn) AppendReplies(dst []byte) []byte {
	if c.closeSent {
		return dst // RFC 6455 §5.5.1: nothing follows a close frame
	}
	if c.pong != nil {
		dst = c.appendFrame(dst, true, wire.Pong, c.pong.bytes())
		pongs.Put(c.pong)
		c.pong = nil
	}
	if c.pingOwed {
		c.pingOwed = false
		var payload [8]byte
		binary.BigEndian.PutUint64(payload[:], uint64(c.pinged))
		dst = c.appendFrame(dst, true, wire.Ping, payload[:])
	}
	if c.closeOwed {
		c.closeOwed, c.closeSent = false, true
		var payload [wire.ControlPayloadBytesMax]byte
		dst = c.appendFrame(dst, true, wire.Close, wire.AppendClose(payload[:0], c.closeCode, c.closeReason))
		c.closeReason = ""
	}
	return dst
}

// HasReplies reports whether AppendReplies has something to append.
func (c *Conn) HasReplies() bool {
	return !c.closeSent && (c.pong != nil || c.pingOwed || c.closeOwed)
}

func (c *Conn) appendFrame(dst []byte, fin bool, op wire.Opcode, payload []byte) []byte {
	if c.config.Observe != nil {
		c.config.Observe(true, wire.Header{Fin: fin, Opcode: op, Masked: c.config.Role == Client, Length: int64(len(payload))})
	}
	if c.config.Role == Server {
		return wire.AppendFrame(dst, fin, op, payload)
	}
	var key [4]byte
	c.config.Rand(key[:])
	return wire.AppendMaskedFrame(dst, fin, op, key, payload)
}

func (c *Conn) isClosing() bool { return c.closeOwed || c.closeSent || c.closeGot || c.failed }
