//go:build linux && !386 && !s390x && !race

package ws

import (
	"syscall"
	"unsafe"
)

// recv and send do not tell the scheduler about the system call, as a socket that
// does not block takes no longer than a function does. Under the race detector,
// which would not see the bytes, and where one system call stands for all socket
// operations, socket_unix.go is used.

// recv reads what has arrived. 0 bytes without an error are the end.
func recv(fd uintptr, b []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN // converted once, not in every call
		default:
			return 0, e
		}
	}
}

// send writes what the kernel takes of b, which is not empty.
func send(fd uintptr, b []byte) (int, error) {
	for {
		n, _, e := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), syscall.MSG_NOSIGNAL, 0, 0)
		switch e {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN
		default:
			return 0, e
		}
	}
}
