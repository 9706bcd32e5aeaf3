package socket

import (
	"errors"
	"syscall"
)

// ErrAgain is the error of a call that would have to wait.
var ErrAgain error = syscall.EAGAIN

// ErrNoDescriptors is the error of what only a system with a poller can do.
var ErrNoDescriptors = errors.New("engine: descriptors are not used on this system")

// Calls are what a loop asks of the system for a descriptor, so that tests can
// put faults in between. None of them waits. Errors are ErrAgain or final. A read of
// 0 bytes without an error is the end.
type Calls struct {
	Accept   func(fd int32) (conn int32, peer Address, err error)
	Read     func(fd int32, p []byte) (int, error)
	Write    func(fd int32, p []byte) (int, error)
	Shutdown func(fd int32)
	Close    func(fd int32)
}
