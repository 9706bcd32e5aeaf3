package socketio

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio/packet"
)

// client is one session of Engine.IO, with a Socket for each namespace it is in.
type client struct {
	server    *Server
	engine    session
	handshake any
	isLegacy  bool // Engine.IO 3, which clients 1 and 2 speak

	mu      sync.Mutex // guards conn, sockets, cause and closed. It comes before Socket.mu.
	conn    *packet.Conn
	sockets []*Socket
	cause   Reason // of the end, if this side has decided it
	closed  bool

	pending atomic.Int64 // bytes that wait for handlers
	awaited atomic.Int32 // acknowledgements
	paused  atomic.Bool
}

// session is the part of an *engineio.Socket that a client needs.
type session interface {
	SID() string
	Version() int
	Transport() engineio.Transport
	RemoteAddr() net.Addr
	WritePackets(frames ...[]byte) error
	Buffered() int
	Close(code uint16, reason string)
	WakeAt(t time.Time)
	PauseReading()
	ResumeReading()
}

// engineHandler is the Handler of the engine: it finds the client.
type engineHandler struct {
	engineio.NopHandler
	server *Server
}

func (h engineHandler) OnOpen(es *engineio.Socket) {
	c := newClient(h.server, es, es.Value(), time.Now())
	es.SetValue(c)
	c.begin()
}

func (h engineHandler) OnMessage(es *engineio.Socket, typ engineio.MessageType, data []byte) {
	es.Value().(*client).receive(typ, data)
}

func (h engineHandler) OnWake(es *engineio.Socket) { es.Value().(*client).expire(time.Now()) }

func (h engineHandler) OnClose(es *engineio.Socket, r engineio.Reason) {
	es.Value().(*client).ended(reasonOf(r))
}

func newClient(s *Server, engine session, handshake any, now time.Time) *client {
	conn, err := packet.NewConn(s.options.limits(engine.Version()), now)
	if err != nil {
		panic(err) // the options were checked when the server was made
	}
	return &client{server: s, engine: engine, handshake: handshake, isLegacy: engine.Version() == 3, conn: conn}
}

// begin is called when the session begins.
func (c *client) begin() {
	c.engine.WakeAt(c.conn.Deadline())
	if p, ok := c.conn.Begin(); ok {
		c.do(&p, nil)
	}
}

// expire is called when the client may have taken too long to join a namespace.
func (c *client) expire(now time.Time) {
	c.mu.Lock()
	err := c.conn.Expire(now)
	c.engine.WakeAt(c.conn.Deadline())
	c.mu.Unlock()
	if err != nil {
		c.close(ReasonServerClose)
	}
}

// ended is called when the session has ended.
func (c *client) ended(reason Reason) {
	c.mu.Lock()
	c.closed = true
	if c.cause != "" {
		reason = c.cause
	}
	sockets := c.sockets
	c.sockets = nil
	c.mu.Unlock()
	for _, s := range sockets {
		s.end(reason)
	}
}

// receive takes a message of the client.
func (c *client) receive(typ engineio.MessageType, data []byte) {
	c.mu.Lock()
	var p packet.Packet
	var ok bool
	var err error
	if typ == engineio.MessageText {
		p, ok, err = c.conn.Text(data)
	} else {
		p, ok, err = c.conn.Binary(data)
	}
	var s *Socket
	if ok && p.Type != packet.Connect && p.Type != packet.ConnectError {
		if s = c.socket(p.Namespace); p.Type == packet.Disconnect {
			c.sockets = slices.DeleteFunc(c.sockets, func(other *Socket) bool { return other == s })
		}
	}
	c.mu.Unlock()
	switch {
	case err != nil:
		c.close(ReasonParseError)
	case ok:
		c.do(&p, s)
	}
}

// socket returns the client's socket in a namespace. c.mu is held.
func (c *client) socket(namespace string) *Socket {
	for _, s := range c.sockets {
		if s.namespace.name == namespace {
			return s
		}
	}
	return nil
}

// do handles a packet.
func (c *client) do(p *packet.Packet, s *Socket) {
	switch {
	case p.Type == packet.Connect:
		c.connect(p)
	case p.Type == packet.ConnectError:
		c.write(p.Frames())
	case s == nil: // it has ended meanwhile
	case p.Type == packet.Disconnect:
		s.end(ReasonClientDisconnect)
	case p.Type == packet.Ack:
		s.acked(p)
	case p.Type == packet.Event:
		c.server.received.Add(1)
		e := &Event{socket: s, name: p.Event, id: p.ID, Arguments: c.arguments(p), size: len(p.Args) + eventOverhead}
		e.asked.Store(p.HasID)
		for _, a := range p.Attachments {
			e.size += len(a)
		}
		s.enqueue(e)
	}
}

// arguments returns the arguments of a packet, in memory that lasts.
func (c *client) arguments(p *packet.Packet) Arguments {
	if p.Attachments == nil {
		return Arguments{args: bytes.Clone(p.Args)}
	}
	return Arguments{args: p.Args, attachments: p.Attachments}
}

// connect begins to let a client into a namespace.
func (c *client) connect(p *packet.Packet) {
	n, refused := c.server.join(p.Namespace)
	if refused != "" {
		c.server.refused.Add(1)
		c.mu.Lock()
		frame := c.conn.Refuse(p.Namespace, refused, nil)
		c.mu.Unlock()
		c.write([][]byte{frame})
		return
	}
	s := &Socket{namespace: n, client: c, id: randomID()}
	if c.isLegacy {
		s.id = c.engine.SID()
		if n.name != packet.Main {
			s.id = n.name + "#" + s.id
		}
	}
	if h := c.server.history; h != nil {
		s.trail = h.begin()
	}
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.sockets = append(c.sockets, s)
	}
	c.mu.Unlock()
	if closed {
		c.server.part(n)
		return
	}
	s.enqueue(&Event{socket: s, kind: connecting, Arguments: Arguments{args: bytes.Clone(p.Data)}})
}

// leave tells the client that it has left a namespace.
func (c *client) leave(s *Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket(s.namespace.name) != s || s.state.Load() != stateOpen {
		return // the goroutine that connects it sees that it has ended
	}
	c.sockets = slices.DeleteFunc(c.sockets, func(other *Socket) bool { return other == s })
	if frame := c.conn.Leave(s.namespace.name); frame != nil {
		c.write([][]byte{frame})
	}
}

// close ends the connection.
func (c *client) close(cause Reason) {
	c.mu.Lock()
	if c.cause == "" {
		c.cause = cause
	}
	c.mu.Unlock()
	code := uint16(1000)
	if cause == ReasonParseError {
		code = 1002
	}
	c.engine.Close(code, "")
}

// write sends frames. An error says that the session is over, of which OnClose tells.
func (c *client) write(frames [][]byte) { _ = c.engine.WritePackets(frames...) }

// pauseOrResume has the client read no further while too much waits for handlers.
func (c *client) pauseOrResume() {
	limit := int64(c.server.options.PendingBytesMax)
	if c.awaited.Load() > 0 && limit < NoLimit/4 {
		limit *= 4 // an acknowledgement cannot come while nothing is read
	}
	pending := c.pending.Load()
	switch {
	case pending > limit:
		if c.paused.CompareAndSwap(false, true) {
			c.engine.PauseReading()
		}
		if c.pending.Load() > limit/2 {
			return
		}
		fallthrough // it was done meanwhile, when nothing was paused yet
	case pending <= limit/2 && c.paused.Load():
		if c.paused.CompareAndSwap(true, false) {
			c.engine.ResumeReading()
		}
	}
}
