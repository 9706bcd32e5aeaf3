//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine/internal/poller"
	"github.com/godwit-io/godwit/engine/internal/socket"
	"github.com/godwit-io/godwit/ws/wire"
)

// world is a kernel that answers as a script says, the peers at its other end,
// and the clock. A loop runs in it on the test's own goroutine, so that a run is
// the same each time:
//
//	script ──► accept, read, write, wait ◄──► loop ──► Handler: judge
//	              ▲ input   │ got
//	              └─ peer ◄─┘
//
// When the script is used up everything answers at once and in full. Time passes
// only when nothing can happen before it does, and when the script says so.
type world struct {
	t        *testing.T
	loop     *loop
	script   []byte
	peers    []*peer
	waiting  []*peer // to be accepted
	sockets  map[int32]*peer
	listens  bool // the listener is watched
	woken    bool
	calls    int
	callsMax int
	log      bytes.Buffer
	onWait   func(w *world)                                // tables: before each wait
	onCall   func(p *peer, call string) (n int, err error) // tables: the answer, if n or err is not 0
	elapsed  time.Duration
}

const listenerFD = 100

// peer is a client whose input is fixed beforehand.
type peer struct {
	input     []byte
	messages  []string // in input
	pings     []string
	end       error // behind input: nil is silence, errEnd an end, else an error
	takes     int   // how many bytes it reads, -1 all
	unwatched bool  // the poller has no room for it

	fd, key     int32
	read, write bool // watched
	sent        int
	got         []byte
	broken      error // every call fails
	finished    bool  // the server has shut its side down
	closed      bool

	// What the handler has seen and done.
	conn      *Conn
	opened    bool
	heard     int
	owed      [][]byte // frames of messages that were written
	closing   bool     // Close or CloseNow was called
	ended     *CloseError
	disturbed bool // something was done that may cut the dialogue short
}

var errEnd = fmt.Errorf("the peer has sent all it will")

const (
	scriptOpening = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	scriptResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// newWorld makes a loop in a world of its own. Nothing runs yet.
func newWorld(t *testing.T, script []byte, o Options, peers ...*peer) *world {
	w := &world{t: t, script: script, peers: peers, waiting: slices.Clone(peers), sockets: map[int32]*peer{}}
	s := &Server{Handler: judge{w: w}, Options: o, streams: true, Loops: 1, StallAfter: NoLimit}
	s.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	s.kernel = &socket.Calls{Accept: w.accept, Read: w.recv, Write: w.send, Shutdown: w.shutdown, Close: w.closeSocket}
	s.once.Do(func() {}) // no goroutine begins
	s.stop = make(chan struct{})
	if err := s.resolve(); err != nil {
		t.Fatal(err)
	}
	l, err := newLoop(s, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.streams, s.loops = false, []*loop{l}
	l.poll, w.loop = w, l
	total := 0
	for _, p := range peers {
		p.fd, total = -1, total+len(p.input)
	}
	w.callsMax = 2000 + 20*len(script) + 300*len(peers) + total/100
	return w
}

// run serves the peers until nothing can happen any more, and judges.
func (w *world) run() {
	w.loop.listen(listenerFD, nil)
	w.loop.run()
	w.verdict()
}

// next is the next byte of the script, 0 behind its end.
func (w *world) next() byte {
	if len(w.script) == 0 {
		return 0
	}
	b := w.script[0]
	w.script = w.script[1:]
	return b
}

func (w *world) count() {
	if w.calls++; w.calls == w.callsMax {
		w.t.Fatalf("it spins: %d calls; %d bytes of script are left", w.calls, len(w.script))
	}
}

// socket is the peer of an open descriptor.
func (w *world) socket(fd int32, call string) *peer {
	w.count()
	p := w.sockets[fd]
	if p == nil {
		w.t.Fatalf("%s of descriptor %d, which is not open", call, fd)
	}
	return p
}

func (w *world) accept(int32) (int32, socket.Address, error) {
	w.count()
	if len(w.waiting) == 0 {
		return -1, socket.Address{}, syscall.EAGAIN
	}
	p := w.waiting[0]
	errs := [...]error{nil, syscall.EAGAIN, syscall.EINTR, syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.EPROTO}
	err := errs[int(w.next())%len(errs)]
	if err == nil && w.onCall != nil {
		_, err = w.onCall(p, "accept")
	}
	if err != nil {
		return -1, socket.Address{}, err
	}
	w.waiting = w.waiting[1:]
	for p.fd = 5; w.sockets[p.fd] != nil; p.fd++ { // the lowest that is free, as everywhere
	}
	w.sockets[p.fd] = p
	return p.fd, socket.Address{}, nil
}

// answer is what the script says to a read or a write of n bytes.
func (w *world) answer(p *peer, call string, n int, breaks error) (int, error) {
	if w.onCall != nil {
		if m, err := w.onCall(p, call); m != 0 || err != nil {
			return min(m, n), err
		}
	}
	switch b := w.next(); {
	case b >= 0xfc:
		p.broken, p.disturbed = breaks, true
		return 0, breaks
	case b%4 == 1:
		return 0, socket.ErrAgain
	case b%4 == 2:
		return min(n, 1), nil
	case b%4 == 3:
		return min(n, 1+16*int(w.next())), nil
	}
	return n, nil
}

func (w *world) recv(fd int32, b []byte) (int, error) {
	p := w.socket(fd, "read")
	rest := p.input[p.sent:]
	switch {
	case len(b) == 0:
		w.t.Fatal("a read into nothing looks like the end")
	case p.broken != nil:
		return 0, p.broken
	case len(rest) == 0 && p.end == errEnd:
		return 0, nil
	case len(rest) == 0 && p.end != nil:
		p.broken = p.end
		return 0, p.end
	case len(rest) == 0:
		return 0, socket.ErrAgain
	}
	n, err := w.answer(p, "read", min(len(b), len(rest)), syscall.ECONNRESET)
	copy(b, rest[:n])
	p.sent += n
	return n, err
}

func (w *world) send(fd int32, b []byte) (int, error) {
	p := w.socket(fd, "write")
	room := len(b)
	if p.takes >= 0 {
		room = min(room, p.takes-len(p.got))
	}
	switch {
	case len(b) == 0 || p.finished:
		w.t.Fatalf("a write of %d bytes, behind the end: %v", len(b), p.finished)
	case p.broken != nil:
		return 0, syscall.EPIPE
	case room == 0:
		return 0, socket.ErrAgain
	}
	n, err := w.answer(p, "write", room, syscall.EPIPE)
	p.got = append(p.got, b[:n]...)
	return n, err
}

func (w *world) shutdown(fd int32) { w.socket(fd, "shutdown").finished = true }

// closeSocket is Calls.Close; the listener is one, too.
func (w *world) closeSocket(fd int32) {
	if fd == listenerFD {
		return
	}
	w.socket(fd, "close").closed = true
	delete(w.sockets, fd)
}

// advance moves the clock.
func (w *world) advance(d time.Duration) {
	w.loop.origin = w.loop.origin.Add(-d)
	w.elapsed += d
}

// The world is the loop's poller as well.

func (w *world) Pause(time.Duration) {}

func (w *world) Wait(events []poller.Event, timeout time.Duration) int {
	w.count()
	if w.onWait != nil {
		w.onWait(w)
	}
	n, early := w.meanwhile(events)
	for fd := int32(5); n < len(events) && int(fd) < 5+len(w.peers); fd++ {
		p := w.sockets[fd]
		if p == nil || p.key < 0 {
			continue
		}
		r := p.read && (p.sent < len(p.input) || p.end != nil)
		wr := p.write && (p.takes < 0 || len(p.got) < p.takes)
		if p.broken != nil { // EPOLLHUP and EPOLLERR cannot be left out
			r, wr = true, true
		}
		if r || wr {
			events[n] = poller.Event{FD: fd, Key: p.key, Readable: r, Writable: wr}
			n++
		}
	}
	if w.listens && len(w.waiting) > 0 && n < len(events) {
		events[n] = poller.Event{FD: listenerFD, Key: -1}
		n++
	}
	switch {
	case n > 0 || timeout == 0 || w.woken || early:
	case timeout > 0:
		w.advance(timeout)
	default: // nothing will ever happen
		w.loop.stopping = true
		w.released()
	}
	w.woken = false
	return n
}

func (w *world) Wake() { w.woken = true }

func (w *world) Add(fd, key int32) error {
	p := w.socket(fd, "add")
	if p.unwatched {
		return syscall.ENOSPC
	}
	p.key, p.read, p.write = key, true, false
	return nil
}

func (w *world) AddListener(int32, int32) error { w.listens = true; return nil }

func (w *world) Watch(fd, key int32, read, write bool) {
	p := w.socket(fd, "watch")
	if p.key != key {
		w.t.Fatalf("descriptor %d has key %d and is watched with %d", fd, p.key, key)
	}
	p.read, p.write = read, write
}

func (w *world) Remove(fd int32) {
	if fd == listenerFD {
		w.listens = false
		return
	}
	w.t.Fatalf("descriptor %d is removed: there is nobody to give it to", fd)
}

// meanwhile is what else happens in a turn: other goroutines, the clock, events
// that mean nothing.
func (w *world) meanwhile(events []poller.Event) (n int, early bool) {
	b := w.next()
	var p *peer
	if b != 0 {
		if p = w.peers[int(b>>4)%len(w.peers)]; p.conn == nil && b%16 < 9 {
			return 0, false
		}
	}
	switch b % 16 {
	case 1:
		p.says(MessageText, "from elsewhere")
	case 2:
		p.says(MessageBinary, strings.Repeat("much", 10_000))
	case 3:
		p.closing, p.disturbed = true, true
		_ = p.conn.Close(4000+StatusCode(w.next()), "")
	case 4:
		p.closing, p.disturbed = true, true
		p.conn.CloseNow()
	case 5:
		_ = p.conn.Ping() // an error says that it is over
	case 6:
		p.conn.Wake()
	case 7:
		p.disturbed = true // what was good may be too much now
		p.conn.SetLimits(&Options{MessageBytesMax: int64(w.next()) * 100, QueueBytesMax: 1000, PingInterval: time.Second})
	case 8:
		events[0] = poller.Event{FD: p.fd + 1, Key: p.conn.slot, Readable: true, Writable: true} // of a peer that has gone
		return 1, false
	case 9:
		if p.fd >= 0 && !p.closed {
			events[0] = poller.Event{FD: p.fd, Key: p.key, Readable: true, Writable: true} // of nothing
			return 1, false
		}
	case 10:
		return 0, true // interrupted
	case 11:
		for _, p := range w.peers {
			p.disturbed = true // its time may be up
		}
		w.advance([]time.Duration{time.Millisecond, 30 * time.Millisecond, time.Second, 12 * time.Second, time.Minute, time.Hour, 24 * time.Hour, 9000 * time.Hour}[w.next()%8])
	}
	return 0, false
}

// says writes to p as the handler and as any goroutine does, and notes what is
// owed to the peer.
func (p *peer) says(typ MessageType, message string) {
	switch err := p.conn.Write(typ, []byte(message)); err {
	case nil:
		p.owed = append(p.owed, wire.AppendFrame(nil, true, wire.Opcode(typ), []byte(message)))
	case ErrQueueFull:
		p.disturbed = true
	}
}

func (w *world) Close() {}
