package engine

import (
	"encoding/binary"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine/internal/httphead"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/internal/wsproto"
)

// assembly is a message, or the head of a request, that arrives in parts. It
// grows with what has arrived of it: an announced length is not believed with
// memory.
type assembly struct {
	b   []byte
	typ MessageType
	cut httphead.Cut // of a head: how far it has been looked at
}

const (
	// directBytesMin is how much of a frame must be missing to read it straight
	// into the message instead of through the receive buffer.
	directBytesMin = 8 << 10

	// growBytesMin is the least that a message in parts grows by.
	growBytesMin = 16 << 10

	// assemblyBytesMax is the largest assembly that is kept for reuse.
	assemblyBytesMax = 256 << 10
)

var assemblies = sync.Pool{New: func() any { return new(assembly) }}

// needMessage returns c.message.
func (c *Conn) needMessage() *assembly {
	if c.message == nil {
		c.message = assemblies.Get().(*assembly)
	}
	return c.message
}

// dropMessage gives c.message back.
func (c *Conn) dropMessage() {
	if c.message != nil {
		c.message.recycle()
		c.message = nil
	}
}

func (m *assembly) recycle() {
	if cap(m.b) > assemblyBytesMax {
		m.b = nil
	}
	*m = assembly{b: m.b[:0]}
	assemblies.Put(m)
}

// read takes what has arrived, a buffer of it at most, and deals with it.
func (l *loop) read(c *Conn) {
	switch {
	case c.state == stateExchange:
		l.readExchange(c)
		return
	case c.mode&(keepsInput|expectsProxy) != 0:
		if c.mode&expectsProxy != 0 {
			l.readPreface(c)
		}
		return
	}
	buf := l.in
	if c.message != nil && c.state == stateOpen {
		if free := c.direct(); free != nil {
			buf = free
		}
	}
	n, err := l.receive(c, buf)
	switch {
	case err == socket.ErrAgain:
		return
	case err == nil && n == 0 && c.state != stateHead && (c.state == stateOpen || c.isBlocked()):
		l.endHalf(c)
		return
	case err == nil && n == 0 && c.hasRequest():
		c.extra.exchange.ended = true // the requests before it are served
		l.holdInput(c)
		return
	case err == nil && n == 0:
		err = io.ErrUnexpectedEOF // RFC 6455 §7.1.5: without a close frame the end is abnormal
	}
	if err != nil {
		l.finish(c, abnormal(err), false)
		l.release(c)
		return
	}
	l.tally.BytesIn += uint64(n)
	switch c.state {
	case stateHead:
		l.takeHead(c, buf[:n])
	case stateOpen:
		l.input(c, buf[:n])
	case stateLast:
		if e := c.exchange(); e != nil {
			if e.left += int64(n); e.left > lingerBytesMax {
				l.release(c)
			}
		}
	}
}

// endHalf is called when the peer has sent all it will. It may still be reading
// what it is owed, so that is sent before the end.
func (l *loop) endHalf(c *Conn) {
	if c.state == stateOpen && l.holdEnd(c) {
		return
	}
	l.finish(c, abnormal(io.ErrUnexpectedEOF), false)
	c.mode |= pausedReading // the end of the input stays readable
	if c.isBlocked() {
		l.watch(c)
		return
	}
	l.flush(c)
}

// direct returns room in the message that is arriving for the missing part of
// its frame, or nil when the receive buffer serves better.
func (c *Conn) direct() []byte {
	left := c.proto.FrameLeft() // only the loop changes it
	if left < directBytesMin {
		return nil
	}
	m := c.message
	if int64(cap(m.b)-len(m.b)) < min(left, receiveBytes) {
		m.b = slices.Grow(m.b, int(min(left, int64(max(len(m.b), growBytesMin)))))
	}
	free := m.b[len(m.b):cap(m.b)]
	return free[:min(int64(len(free)), left)]
}

// input decodes p and hands on what is in it. What the handler writes meanwhile
// leaves in one system call at the end.
func (l *loop) input(c *Conn, p []byte) {
	c.cork()
	enough := l.tally.MessagesIn + gatherMessages
	for c.state == stateOpen && l.decode(c, &p) {
		if l.tally.MessagesIn >= enough && c.state == stateOpen {
			c.mu.Lock()
			c.keepUndecoded(p)
			c.unlockAndPost() // behind the connections that got the messages
			break
		}
	}
	l.uncork(c)
}

// decode deals with one event at the front of p, and reports whether there may
// be another.
func (l *loop) decode(c *Conn, p *[]byte) bool {
	c.mu.Lock()
	if m := c.mailbox(); m != nil && m.mustWait(*p) {
		m.hold(*p)
		c.mu.Unlock()
		return false
	}
	if c.flags&pausing != 0 && c.isPaused() {
		c.keepUndecoded(*p)
		c.mu.Unlock()
		return false
	}
	if c.proto.Compressed() {
		c.proto.SetScratch(l.scratch)
	}
	awaiting := c.proto.AwaitingPong()
	ev, n := c.proto.Next(*p, l.now)
	// The one deadline that moves earlier: from the ping's timeout to the next
	// ping, if PingTimeout is the longer.
	earlier := awaiting && !c.proto.AwaitingPong()
	*p = (*p)[n:]
	more := len(*p) > 0 || c.proto.Pending()
	if c.flags&aborted != 0 {
		c.mu.Unlock()
		return false // visit ends it
	}
	if ev.Kind == wsproto.Ping && c.flags&blocked == 0 {
		l.appendReplies(c) // the pong keeps its place among the echoes of an echo server
	}
	_, closing := c.proto.CloseSent()
	h := c.handler()
	c.mu.Unlock()
	if earlier {
		l.arm(c)
	}

	switch ev.Kind {
	case wsproto.Data:
		l.data(c, h, &ev, closing)
	case wsproto.Pong:
		c.answered(&ev, l.now)
	case wsproto.Close:
		// What came behind a close frame, and what has not been read yet, would
		// make the system reset the connection if it were closed now.
		l.finish(c, &CloseError{Code: ev.Code, Reason: string(ev.Payload)}, len(*p) > 0)
		return false
	case wsproto.Fail:
		// The peer may still be sending. Closing at once would reset the
		// connection and take our close frame with it, so stay and let it arrive.
		l.finish(c, abnormal(ev.Err), true)
		return false
	}
	return more
}

// data hands on a message, when it is whole.
func (l *loop) data(c *Conn, h Handler, ev *wsproto.Event, closing bool) {
	switch {
	case closing:
		// Nobody wants it any more, but the peer's close frame stands behind it.
		if ev.Last {
			c.dropMessage()
		}
	case ev.First && ev.Last:
		l.tally.MessagesIn++
		h.OnMessage(c, MessageType(ev.Op), ev.Payload)
	default:
		m := c.needMessage()
		if ev.First {
			m.typ, m.b = MessageType(ev.Op), m.b[:0]
		}
		m.add(ev.Payload)
		if ev.Last {
			l.tally.MessagesIn++
			h.OnMessage(c, m.typ, m.b)
			c.dropMessage()
		}
	}
}

// add appends a part. A part that was read straight into the free space behind m.b
// is there already.
func (m *assembly) add(p []byte) {
	if n := len(m.b); len(p) > 0 && cap(m.b)-n >= len(p) && &p[0] == &m.b[n : n+1][0] {
		m.b = m.b[:n+len(p)]
		return
	}
	m.b = append(m.b, p...)
}

// answered notes the round trip of a ping.
func (c *Conn) answered(ev *wsproto.Event, now wsproto.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ev.RTT > 0 {
		c.setRTT(ev.RTT)
	}
	x := c.rareState()
	if x == nil || x.pinged == 0 || len(ev.Payload) != 9 || ev.Payload[0] != 'p' {
		return
	}
	if at := wsproto.Time(binary.BigEndian.Uint64(ev.Payload[1:])); at == x.pinged {
		x.pinged = 0
		c.setRTT(time.Duration(now - at))
	}
}
