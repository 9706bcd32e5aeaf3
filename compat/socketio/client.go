package socketio

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/transport"
)

// client is one session of Engine.IO, with the namespaces that its client is in. Its
// methods are called one at a time.
type client struct {
	*arrival
	server *Server
	socket *engineio.Socket
	conn   *packet.Conn
	list   []*conversation
	isBusy bool // it is not read
	isOver bool

	// A POST of a polling client can bring more at once than its hearers may miss before
	// they have their turn. The excess waits here: the rest of one POST, and the messages
	// read from a WebSocket.
	taken   int // messages since the last turn of the others
	waiting []message
}

type message struct {
	isBinary bool
	data     []byte
}

// takenMax is how many messages of a client are taken before others have their turn.
const takenMax = 128

// handler gives the events of sessions of Engine.IO to their clients.
type handler struct{ server *Server }

func clientOf(s *engineio.Socket) *client {
	c, _ := s.Value().(*client)
	return c
}

// OnOpen implements engineio.Handler.
func (h handler) OnOpen(s *engineio.Socket) {
	a, _ := s.Value().(*arrival)
	if a == nil || !a.lapse.Stop() { // it took so long that nobody counts it any more
		s.Close(closeTryAgain, "too late")
		return
	}
	limits := h.server.limits
	limits.Legacy = s.Version() == 3
	conn, err := packet.NewConn(limits, time.Now())
	if err != nil {
		panic(err) // New has checked the limits
	}
	c := &client{arrival: a, server: h.server, socket: s, conn: conn}
	s.SetValue(c)
	s.WakeAt(conn.Deadline())
	if p, ok := conn.Begin(); ok {
		c.connect(&p)
	}
	c.finish()
}

// OnMessage implements engineio.Handler.
func (h handler) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
	c := clientOf(s)
	if c == nil || c.isOver {
		return
	}
	if c.taken == takenMax || c.isBusy {
		c.waiting = append(c.waiting, message{typ == engineio.MessageBinary, slices.Clone(data)})
		c.finish()
		return
	}
	c.take(message{typ == engineio.MessageBinary, data})
	c.finish()
}

// take handles a message. Its data is only used until it returns.
func (c *client) take(m message) {
	if c.taken++; c.taken == takenMax {
		c.socket.Wake()
	}
	read := c.conn.Text
	if m.isBinary {
		read = c.conn.Binary
	}
	p, ok, err := read(m.data)
	switch {
	case err != nil:
		c.socket.Close(closeProtocol, strings.TrimPrefix(err.Error(), "packet: "))
		c.end(transport.EndRefused, engineio.ReasonParseError)
		return
	case !ok:
		return
	}
	switch p.Type {
	case packet.Connect:
		c.connect(&p)
	case packet.ConnectError: // there are too many
		_ = c.socket.WritePackets(p.Frames()...)
	case packet.Disconnect:
		c.leave(p.Namespace)
	case packet.Event:
		if conv := c.find(p.Namespace); conv != nil {
			conv.tell(input{event: &p})
		}
	}
}

// takeWaiting takes the messages that have waited, as many as it may.
func (c *client) takeWaiting() {
	for len(c.waiting) > 0 && c.taken < takenMax && !c.mustWait() && !c.isOver {
		m := c.waiting[0]
		c.waiting[0] = message{}
		c.waiting = c.waiting[1:]
		c.take(m)
	}
	if len(c.waiting) == 0 {
		c.waiting = nil
	}
}

// mustWait reports whether so many commands of the client are not done that no more are
// taken.
func (c *client) mustWait() bool {
	for _, conv := range c.list {
		if conv.isBusy() {
			return true
		}
	}
	return false
}

// OnWake implements engineio.Handler.
func (h handler) OnWake(s *engineio.Socket) {
	c := clientOf(s)
	if c == nil || c.isOver {
		return
	}
	if err := c.conn.Expire(time.Now()); err != nil {
		s.Close(closeProtocol, strings.TrimPrefix(err.Error(), "packet: "))
		return
	}
	c.taken = 0
	for i := len(c.list) - 1; i >= 0; i-- {
		conv := c.list[i]
		if conv.isWanted.Load() { // the client is on another connection by now
			s.Close(closeNormal, "the client has come back by another connection")
			c.end(transport.EndClient, engineio.ReasonTransportClose)
			return
		}
		conv.wake()
	}
	c.takeWaiting()
	c.finish()
}

// OnDrain implements engineio.Handler.
func (h handler) OnDrain(s *engineio.Socket) {
	c := clientOf(s)
	if c == nil || c.isOver {
		return
	}
	for _, conv := range c.list {
		if conv.carrier != nil {
			conv.carrier.OnDrain()
		}
	}
	c.finish()
}

// OnClose implements engineio.Handler.
func (h handler) OnClose(s *engineio.Socket, reason engineio.Reason) {
	c := clientOf(s)
	if c == nil {
		return
	}
	for len(c.waiting) > 0 && !c.isOver { // it was sent before the end
		c.taken = 0
		n := len(c.waiting)
		if c.takeWaiting(); len(c.waiting) == n {
			break // nobody knows when it can be done
		}
	}
	for _, conv := range c.list {
		c.ask(conv)
	}
	c.end(endOf(reason), reason)
}

// endOf is why a conversation was over that this side has not ended.
func endOf(reason engineio.Reason) transport.End {
	switch reason {
	case engineio.ReasonShuttingDown:
		return transport.EndShutdown
	case engineio.ReasonQueueFull:
		return transport.EndSlow
	case engineio.ReasonParseError, engineio.ReasonTooLarge:
		return transport.EndRefused
	case engineio.ReasonPanic:
		return transport.EndFailure
	}
	return transport.EndClient
}

func (c *client) find(namespace string) *conversation {
	for _, conv := range c.list {
		if conv.namespace.name == namespace {
			return conv
		}
	}
	return nil
}

// said is the data of a client that joins a namespace. Anything else in it is the
// application's.
type said struct {
	Token  json.RawMessage `json:"token"`
	PID    string          `json:"pid"`
	Offset string          `json:"offset"`
}

// connect begins the conversation in a namespace.
func (c *client) connect(p *packet.Packet) {
	name := strings.Clone(p.Namespace)
	channel, err := channelOf(name, c.server.settings.main)
	if err != nil {
		data := appendProblem(nil, c.server.settings.describe(err))
		_ = c.socket.WritePackets(c.conn.Refuse(p.Namespace, "Invalid namespace", data))
		return
	}
	var auth said
	_ = json.Unmarshal(p.Data, &auth) // an application may say what it wants
	conv := &conversation{client: c}
	conv.token, _ = stringOf(auth.Token)
	conv.namespace = namespace{settings: &c.server.settings, conn: c.conn, name: name, channel: channel, excludesOwn: c.excludesOwn}
	if c.server.asks() {
		conv.namespace.auth = slices.Clone(p.Data)
	}
	c.list = append(c.list, conv)
	records := c.server.records
	if records == nil || c.socket.Version() == 3 {
		if records != nil {
			conv.namespace.settings = &c.server.legacy
		}
		conv.begin(nil, "")
		return
	}
	n := &conv.namespace
	n.pid = newPID()
	n.remembers = func(r *record) {
		r.client = conv.carrier.Identity()
		records.enter(r, conv)
	}
	if auth.PID == "" {
		conv.begin(nil, "")
		return
	}
	records.take(auth.PID, name, func(r *record) {
		conv.later(func(isOver bool) {
			if !isOver {
				conv.begin(r, auth.Offset)
			} else if r != nil {
				records.restore(r)
			}
		})
	})
}

// leave ends the conversation in a namespace, as the client wants.
func (c *client) leave(namespace string) {
	if conv := c.find(namespace); conv != nil {
		c.remove(conv, transport.EndClient, "client namespace disconnect", false)
	}
}

// remove ends a conversation. A conversation that may be recovered waits for its client.
func (c *client) remove(conv *conversation, end transport.End, reason string, isRecoverable bool) {
	c.list = slices.DeleteFunc(c.list, func(other *conversation) bool { return other == conv })
	if conv.carrier != nil {
		conv.carrier.OnClose(end, nil)
	}
	for _, f := range conv.close() {
		f(true)
	}
	n := &conv.namespace
	switch r := n.record; {
	case r == nil && n.recovery != nil && isRecoverable:
		c.server.records.restore(n.recovery.record)
	case r == nil:
	case isRecoverable:
		c.server.records.release(r)
	default:
		c.server.records.forget(r)
	}
	if c.server.asks() && n.hasJoined {
		c.server.backend.Disconnect(&DisconnectRequest{Peer: c.peer(n), Reason: reason})
	}
}

// end ends all conversations: their connection is over.
func (c *client) end(end transport.End, reason engineio.Reason) {
	isRecoverable := reason != engineio.ReasonParseError && reason != engineio.ReasonTooLarge && reason != engineio.ReasonPanic
	c.isOver, c.waiting = true, nil
	for len(c.list) > 0 {
		c.remove(c.list[len(c.list)-1], end, reason.String(), isRecoverable)
	}
	c.visit.Leave()
}

// finish does what calls of the carriers have led to.
func (c *client) finish() {
	isBusy := len(c.waiting) > 0
	for i := len(c.list) - 1; i >= 0; i-- { // one may be removed
		conv := c.list[i]
		c.ask(conv)
		if conv.isClosing {
			if conv.namespace.endsWith == endsTransport { // nothing waits until the client has heard it
				c.socket.Close(conv.code, conv.reason)
				c.end(transport.EndShutdown, engineio.ReasonForcedClose)
				return
			}
			c.remove(conv, transport.EndRefused, "server namespace disconnect", false)
			continue
		}
		isBusy = isBusy || conv.isBusy()
	}
	if c.isBusy != isBusy {
		if c.isBusy = isBusy; isBusy {
			c.socket.PauseReading()
		} else {
			c.socket.ResumeReading()
		}
	}
}

// isBusy reports whether so much of what the client has sent waits that it is to be read
// no more.
func (c *conversation) isBusy() bool {
	return c.namespace.asking >= asksMax || c.carrier != nil && c.carrier.IsBusy()
}

// ask gives the Backend the questions of the dialect.
func (c *client) ask(conv *conversation) {
	n := &conv.namespace
	asks := n.asks
	n.asks = nil
	for _, a := range asks {
		peer := c.peer(n)
		if a.event == nil {
			r := &ConnectRequest{Peer: peer, Auth: n.auth, Query: c.query, Fields: c.fields}
			n.auth = nil
			c.server.backend.Connect(r, once(func(answer *ConnectAnswer, err error) {
				conv.later(func(bool) { conv.tell(input{connected: &connected{answer, err}}) })
			}))
			continue
		}
		a.event.Peer = peer
		c.server.backend.Event(a.event, once(func(answer *EventAnswer, err error) {
			conv.later(func(bool) { conv.tell(input{answered: &answered{a.number, answer, err}}) })
		}))
	}
}

func (c *client) peer(n *namespace) Peer {
	return Peer{Session: n.session, Namespace: n.name, Channel: n.channel, Address: c.address, User: n.user()}
}

// The codes of close frames.
const (
	closeNormal   = 1000
	closeProtocol = 1002
	closeTryAgain = 1013
)
