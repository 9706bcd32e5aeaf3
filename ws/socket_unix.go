//go:build unix && (!linux || 386 || s390x || race)

package ws

import "syscall"

// recv reads what has arrived. 0 bytes without an error are the end.
func recv(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(fd), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

// send writes what the kernel takes of b, which is not empty.
func send(fd uintptr, b []byte) (int, error) {
	for {
		n, err := syscall.Write(int(fd), b)
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}
