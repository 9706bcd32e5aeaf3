package poller

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// epoll is the poller of Linux, level-triggered: what is not used up is reported
// again, so nothing has to be read until there is nothing.
type epoll struct {
	fd     int32
	bell   int32 // an eventfd
	events [EventsMax]unix.EpollEvent

	ringing atomic.Int32 // wakes under way
	closed  atomic.Bool
}

// bellKey is the bell's key. Listeners have small negative ones.
const bellKey = -1 << 31

// New makes the poller of this system: epoll here, and a Parked where there is none.
func New() (Poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	p := &epoll{fd: int32(fd), bell: int32(bell)}
	// Edge-triggered, so that the bell need not be read: the next wake is a new edge.
	if err := p.control(unix.EPOLL_CTL_ADD, p.bell, bellKey, unix.EPOLLIN|unix.EPOLLET); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (p *epoll) Wait(events []Event, timeout time.Duration) int {
	ready := p.events[:min(len(events), EventsMax)]
	var n uintptr
	var errno syscall.Errno
	if timeout == 0 {
		// It returns at once, so the scheduler need not know.
		n, _, errno = syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&ready[0])), uintptr(len(ready)), 0, 0, 0)
	} else {
		ms := -1
		if timeout > 0 {
			ms = int(min((timeout+time.Millisecond-1)/time.Millisecond, 1<<30))
		}
		n, _, errno = syscall.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.fd), uintptr(unsafe.Pointer(&ready[0])), uintptr(len(ready)), uintptr(ms), 0, 0)
	}
	if errno != 0 {
		return 0 // EINTR: the loop comes back
	}
	count := 0
	for i := range ready[:n] {
		e := &ready[i]
		if e.Fd == bellKey {
			continue
		}
		const gone = unix.EPOLLHUP | unix.EPOLLERR // a read or a write will say what it is
		events[count] = Event{
			Key: e.Fd, FD: e.Pad,
			Readable: e.Events&(unix.EPOLLIN|gone) != 0,
			Writable: e.Events&(unix.EPOLLOUT|gone) != 0,
		}
		count++
	}
	return count
}

func (p *epoll) Pause(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&t, nil) // interrupted, it is over; EINVAL: it is negative
}

// Wake rings the bell. It may come when the loop has ended: the count keeps the
// bell's descriptor from being closed, and from being something else, meanwhile.
func (p *epoll) Wake() {
	p.ringing.Add(1)
	if !p.closed.Load() {
		one := uint64(1)
		syscall.RawSyscall(unix.SYS_WRITE, uintptr(p.bell), uintptr(unsafe.Pointer(&one)), 8)
	}
	p.ringing.Add(-1)
}

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

func (p *epoll) Close() {
	p.closed.Store(true)
	for p.ringing.Load() != 0 {
		time.Sleep(time.Microsecond)
	}
	unix.Close(int(p.bell))
	unix.Close(int(p.fd))
}
