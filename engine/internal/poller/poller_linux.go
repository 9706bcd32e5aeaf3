package poller

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the poller of Linux, level-triggered: input that is not used up is reported
// again, so nothing has to be read until there is nothing.
//
// Its own descriptor can be waited for, and the runtime does that: a loop that
// sleeps is a goroutine that is parked, and has no thread. A thread that slept in the
// kernel would keep its processor, which the scheduler takes from it only after a while, so whatever
// other goroutines had to do would wait for that.
type epoll struct {
	fd     int32
	file   *os.File        // fd, as the runtime knows it
	raw    syscall.RawConn // of file
	look   func(uintptr) bool
	events [EventsMax]unix.EpollEvent
	found  int // by look

	woken atomic.Bool // and not seen yet
}

// New makes the poller of this system: epoll here, and a Parked where there is none.
func New() (Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // or os takes it for a plain file
		unix.Close(fd)
		return nil, fmt.Errorf("fcntl: %w", err)
	}
	p := &epoll{fd: int32(fd), file: os.NewFile(uintptr(fd), "epoll")}
	p.look = func(uintptr) bool {
		p.found = p.ready()
		return p.found != 0
	}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("epoll in epoll: %w", err)
	}
	return p, nil
}

func (p *epoll) Wait(events []Event, timeout time.Duration) int {
	if timeout == 0 {
		return p.report(events, p.ready())
	}
	var until time.Time
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	_ = p.file.SetReadDeadline(until) // it is open
	// A wake from before that may have had its deadline replaced; a later one finds this.
	if p.woken.Swap(false) {
		return 0
	}
	p.found = 0
	// The runtime forgets what it knew, then look is called, and again after each change.
	_ = p.raw.Read(p.look) // an error is a wake, or the end of the timeout
	p.woken.Store(false)
	return p.report(events, p.found)
}

// ready fills p.events and returns how many there are, negative if it was interrupted.
func (p *epoll) ready() int {
	// It returns at once, so the scheduler need not know.
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&p.events[0])), EventsMax, 0, 0, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}

// report translates n events.
func (p *epoll) report(events []Event, n int) int {
	n = min(n, len(events)) // the rest is reported again
	for i := range max(n, 0) {
		e := &p.events[i]
		const gone = unix.EPOLLHUP | unix.EPOLLERR // a read or a write will say what it is
		events[i] = Event{
			Key: e.Fd, FD: e.Pad,
			Readable: e.Events&(unix.EPOLLIN|gone) != 0,
			Writable: e.Events&(unix.EPOLLOUT|gone) != 0,
		}
	}
	return max(n, 0) // EINTR: the loop comes back
}

func (p *epoll) Pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // interrupted, it is over; EINVAL: it is negative
}

// Wake costs no system call: the runtime releases a waiter when its deadline is over.
// It may come when the loop has ended, which os knows of.
func (p *epoll) Wake() {
	p.woken.Store(true)
	_ = p.file.SetReadDeadline(longAgo)
}

var longAgo = time.Unix(1, 0)

func (p *epoll) Add(fd, key int32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, key, unix.EPOLLIN)
}

// AddListener has one of the loops that watch a listener wake.
func (p *epoll) AddListener(fd, key int32) error {
	return p.control(unix.EPOLL_CTL_ADD, fd, key, unix.EPOLLIN|unix.EPOLLEXCLUSIVE)
}

func (p *epoll) Watch(fd, key int32, read, write bool) {
	var events uint32
	if read {
		events |= unix.EPOLLIN
	}
	if write {
		events |= unix.EPOLLOUT
	}
	_ = p.control(unix.EPOLL_CTL_MOD, fd, key, events) // the descriptor is open and added
}

func (p *epoll) Remove(fd int32) { _ = p.control(unix.EPOLL_CTL_DEL, fd, 0, 0) }

func (p *epoll) control(op int, fd, key int32, events uint32) error {
	e := unix.EpollEvent{Events: events, Fd: key, Pad: fd}
	_, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.fd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(&e)), 0, 0)
	if errno != 0 {
		return fmt.Errorf("epoll_ctl: %w", errno)
	}
	return nil
}

func (p *epoll) Close() { _ = p.file.Close() }
