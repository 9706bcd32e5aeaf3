//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// kqueue is the poller of the BSDs and macOS, level-triggered as that of Linux.
//
//	descriptor 7 ─► filter read  ─┐
//	           └──► filter write ─┴─► event{fd: 7}, one for each filter that fired
//
// A filter reports the end of its direction, too (EV_EOF): the read or the write
// that follows says what it is.
type kqueue struct {
	fd     int
	ear    int32 // a pipe's ends: what is written to the bell is heard here
	bell   int
	events [eventsMax]unix.Kevent_t
	watched

	ringing atomic.Int32 // wakes under way
	closed  atomic.Bool
}

func (s *Server) newPoller() (poller, error) {
	// It is set before there is a listener or a connection.
	s.streams = s.streams || !kqueueEnabled
	if s.streams {
		return newParked(), nil
	}
	fd, err := unix.Kqueue()
	if err != nil {
		return nil, fmt.Errorf("kqueue: %w", err)
	}
	unix.CloseOnExec(fd)
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("pipe: %w", err)
	}
	p := &kqueue{fd: fd, ear: int32(ends[0]), bell: ends[1]}
	for _, end := range ends {
		unix.CloseOnExec(end)
		if err := unix.SetNonblock(end, true); err != nil {
			p.close()
			return nil, fmt.Errorf("pipe: %w", err)
		}
	}
	if err := p.add(p.ear, 0); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *kqueue) wait(events []event, timeout time.Duration) int {
	var limit *unix.Timespec // nil waits for ever
	if timeout >= 0 {
		t := unix.NsecToTimespec(int64(timeout))
		limit = &t
	}
	n, err := unix.Kevent(p.fd, nil, p.events[:min(len(events), eventsMax)], limit)
	if err != nil {
		return 0 // EINTR: the loop comes back
	}
	count := 0
	for i := range p.events[:n] {
		e := &p.events[i]
		fd := int32(e.Ident)
		if fd == p.ear {
			p.hear()
			continue
		}
		events[count] = p.event(fd, int(e.Filter) == unix.EVFILT_WRITE)
		count++
	}
	return count
}

func (p *kqueue) pause(d time.Duration) {
	t := unix.NsecToTimeval(int64(d))
	_, _ = unix.Select(0, nil, nil, nil, &t) // interrupted, it is over; EINVAL: it is negative
}

// hear empties the pipe, so that the next wake is news. What is left of very
// many is reported again.
func (p *kqueue) hear() {
	var b [64]byte
	_, _ = unix.Read(int(p.ear), b[:]) // EAGAIN: there is nothing
}

// wake rings the bell. A pipe that is full has been rung already. It may come
// when the loop has ended: the count keeps the descriptor from being closed, and
// from being something else, meanwhile.
func (p *kqueue) wake() {
	p.ringing.Add(1)
	if !p.closed.Load() {
		_, _ = unix.Write(p.bell, []byte{1})
	}
	p.ringing.Add(-1)
}

func (p *kqueue) add(fd, key int32) error {
	p.begin(fd, key)
	return p.apply(fd, true, false)
}

// addListener is add: all loops that watch a listener wake, and one of them finds
// a connection.
func (p *kqueue) addListener(fd, key int32) error { return p.add(fd, key) }

func (p *kqueue) watch(fd, _ int32, read, write bool) {
	_ = p.apply(fd, read, write) // the descriptor is open and added
}

func (p *kqueue) remove(fd int32) { _ = p.apply(fd, false, false) }

// apply tells the system what fd is watched for from now on, one filter at a
// time: an error in a list of several would leave it open which were changed.
func (p *kqueue) apply(fd int32, read, write bool) error {
	changes, n := p.change(fd, read, write)
	var failed error
	for _, c := range changes[:n] {
		direction, flags := unix.EVFILT_READ, unix.EV_DELETE
		if c.write {
			direction = unix.EVFILT_WRITE
		}
		if c.add {
			flags = unix.EV_ADD
		}
		var e [1]unix.Kevent_t
		unix.SetKevent(&e[0], int(fd), direction, flags)
		if _, err := unix.Kevent(p.fd, e[:], nil, nil); err != nil {
			failed = fmt.Errorf("kevent: %w", err)
		}
	}
	return failed
}

func (p *kqueue) close() {
	p.closed.Store(true)
	for p.ringing.Load() != 0 {
		time.Sleep(time.Microsecond)
	}
	unix.Close(int(p.ear))
	unix.Close(p.bell)
	unix.Close(p.fd)
}
