package socket

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// CanSendParts says that the system takes several pieces at a time.
const CanSendParts = true

// scatterParts is how many pieces of memory are given to one system call.
const scatterParts = 64

// SendParts writes pieces of memory one after another, and returns how many
// bytes were taken. It does not wait.
func SendParts(fd int32, parts [][]byte) (int, error) {
	sent := 0
	for len(parts) > 0 {
		var pieces [scatterParts]unix.Iovec
		batch := parts[:min(len(parts), scatterParts)]
		size := 0
		for i, p := range batch {
			pieces[i].Base = unsafe.SliceData(p)
			pieces[i].SetLen(len(p))
			size += len(p)
		}
		m := unix.Msghdr{Iov: &pieces[0]}
		m.SetIovlen(len(batch))
		n, err := result(syscall.RawSyscall6(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&m)), unix.MSG_NOSIGNAL, 0, 0, 0))
		sent += n
		if err != nil || n < size {
			return sent, err
		}
		parts = parts[len(batch):]
	}
	return sent, nil
}
