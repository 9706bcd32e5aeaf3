package engine

import "github.com/godwit-io/godwit/ws/wire"

// mailbox stands between a loop and a blocking handler: to the loop it is the
// handler, and what it is told it has a worker tell the real one. It holds one
// call of each kind at most.
//
// There is one message and no queue of them, because what comes behind a message
// depends on it. A close frame is answered by the protocol at once, so the
// answers to messages before it have to be written by then; and what a queue
// holds would need limits in messages and in inflated bytes, where the bytes on
// the wire have theirs already.
type mailbox struct {
	conn *Conn

	// Guarded by the lock of conn.
	due     calls
	running bool
	reading bool // the loop has stopped reading, and is to be told when to go on
	closed  bool // the application has closed the connection, so it wants no more messages
	typ     MessageType
	message *assembly
	end     *CloseError

	// The loop's own.
	held      *assembly // has arrived; nil if nothing waits
	from      int       // what of held was decoded
	holding   bool      // since it was last decoded, something has to wait
	unread    bool      // the poller was told that nothing is to be read
	unwatched bool      // the poller does not know the descriptor any more
}

// calls are those that a mailbox is to have made, in the order of their bits.
type calls uint8

const (
	callOpen calls = 1 << iota
	callMessage
	callDrain
	callWake
	callClose
)

// busy reports whether a call runs or is to be made; the lock is held.
func (m *mailbox) busy() bool { return m.running || m.due != 0 }

// mailbox returns c's mailbox, if it has one; mu is held.
func (c *Conn) mailbox() *mailbox {
	r := c.rareState()
	if r == nil {
		return nil
	}
	return r.mail
}

// needMailbox returns c's mailbox; mu is held.
func (c *Conn) needMailbox() *mailbox {
	r := c.needRare()
	if r.mail == nil {
		r.mail = &mailbox{conn: c}
	}
	return r.mail
}

// handler returns the handler that the loop calls: the application's, or the mailbox
// in front of it. What the mailbox has taken comes first, also when the handler is
// another one by now. mu is held.
func (c *Conn) handler() Handler {
	h := c.chosen()
	if _, ok := h.(blocking); ok {
		return c.needMailbox()
	}
	if m := c.mailbox(); m != nil && m.busy() {
		return m
	}
	return h
}

// put notes a call, and has it made.
func (m *mailbox) put(call calls, note func()) {
	c := m.conn
	c.mu.Lock()
	idle := !m.busy()
	m.due |= call
	if note != nil {
		note()
	}
	c.mu.Unlock()
	if idle {
		c.loop.server.pool.Submit(m)
	}
}

// OnOpen implements Handler.
func (m *mailbox) OnOpen(*Conn) { m.put(callOpen, nil) }

// OnMessage implements Handler. A message that came in parts is handed over with
// its memory; a message in the loop's receive buffer has to be copied.
func (m *mailbox) OnMessage(c *Conn, typ MessageType, p []byte) {
	message := c.message
	if message != nil && len(p) > 0 && len(message.b) == len(p) && &message.b[0] == &p[0] {
		c.message = nil
	} else {
		message = assemblies.Get().(*assembly)
		message.b = append(message.b, p...)
	}
	m.put(callMessage, func() { m.typ, m.message = typ, message })
}

// OnDrain implements Handler.
func (m *mailbox) OnDrain(*Conn) { m.put(callDrain, nil) }

// OnWake implements Waker.
func (m *mailbox) OnWake(*Conn) { m.put(callWake, nil) }

// OnClose implements Handler.
func (m *mailbox) OnClose(_ *Conn, err *CloseError) { m.put(callClose, func() { m.end = err }) }

// Call makes the next call. It runs on a worker.
func (m *mailbox) Call() {
	c := m.conn
	c.mu.Lock()
	call := m.due & -m.due // the lowest bit
	m.due &^= call
	m.running = true
	h := plain(c.chosen())
	typ, message, end := m.typ, m.message, m.end
	unwanted := false
	if call == callMessage {
		m.message = nil
		// A fault of the peer is behind the message, and does not take it back.
		unwanted = m.closed || c.flags&aborted != 0
	}
	c.mu.Unlock()

	returned := false
	defer func() {
		if r := recover(); !returned {
			m.failed(h, call, reasonOf(r))
		}
		if message != nil && call == callMessage {
			message.recycle()
		}
		m.over()
	}()
	switch call {
	case callOpen:
		h.OnOpen(c)
	case callMessage:
		if !unwanted {
			h.OnMessage(c, typ, message.b)
		}
	case callDrain:
		h.OnDrain(c)
	case callWake:
		if h, ok := h.(Waker); ok {
			h.OnWake(c)
		}
	case callClose:
		h.OnClose(c, end)
	}
	returned = true
}

// over is called after a call. The next one waits its turn, and without one the
// loop goes on reading if it has stopped.
func (m *mailbox) over() {
	c := m.conn
	c.mu.Lock()
	m.running = false
	if m.due != 0 {
		c.mu.Unlock()
		c.loop.server.pool.Submit(m)
		return
	}
	if m.reading {
		m.reading = false
		c.unlockAndPost()
		return
	}
	c.mu.Unlock()
}

// failed closes the connection with 1011 after a call has panicked or ended its
// goroutine.
func (m *mailbox) failed(h Handler, call calls, reason any) {
	c, l := m.conn, m.conn.loop
	l.crashes.Add(1)
	c.panicked(h, reason)
	c.mu.Lock()
	m.closed = true
	_ = c.proto.QueueClose(StatusInternalError, "internal error", l.clock()) // unless one is owed or sent already
	c.mu.Unlock()
	if call == callClose {
		return
	}
	l.do(func() {
		if c.state == stateOpen {
			l.failConn(c, reason)
		}
	})
}

// mustWait reports whether p has to wait for a call to be over: what it begins
// with is no ping or pong. mu is held, and only the loop asks.
func (m *mailbox) mustWait(p []byte) bool {
	c := m.conn
	if !m.busy() {
		return false
	}
	if _, closing := c.proto.CloseSent(); closing {
		return false // nobody wants it; the peer's close frame is somewhere behind
	}
	op, ok := c.proto.Ahead(p)
	return !ok || !op.IsControl() || op == wire.Close
}

// hold keeps p, which was read and not decoded, until a call is over. Nothing is
// read until then. What was held already stays where it is, or many short
// messages would be moved as often as there are of them. mu is held.
func (m *mailbox) hold(p []byte) {
	m.reading, m.holding = true, true
	m.conn.mode |= awaitsHandler
	switch {
	case m.held != nil:
		m.from = len(m.held.b) - len(p)
	case len(p) > 0:
		m.held, m.from = assemblies.Get().(*assembly), 0
		m.held.b = append(m.held.b, p...)
	}
}

// leaveUnread is called when the poller says that there is something to read, and it
// has to stay where it is. A peer that has gone is reported whatever is watched,
// so the second time the poller is made to forget the descriptor.
func (l *loop) leaveUnread(c *Conn) {
	c.mu.Lock()
	m := c.mailbox()
	c.mu.Unlock()
	if !m.unread {
		m.unread = true
		l.watch(c)
		return
	}
	m.unwatched = true
	l.poll.Remove(c.fd)
}

// holdEnd reports whether a call is to be over first when the peer has sent all
// it will: it may be answering.
func (l *loop) holdEnd(c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.mailbox()
	if _, closing := c.proto.CloseSent(); m == nil || closing || !m.busy() {
		return false
	}
	m.hold(nil)
	return true
}

// makeRoom is called when the queue is short enough to read on.
func (l *loop) makeRoom(c *Conn) {
	if c.mode&pausedReading != 0 && c.mode&(awaitsHandler|keepsInput) != 0 {
		c.mu.Lock()
		c.unlockAndPost() // continueAfterCall, or continueAfterPause
	}
	c.mode &^= pausedReading
}

// continueAfterCall decodes what was held, and reads on, if the call it had to wait for is
// over.
func (l *loop) continueAfterCall(c *Conn) {
	c.mu.Lock()
	m := c.mailbox()
	_, closing := c.proto.CloseSent()
	wait := m.busy() && !closing
	m.reading = wait
	long := c.flags&blocked != 0 && c.tooLong() && !closing
	c.mu.Unlock()
	if wait {
		return
	}
	if long {
		// A peer that does not take answers is not read: makeRoom goes on.
		c.mode |= pausedReading
		return
	}
	m.holding = false
	var p []byte // there may be more to inflate also when nothing is held
	if m.held != nil {
		p = m.held.b[m.from:]
	}
	l.input(c, p)
	if m.holding || c.state != stateOpen {
		return
	}
	l.unhold(c)
	if c.fd >= 0 {
		// What may be there decides whether the peer is alive, and a timer may be due.
		l.read(c)
	}
}

// unhold has the poller watch c again. What was held was decoded, or is not
// wanted any more.
func (l *loop) unhold(c *Conn) {
	if c.mode&awaitsHandler == 0 {
		return
	}
	c.mode &^= awaitsHandler
	c.mu.Lock()
	m := c.mailbox()
	m.reading = false
	c.mu.Unlock()
	if m.held != nil {
		m.held.recycle()
		m.held = nil
	}
	if m.unwatched {
		if err := l.poll.Add(c.fd, c.slot); err != nil {
			l.server.log().Error("engine: cannot watch a connection", "error", err)
		}
	}
	m.holding, m.unread, m.unwatched = false, false, false
	l.watch(c)
}
