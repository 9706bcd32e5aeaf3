package loadgen

import (
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// receiver handles the bytes of a raw connection. It is called by
// one goroutine at a time.
type receiver interface {
	// receive takes what has arrived, which is valid until it returns. An error
	// ends the connection.
	receive(b []byte) error

	// ended is the last call: with what receive returned, with io.EOF when the peer
	// ended the connection, or with why it broke. After close it is not called.
	ended(err error)
}

// sockets reads from many raw connections: on Linux with a goroutine for each
// processor, as a goroutine for each connection would make the generator the
// limit; elsewhere, with TLS and without a network with one for each.
type sockets struct {
	loops []*socketLoop
	next  atomic.Uint64
	work  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	open   map[*socket]struct{}
	closed bool
}

// newSockets is for connections over a network, or else in memory.
func newSockets(network bool) (*sockets, error) {
	s := &sockets{open: map[*socket]struct{}{}}
	for range runtime.GOMAXPROCS(0) {
		if !network {
			break
		}
		l, err := newSocketLoop()
		if errors.Is(err, errNoLoops) {
			break
		}
		if err != nil {
			s.close()
			return nil, err
		}
		s.loops = append(s.loops, l)
		s.work.Go(l.run)
	}
	return s, nil
}

// socket is one connection. Either a loop has it, or conn is set.
type socket struct {
	all      *sockets
	receiver receiver

	mu      sync.Mutex // guards what follows
	closed  bool
	pending []byte // to be sent
	writing bool   // a goroutine, or the loop, sends pending

	loop *socketLoop
	fd   int
	key  int32
	conn net.Conn
}

// adopt reads from conn, which it owns, from now on.
func (s *sockets) adopt(conn net.Conn, r receiver) (*socket, error) {
	c := &socket{all: s, receiver: r, fd: -1}
	_ = conn.SetDeadline(time.Time{})
	if fd, ok := s.descriptorOf(conn); ok {
		c.fd, c.loop = fd, s.loops[s.next.Add(1)%uint64(len(s.loops))]
	} else {
		c.conn = conn
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := net.ErrClosed
	if !s.closed {
		if err = nil; c.loop == nil {
			s.work.Go(c.readLoop)
		} else {
			err = c.loop.add(c)
		}
	}
	if err != nil {
		c.closed = true
		if c.conn != nil {
			_ = c.conn.Close()
		} else {
			closeDescriptor(c.fd)
		}
		return nil, err
	}
	s.open[c] = struct{}{}
	return c, nil
}

// descriptorOf takes the descriptor of a connection that a loop can read from, and
// closes the connection.
func (s *sockets) descriptorOf(conn net.Conn) (fd int, ok bool) {
	tcp, isTCP := conn.(*net.TCPConn)
	if len(s.loops) == 0 || !isTCP {
		return 0, false
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return 0, false
	}
	if err := raw.Control(func(d uintptr) { fd, ok = duplicate(d) }); err != nil || !ok {
		return 0, false
	}
	_ = conn.Close() // its own descriptor; the socket lives on in ours
	return fd, true
}

// socketBytes is how much is read at once without a loop.
const socketBytes = 16 << 10

// readLoop is the goroutine of a connection without a socketLoop.
func (c *socket) readLoop() {
	buffer := make([]byte, socketBytes)
	for {
		n, err := c.conn.Read(buffer)
		if n > 0 {
			if wrong := c.receiver.receive(buffer[:n]); wrong != nil {
				err = wrong
			}
		}
		if err != nil {
			c.end(err)
			return
		}
	}
}

// end closes the connection because of err, and says so unless it was closed
// already. It is for the goroutine that reads.
func (c *socket) end(err error) {
	if c.close() {
		c.receiver.ended(err)
	}
}

// send sends b, now or when there is room, without waiting. It keeps no part of b.
// The goroutine that reads finds out why something could not be sent.
func (c *socket) send(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
	case c.writing:
		c.pending = append(c.pending, b...)
	case c.loop != nil:
		if rest := b[c.put(b):]; len(rest) > 0 {
			c.pending = append(c.pending[:0], rest...)
			c.writing = true
			c.loop.watch(c, true)
		}
	default:
		c.pending = append(c.pending[:0], b...)
		c.writing = true
		c.all.work.Go(c.writeLoop)
	}
}

// writeLoop sends pending bytes without a socketLoop.
func (c *socket) writeLoop() {
	var spare []byte
	for {
		c.mu.Lock()
		if len(c.pending) == 0 || c.closed {
			c.pending, c.writing = spare, false
			c.mu.Unlock()
			return
		}
		b := c.pending
		c.pending = spare[:0]
		c.mu.Unlock()
		if _, err := c.conn.Write(b); err != nil {
			_ = c.conn.Close() // read finds out
		}
		spare = b[:0]
	}
}

// close ends the connection at once. It reports whether it was open.
func (c *socket) close() bool {
	c.mu.Lock()
	was := !c.closed
	if was {
		c.closed = true
		if c.loop != nil {
			c.loop.remove(c)
		} else {
			_ = c.conn.Close()
		}
	}
	c.mu.Unlock()
	if was {
		c.all.mu.Lock()
		delete(c.all.open, c)
		c.all.mu.Unlock()
	}
	return was
}

// close ends all connections and waits for the goroutines.
func (s *sockets) close() {
	s.mu.Lock()
	s.closed = true
	open := make([]*socket, 0, len(s.open))
	for c := range s.open {
		open = append(open, c)
	}
	s.mu.Unlock()
	for _, c := range open {
		c.close()
	}
	for _, l := range s.loops {
		l.stop()
	}
	s.work.Wait()
}
