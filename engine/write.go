package engine

import (
	"encoding/binary"
	"errors"

	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/wire"
)

// Write sends p as one message. It does not keep p, and does not wait. Messages
// that a callback writes leave when the callback's input is used up, all of them
// for this connection in one system call. Messages from elsewhere leave in the
// loop's next turn. Bytes that the network does not take are queued, see Buffered
// and OnDrain.
//
// It returns ErrQueueFull when the queue has no room, with nothing written: the
// peer does not keep up, so wait for OnDrain, or close the connection. It returns
// ErrMessageType or ErrNotUTF8, ErrClosing after a close frame, and the
// *CloseError of the connection when it has ended. Nil means that the message
// will be sent if the connection lives, not that anyone has received it.
func (c *Conn) Write(typ MessageType, p []byte) error {
	if typ == MessageText && !validUTF8(p) {
		return ErrNotUTF8
	}
	c.mu.Lock()
	err := c.admit(len(p), 1)
	if err == nil {
		o := c.box()
		before := len(o.Bytes)
		if o.Bytes, err = c.proto.AppendMessage(o.Bytes, wire.Opcode(typ), p); err == nil {
			o.Mark()
		}
		c.queued += len(o.Bytes) - before
	}
	c.unlockAndSend()
	return err
}

// WriteFrames sends frames that were encoded already, each one or more whole,
// unmasked frames, as wire.AppendFrame builds them: the way to encode a message
// once and send it to many, where Prepare does not serve. Nothing is sent between
// them. Their content is the caller's responsibility. The errors are those of
// Write.
func (c *Conn) WriteFrames(encoded ...[]byte) error {
	size := 0
	for _, f := range encoded {
		size += len(f)
	}
	c.mu.Lock()
	err := c.admit(size, len(encoded))
	if err == nil {
		err = c.proto.MayWrite()
	}
	if err == nil && len(encoded) > 0 {
		o := c.box()
		for _, f := range encoded {
			o.Bytes = append(o.Bytes, f...)
			o.Mark()
		}
		c.queued += size
	}
	c.unlockAndSend()
	return err
}

// Ping asks the peer for a sign of life; RTT has the answer when it comes. While
// one is under way another is not sent. It returns ErrClosing or a *CloseError.
func (c *Conn) Ping() error {
	c.mu.Lock()
	err := c.ended()
	if r := c.rareState(); err == nil && (r == nil || r.pinged == 0) {
		now := max(c.loop.clock(), 1)
		o := c.box()
		before := len(o.Bytes)
		if o.Bytes, err = c.proto.AppendPing(o.Bytes, pingPayload(now)); err == nil {
			c.needRare().pinged = now
		}
		c.queued += len(o.Bytes) - before
	}
	c.unlockAndSend()
	return err
}

// pingPayload differs in its length from that of keepalive.
func pingPayload(at wsproto.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{'p'}, uint64(at))
}

// Wake has OnWake called on the connection's loop, if its Handler is a Waker. It
// is cheap when it was called before and OnWake was not yet: the way to tell a
// connection that there is something for it, without writing it here.
func (c *Conn) Wake() {
	c.mu.Lock()
	if c.flags&woken != 0 {
		c.mu.Unlock()
		return
	}
	c.flags |= woken
	c.unlockAndPost()
}

// Close begins the closing handshake: a close frame is sent behind the queued
// messages, and OnClose is called when the peer has answered, or after
// CloseTimeout. No more messages are handed on. A code of 1005
// (wire.CloseNoStatus) sends no code; a reason longer than 123 bytes is cut.
//
// It returns ErrCloseCode, with nothing done, for a code that may not be sent,
// and ErrClosing or a *CloseError when the connection is being closed already.
func (c *Conn) Close(code StatusCode, reason string) error {
	c.mu.Lock()
	err := c.ended()
	if err == nil {
		if err = c.proto.QueueClose(code, reason, c.loop.clock()); err == nil {
			c.hasClosed()
		}
	}
	c.unlockAndPost()
	return err
}

// hasClosed notes that this side's close frame is owed, and not for a fault; mu is
// held.
func (c *Conn) hasClosed() {
	c.flags |= armTimer
	if m := c.mailbox(); m != nil {
		m.closed = true
	}
}

// CloseNow ends the connection without a close frame. The queue is dropped.
// OnClose is called soon, with an error that wraps net.ErrClosed. It does nothing
// to a connection that has ended.
func (c *Conn) CloseNow() {
	c.mu.Lock()
	c.flags |= aborted
	c.unlockAndPost()
}

// errNotAgreed is returned for the Conn of an opening handshake that waits.
var errNotAgreed = errors.New("engine: the connection is no WebSocket yet: its opening handshake waits to be decided")

// ended returns why nothing can be written, the connection's end for example; mu is
// held.
func (c *Conn) ended() error {
	switch {
	case c.closed != nil:
		return c.closed
	case c.flags&webSocket == 0:
		return errNotAgreed
	}
	if c.flags&aborted != 0 {
		return ErrClosing
	}
	return nil
}

// admit asks whether messages of size bytes may be queued; mu is held.
func (c *Conn) admit(size, messages int) error {
	if err := c.ended(); err != nil {
		return err
	}
	s := c.settings
	if c.queued == 0 || c.queued+size <= s.QueueBytesMax && c.messages()+messages <= s.QueueMessagesMax {
		return nil
	}
	c.flags |= owesDrain
	return ErrQueueFull
}

// messages is how many messages are queued; mu is held.
func (c *Conn) messages() int {
	if c.out == nil {
		return 0
	}
	return c.out.Messages()
}

// box returns where frames are appended; mu is held.
func (c *Conn) box() *outbox.Outbox {
	if c.out == nil {
		c.out = outbox.Get()
	} else {
		c.out.Compact()
	}
	return c.out
}

// unlockAndSend unlocks, and sees to it that the loop sends what was appended.
func (c *Conn) unlockAndSend() {
	if c.flags&(corked|blocked) != 0 {
		c.mu.Unlock() // the loop will, without being told
		return
	}
	c.unlockAndPost()
}

// unlockAndPost unlocks, and has the loop look at the connection.
func (c *Conn) unlockAndPost() {
	if c.flags&posted != 0 {
		c.mu.Unlock()
		return
	}
	c.flags |= posted
	c.mu.Unlock()
	c.loop.post(c)
}

func validUTF8(p []byte) bool {
	var u wire.UTF8
	return u.Write(p) && u.Done()
}
