package loadgen

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var errNoLoops = errors.New("loadgen: no loops") // never returned here

const (
	loopEventsMax = 256
	loopBytes     = 64 << 10 // that are read of a connection at once
)

// socketLoop reads from its share of the connections. It is level-triggered: what
// was not read is reported again.
//
// Its epoll descriptor is itself watched by the Go runtime, so that a loop with
// nothing to do is a parked goroutine. Waiting in the kernel would keep its
// processor from other goroutines until the runtime notices, which may be
// milliseconds: too long for a sender that has a schedule.
type socketLoop struct {
	file   *os.File // the epoll descriptor
	raw    syscall.RawConn
	fd     uintptr
	events [loopEventsMax]unix.EpollEvent
	batch  [loopEventsMax]*socket
	buffer []byte

	mu      sync.Mutex // guards what follows
	sockets []*socket  // by key
	free    []int32    // keys
}

func newSocketLoop() (*socketLoop, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true) // the runtime watches only what does not block
	}
	if err != nil {
		return nil, fmt.Errorf("loadgen: epoll: %w", err)
	}
	l := &socketLoop{file: os.NewFile(uintptr(fd), "epoll"), fd: uintptr(fd), buffer: make([]byte, loopBytes)}
	if l.raw, err = l.file.SyscallConn(); err == nil {
		err = l.file.SetReadDeadline(time.Time{}) // fails if it is not watched
	}
	if err != nil {
		_ = l.file.Close()
		return nil, fmt.Errorf("loadgen: epoll: %w", err)
	}
	return l, nil
}

// run is the loop's goroutine.
func (l *socketLoop) run() {
	defer l.file.Close()
	for {
		n := l.look()
		if n == 0 {
			if l.raw.Read(func(uintptr) bool { n = l.look(); return n > 0 }) != nil {
				return // stop
			}
		}
		l.mu.Lock()
		for i := range n {
			l.batch[i] = l.sockets[l.events[i].Fd]
		}
		l.mu.Unlock()
		for i := range n {
			if c := l.batch[i]; c != nil {
				l.serve(c, l.events[i].Events)
			}
			l.batch[i] = nil
		}
	}
}

// look returns how many connections are ready. It does not wait, so the scheduler
// need not know.
func (l *socketLoop) look() int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, l.fd, uintptr(unsafe.Pointer(&l.events[0])), loopEventsMax, 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// serve does what a connection is ready for.
func (l *socketLoop) serve(c *socket, ready uint32) {
	if ready&unix.EPOLLOUT != 0 {
		c.resume()
	}
	const gone = unix.EPOLLHUP | unix.EPOLLERR
	if ready&(unix.EPOLLIN|gone) == 0 {
		return
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(c.fd), uintptr(unsafe.Pointer(&l.buffer[0])), loopBytes, 0, 0, 0)
	c.mu.Unlock()
	switch {
	case errno == unix.EAGAIN || errno == unix.EINTR:
	case errno != 0:
		c.end(os.NewSyscallError("read", errno))
	case n == 0:
		c.end(io.EOF)
	default:
		if err := c.receiver.receive(l.buffer[:n]); err != nil {
			c.end(err)
		}
	}
}

// put writes as much of b as there is room for; c.mu is held. After an error
// nothing has room: the loop that reads sees the error.
func (c *socket) put(b []byte) (n int) {
	for n < len(b) {
		sent, _, errno := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd), uintptr(unsafe.Pointer(&b[n])), uintptr(len(b)-n), unix.MSG_NOSIGNAL, 0, 0)
		if errno != 0 {
			break
		}
		n += int(sent)
	}
	return n
}

// resume sends what was pending.
func (c *socket) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || !c.writing {
		return
	}
	if c.pending = c.pending[c.put(c.pending):]; len(c.pending) == 0 {
		c.pending, c.writing = nil, false
		c.loop.watch(c, false)
	}
}

// stop makes run return.
func (l *socketLoop) stop() { _ = l.file.SetReadDeadline(time.Unix(1, 0)) }

func (l *socketLoop) add(c *socket) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		c.key, l.free = l.free[n-1], l.free[:n-1]
	} else {
		c.key = int32(len(l.sockets))
		l.sockets = append(l.sockets, nil)
	}
	if err := l.control(unix.EPOLL_CTL_ADD, c, unix.EPOLLIN); err != nil {
		l.free = append(l.free, c.key)
		return err
	}
	l.sockets[c.key] = c
	return nil
}

// watch sets whether it is also told when there is room to send.
func (l *socketLoop) watch(c *socket, room bool) {
	events := uint32(unix.EPOLLIN)
	if room {
		events |= unix.EPOLLOUT
	}
	_ = l.control(unix.EPOLL_CTL_MOD, c, events)
}

// remove closes the descriptor; c.mu is held.
func (l *socketLoop) remove(c *socket) {
	l.mu.Lock()
	l.sockets[c.key] = nil
	l.free = append(l.free, c.key)
	l.mu.Unlock()
	closeDescriptor(c.fd) // which ends the watching, as there is no other descriptor of it
}

func (l *socketLoop) control(op int, c *socket, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: c.key}
	if err := unix.EpollCtl(int(l.fd), op, c.fd, &e); err != nil {
		return fmt.Errorf("loadgen: epoll: %w", err)
	}
	return nil
}

// duplicate returns another descriptor of the same socket.
func duplicate(fd uintptr) (int, bool) {
	other, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	return other, err == nil
}

func closeDescriptor(fd int) { _ = unix.Close(fd) }
