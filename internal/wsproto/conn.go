package wsproto

import (
	"encoding/binary"
	"math"
	"sync"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// Time is a moment on the driver's monotonic clock: nanoseconds since any
// origin of its choice.
type Time int64

func (t Time) add(d time.Duration) Time { return t + Time(d) }

// Conn is the state of one connection. It holds no buffer while it is idle:
//
//	header   up to 13 bytes of a frame header that arrived in part
//	control  the payload of a control frame that arrived in part, else nil
//	pong     the payload of the newest ping until it was answered, else nil
//
// A server has as many of them as connections, so the fields are in the order
// that leaves no gaps: 144 bytes where a pointer has 8.
type Conn struct {
	config *Config

	// Reading: the frame under way.
	header    [wire.HeaderBytesMax - 1]byte
	headerLen uint8
	inFrame   bool // its header has been read
	fin       bool
	frameOp   wire.Opcode
	maskPos   uint8
	mask      [4]byte

	// Reading: the message under way. messageOp is Continuation between messages.
	messageOp  wire.Opcode
	begun      bool // its First part was handed on
	compressed bool
	utf8       wire.UTF8
	fragments  int32
	bytes      int64

	left    int64  // payload bytes of the frame still to come
	control *small // see above

	z *compression // nil unless it was agreed on

	// Writing.
	pong        *small
	writeOp     wire.Opcode // of the fragmented message being sent, else Continuation
	pingOwed    bool        // a keepalive ping is due
	closeOwed   bool        // closeCode and closeReason are to be sent
	closeSent   bool
	closeGot    bool
	failed      bool
	expired     bool // Expire has given up on a close: it has nothing more to ask for
	pinging     bool // see pinged
	closeCode   wire.CloseCode
	closeReason string

	// Time.
	heard   Time // when bytes last arrived
	spoken  Time // when a part of a message last arrived
	pinged  Time // when the keepalive ping was sent, if pinging
	closing Time // when this side's close frame was queued
}

// small is the payload of a control frame.
type small struct {
	n uint8
	b [wire.ControlPayloadBytesMax]byte
}

// pongs are the slots of those that owe none: pings are answered within a turn of
// the driver, so a few of them serve all connections. No event refers to one.
var pongs = sync.Pool{New: func() any { return new(small) }}

func (s *small) bytes() []byte { return s.b[:s.n] }

func (s *small) add(p []byte) { s.n += uint8(copy(s.b[s.n:], p)) }

// New returns a connection that has just completed its opening handshake.
// config must come from NewConfig.
func New(config *Config, now Time) *Conn {
	c := &Conn{}
	c.Init(config, now)
	return c
}

// Init does what New does, in place, for a driver that embeds the Conn.
func (c *Conn) Init(config *Config, now Time) { *c = Conn{config: config, heard: now, spoken: now} }

// Next decodes the event at the front of p and reports how many bytes it used.
// After None, all of them were: keep nothing. Payloads are unmasked in place,
// so p is overwritten.
func (c *Conn) Next(p []byte, now Time) (ev Event, n int) {
	if len(p) > 0 {
		c.heard = now
		c.pinging = false // any byte is a sign of life
	}
	for {
		if c.failed || c.closeGot {
			return Event{}, len(p) // RFC 6455 §5.5.1, §7.1.7: nothing after this counts
		}
		if !c.inFrame {
			used, fault := c.readHeader(p[n:])
			n += used
			if fault != nil {
				return c.fail(fault, now), len(p)
			}
			if !c.inFrame {
				return Event{}, len(p)
			}
		}
		var ok bool
		var used int
		switch {
		case c.frameOp.IsControl():
			ev, used, ok = c.readControl(p[n:], now)
		case c.compressed:
			ev, used, ok = c.readCompressed(p[n:], now)
		default:
			ev, used, ok = c.readData(p[n:], now)
		}
		n += used
		if ok {
			return ev, n
		}
		if n == len(p) && c.inFrame {
			return Event{}, n
		}
	}
}

// readHeader reads a frame header, part by part if it must, and judges it.
func (c *Conn) readHeader(p []byte) (used int, fault *Fault) {
	b, kept := p, int(c.headerLen)
	if kept > 0 {
		// Continue the part that is kept with as much as a header can need.
		var whole [wire.HeaderBytesMax]byte
		copy(whole[:], c.header[:kept])
		b = whole[:kept+copy(whole[kept:], p)]
	}
	if len(b) >= 2 {
		// A peer that announces a fault is told at once, not when the rest of
		// the header comes.
		if fault = c.judge(b[0], b[1]); fault != nil {
			return 0, fault
		}
	}
	h, size, err := wire.ParseHeader(b)
	switch err {
	case wire.ErrLengthNotMinimal:
		return 0, faultNotMinimal
	case wire.ErrLengthOverflow:
		return 0, faultLengthOverflow
	}
	if size == 0 {
		c.headerLen += uint8(copy(c.header[kept:], p))
		return len(p), nil
	}
	if !h.Opcode.IsControl() {
		if fault = c.admit(h); fault != nil {
			return 0, fault
		}
	}
	c.headerLen = 0
	c.inFrame = true
	c.fin = h.Fin
	c.frameOp = h.Opcode
	c.mask, c.maskPos = h.Mask, 0
	c.left = h.Length
	if c.config.Observe != nil {
		c.config.Observe(false, h)
	}
	return size - kept, nil
}

// judge checks what the first two bytes of a frame say against RFC 6455 §5.1,
// §5.2, §5.4 and §5.5.
func (c *Conn) judge(b0, b1 byte) *Fault {
	op := wire.Opcode(b0 & 0xF)
	fin, masked := b0&0x80 != 0, b1&0x80 != 0
	switch {
	case b0&0x70 != 0 && !c.marksCompression(b0):
		return faultReservedBits
	case op.IsReserved():
		return faultReservedOpcode
	case masked && c.config.Role == Client:
		return faultMasked
	case !masked && c.config.Role == Server:
		return faultNotMasked
	case op.IsControl():
		if !fin {
			return faultControlFragm
		}
		if b1&0x7F > wire.ControlPayloadBytesMax {
			return faultControlLength
		}
	case op == wire.Continuation:
		if c.messageOp == wire.Continuation {
			return faultContinuation
		}
	case c.messageOp != wire.Continuation:
		return faultInterleaved
	}
	return nil
}

// marksCompression reports whether the reserved bits of a frame say that it
// begins a compressed message, and may (RFC 7692 §6).
func (c *Conn) marksCompression(b0 byte) bool {
	op := wire.Opcode(b0 & 0xF)
	return c.z != nil && b0&0x70 == byte(wire.RSV1)<<4 && (op == wire.Text || op == wire.Binary)
}

// admit begins or continues a message, within the limits.
func (c *Conn) admit(h wire.Header) *Fault {
	if h.Opcode != wire.Continuation {
		c.messageOp = h.Opcode
		c.begun = false
		c.fragments = 0
		c.bytes = 0
		c.utf8.Reset()
		c.compressed = h.RSV&wire.RSV1 != 0
	}
	limit := c.config.MessageBytesMax
	if c.compressed {
		limit = deflate.CompressedBytesMax(limit) // the inflater counts what comes out
	}
	// Compared without a sum that could overflow: bytes never exceeds the limit.
	if h.Length > limit-c.bytes {
		return faultMessageBytes
	}
	if int(c.fragments) >= c.config.FragmentsMax {
		return faultFragments
	}
	c.bytes += h.Length
	if c.fragments < math.MaxInt32 {
		c.fragments++
	}
	return nil
}

// readData hands on what has arrived of a data frame. ok is false when there is
// nothing to hand on.
func (c *Conn) readData(p []byte, now Time) (ev Event, used int, ok bool) {
	part := p[:min(int64(len(p)), c.left)]
	if len(part) == 0 && c.left > 0 {
		return Event{}, 0, false
	}
	c.unmask(part)
	c.left -= int64(len(part))
	last := c.fin && c.left == 0
	if c.left == 0 {
		c.inFrame = false
	}
	if c.messageOp == wire.Text && !(c.utf8.Write(part) && (!last || c.utf8.Done())) {
		return c.fail(faultUTF8, now), len(p), true
	}
	if len(part) == 0 && !last {
		return Event{}, 0, false // an empty fragment says nothing
	}
	ev = Event{Kind: Data, Op: c.messageOp, First: !c.begun, Last: last, Payload: part}
	c.begun = true
	c.spoken = now
	if last {
		c.messageOp = wire.Continuation
	}
	return ev, len(part), true
}

// readControl collects a control frame, which is handed on whole.
func (c *Conn) readControl(p []byte, now Time) (ev Event, used int, ok bool) {
	part := p[:min(int64(len(p)), c.left)]
	c.unmask(part)
	c.left -= int64(len(part))
	if c.left > 0 {
		if len(part) > 0 {
			if c.control == nil {
				c.control = new(small)
			}
			c.control.add(part)
		}
		return Event{}, len(part), false
	}
	payload := part
	if c.control != nil {
		c.control.add(part)
		payload = c.control.bytes()
		c.control = nil
	}
	c.inFrame = false
	switch c.frameOp {
	case wire.Ping:
		return c.gotPing(payload), len(part), true
	case wire.Pong:
		return c.gotPong(payload, now), len(part), true
	}
	return c.gotClose(payload, now), len(part), true
}

func (c *Conn) unmask(p []byte) {
	if c.config.Role == Server {
		c.maskPos = uint8(wire.Mask(p, c.mask, int(c.maskPos)))
	}
}

// gotPing notes the pong that is owed.
//
// RFC 6455 §5.5.3: a pong may answer only the most recent ping. One slot is
// kept, so a flood of pings costs the peer's bandwidth and not our memory.
func (c *Conn) gotPing(payload []byte) Event {
	if c.pong == nil {
		c.pong = pongs.Get().(*small)
	}
	c.pong.n = 0
	c.pong.add(payload)
	return Event{Kind: Ping, Payload: payload}
}

// gotPong measures the round trip if it answers the keepalive ping, whose
// payload is the time it was sent.
func (c *Conn) gotPong(payload []byte, now Time) Event {
	ev := Event{Kind: Pong, Payload: payload}
	if len(payload) == 8 && c.pinged != 0 && binary.BigEndian.Uint64(payload) == uint64(c.pinged) {
		ev.RTT = max(time.Duration(now-c.pinged), 1)
		c.pinged = 0
	}
	return ev
}

// gotClose judges the peer's close frame (RFC 6455 §5.5.1, §7.1.5) and queues
// the echo, with the same code, unless this side closed first.
func (c *Conn) gotClose(payload []byte, now Time) Event {
	code, reason, err := wire.ParseClose(payload)
	switch err {
	case wire.ErrCloseLength:
		return c.fail(faultCloseLength, now)
	case wire.ErrCloseCode:
		return c.fail(faultCloseCode, now)
	case wire.ErrCloseReason:
		return c.fail(faultCloseReason, now)
	}
	c.closeGot = true
	c.queueClose(code, "", now)
	return Event{Kind: Close, Code: code, Payload: reason}
}

// fail ends the connection with a close frame that names the fault
// (RFC 6455 §7.1.7).
func (c *Conn) fail(f *Fault, now Time) Event {
	c.failed = true
	c.control = nil
	c.queueClose(f.Code, f.Text, now)
	return Event{Kind: Fail, Code: f.Code, Err: f}
}

// queueClose queues this side's close frame, if it has not sent one.
func (c *Conn) queueClose(code wire.CloseCode, reason string, now Time) {
	if c.closeSent || c.closeOwed {
		return
	}
	c.closeOwed = true
	c.closeCode, c.closeReason = code, reason
	c.closing = now
}

// SetConfig changes the limits and the timing from now on. config must come from
// NewConfig and have the same Role.
func (c *Conn) SetConfig(config *Config) { c.config = config }
