package engine

import (
	"math"
	"net"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine/internal/outbox"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/engine/internal/tlslink"
	"github.com/godwit-io/godwit/engine/internal/wheel"
	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
)

// Conn is a connection of a Server. All methods are safe for concurrent use and
// for use in callbacks, and none of them waits for the network.
//
// A Conn is allocated for one connection and never used for another: after the end of
// the connection its methods do nothing. It is small instead, 288 bytes where a
// pointer has 8, and that is all the memory of an idle connection here: out, extra
// and message are nil then.
type Conn struct {
	loop *loop
	mu   sync.Mutex // guards guarded; never held across a callback or I/O
	guarded
	loopOnly
}

// guarded is the part of a Conn that is used under its lock, by any goroutine.
type guarded struct {
	settings *settings
	proto    wsproto.Conn   // its reading side is used by the loop only
	out      *outbox.Outbox // nil while nothing is to be sent
	queued   int            // bytes that were not sent yet, those being sent included
	closed   *CloseError    // set once
	value    any
	extra    *extra // nil for most; the loop reads the pointer without the lock
	rtt      uint32 // microseconds, of the newest ping that was answered; 0: none was
	flags    flags
	spoken   uint16 // the place in Server.Subprotocols of the one agreed on, from 1; 0: none, or rare has it
}

// loopOnly is the part of a Conn that is used by its loop, without the lock.
type loopOnly struct {
	timer   wheel.Timer[Conn]
	message *assembly      // the head or the message that is arriving in parts
	slot    int32          // in the loop's table
	fd      int32          // -1: rare.stream, or closed; written under the lock
	peer    socket.Address // never changes once the head of a request arrives
	state   state
	mode    mode
}

// newConn makes a connection of l, which is not in its table yet.
func (l *loop) newConn(fd int32, peer socket.Address, flags flags) *Conn {
	return &Conn{loop: l, guarded: guarded{settings: l.server.settings, flags: flags}, loopOnly: loopOnly{fd: fd, peer: peer}}
}

// setRTT notes a round trip; mu is held.
func (c *Conn) setRTT(d time.Duration) {
	c.rtt = uint32(min(max(d.Microseconds(), 1), math.MaxUint32))
}

// extra is what few connections have.
type extra struct {
	handler  Handler   // set by SetHandler; nil: the server's
	exchange *exchange // nil until it serves a request
	rare     *rare     // nil for most of these
}

// rare is what even fewer have.
type rare struct {
	stream  *stream       // goroutines do the I/O; nil for a descriptor
	link    *tlslink.Link // TLS over a descriptor; nil without
	held    *holding      // nil until its input had to wait
	preface *preface      // a header of the PROXY protocol that arrives; nil when it has

	mail        *mailbox // in front of a handler that blocks; nil if there never was one
	subprotocol string   // a subprotocol that is not of Server.Subprotocols
	compression deflate.Params
	pinged      wsproto.Time // when Ping was last called and not answered yet, else 0
}

// flags say what the loop is about to do, so that nobody has to tell it again.
type flags uint16

const (
	posted      flags = 1 << iota // in the loop's list
	corked                        // its input is being handled, and its output sent after that
	blocked                       // the network takes nothing; the loop sends when it does
	aborted                       // CloseNow was called
	broken                        // nothing can be sent any more
	armTimer                      // a deadline may be earlier now: the timer is to be set anew
	owesDrain                     // OnDrain is to be called when everything has been sent
	woken                         // Wake was called
	pausing                       // PauseReading was called
	overLimit                     // it was accepted to be told that there are too many; never changes once its head arrives
	overAddress                   // of overLimit: too many of its address
	addressed                     // it is counted in Server.Addresses; as overLimit
	webSocket                     // it is one, or will be when the response has left
)

// state is how far a connection has come.
type state uint8

const (
	stateHead     state = iota // a request is arriving
	stateExchange              // a request is served, see exchange
	stateOpen                  // it is a WebSocket
	stateLast                  // its last bytes are being sent, what arrives is dropped
	stateClosed                // its transport is closed, or somebody else's
)

// mode is what the poller waits for, and how the end will be.
type mode uint16

const (
	pausedReading mode = 1 << iota // the queue is too long to read more
	wantsWrite                     // the poller watches for room to write
	lingers                        // after the last bytes, wait for the peer to take them
	halfClosed                     // the write side was shut down
	hooked                         // OnOpen was called, so OnClose will be
	secured                        // TLS over the descriptor: rare.link
	awaitsHandler                  // a blocking handler is at work, and what comes next has to wait
	keepsInput                     // nothing is read, and what was read waits
	expectsProxy                   // a header of the PROXY protocol comes first: rare.preface
	toldByProxy                    // peer is what such a header says
)

// Subprotocol returns the subprotocol agreed on, or "".
func (c *Conn) Subprotocol() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.spoken > 0 {
		return c.loop.server.Subprotocols[c.spoken-1]
	}
	if r := c.rareState(); r != nil {
		return r.subprotocol
	}
	return ""
}

// Compression returns the parameters of permessage-deflate, and false if
// messages are not compressed.
func (c *Conn) Compression() (deflate.Params, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.proto.Compressed() {
		return deflate.Params{}, false
	}
	return c.rareState().compression, true
}

// rareState returns what few connections have, or nil; mu is held, or nobody else knows c yet.
func (c *Conn) rareState() *rare {
	if c.extra == nil {
		return nil
	}
	return c.extra.rare
}

// needRare returns what few connections have; mu is held.
func (c *Conn) needRare() *rare {
	x := c.needExtra()
	if x.rare == nil {
		x.rare = &rare{}
	}
	return x.rare
}

// needExtra returns c.extra; mu is held.
func (c *Conn) needExtra() *extra {
	if c.extra == nil {
		c.extra = &extra{}
	}
	return c.extra
}

// cork holds back writes until loop.uncork. The loop calls it.
func (c *Conn) cork() {
	c.mu.Lock()
	c.flags |= corked
	if c.out == nil {
		c.out = &c.loop.cork
	}
	c.mu.Unlock()
}

// Value returns what SetValue or Admission.Value set, or nil.
func (c *Conn) Value() any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value
}

// SetValue keeps something of the application's with the connection.
func (c *Conn) SetValue(v any) {
	c.mu.Lock()
	c.value = v
	c.mu.Unlock()
}

// SetHandler makes the calls that have not begun yet go to h instead of the
// server's Handler. A nil h is the server's again.
func (c *Conn) SetHandler(h Handler) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h != nil || c.extra != nil {
		c.needExtra().handler = h
	}
}

// chosen returns the connection's handler; mu is held.
func (c *Conn) chosen() Handler {
	if c.extra != nil && c.extra.handler != nil {
		return c.extra.handler
	}
	return c.loop.server.Handler
}

// SetLimits changes the limits of this connection from now on; a message whose
// frame has been announced is judged by the limits of before. What was agreed
// about compression stays, and so does the limit on what a compressed message
// inflates to. Connections that are given the same o one
// after another share it, so it must not be modified afterwards. A nil o is the
// server's. It returns an error that wraps an *OptionError, and changes nothing, if
// o is wrong.
func (c *Conn) SetLimits(o *Options) error {
	s, err := c.loop.server.limits(o)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.settings = s
	c.proto.SetConfig(&s.protocol)
	c.flags |= armTimer
	c.unlockAndPost()
	return nil
}

// Buffered returns how many bytes are waiting to be sent, their frames' headers
// included. Some may wait only for the end of a callback; a caller that is told that
// something waits may wait for OnDrain in any case.
func (c *Conn) Buffered() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.oweDrain()
	return c.queued
}

// oweDrain has OnDrain called when what waits has left; mu is held.
func (c *Conn) oweDrain() {
	if c.queued > 0 {
		c.flags |= owesDrain
	}
}

// RTT returns the round trip of the newest ping that was answered, of Ping or of
// keepalive, in whole microseconds; 0 if none was.
func (c *Conn) RTT() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Duration(c.rtt) * time.Microsecond
}

// Err returns nil while the connection lives and a *CloseError afterwards.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		return nil
	}
	return c.closed
}

// RemoteAddr returns the peer's address, also after the connection has ended.
func (c *Conn) RemoteAddr() net.Addr {
	if s := c.stream(); s != nil {
		return s.nc.RemoteAddr()
	}
	return c.peer.NetAddr()
}

// LocalAddr returns the address that the peer connected to, nil after the
// connection has ended.
func (c *Conn) LocalAddr() net.Addr {
	if s := c.stream(); s != nil {
		return s.nc.LocalAddr()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// The lock keeps the descriptor from being closed, and so from being another
	// connection's. The question does not wait for anything.
	if c.fd < 0 {
		return nil
	}
	return socket.LocalAddr(c.fd)
}

func (c *Conn) stream() *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streamed()
}

// streamed is stream when mu is held.
func (c *Conn) streamed() *stream {
	if r := c.rareState(); r != nil {
		return r.stream
	}
	return nil
}
