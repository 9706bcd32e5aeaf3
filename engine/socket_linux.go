package engine

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// system is the kernel itself. The calls do not wait, so the scheduler is not
// told of them. recv and send take a shorter way through the kernel than read
// and write.
var system = kernel{
	accept: func(fd int32) (int32, address, error) {
		var peer unix.RawSockaddrAny
		size := uint32(unix.SizeofSockaddrAny)
		n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&peer)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return -1, address{}, errno
		}
		return int32(n), peerAddress(&peer), nil
	},
	read: func(fd int32, p []byte) (int, error) {
		return result(syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0))
	},
	write: func(fd int32, p []byte) (int, error) {
		return result(syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0))
	},
	shutdown: func(fd int32) {
		syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	},
	close: func(fd int32) {
		syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	},
}

// result is what a read or write returned. An interrupted call is one that may
// be tried again: the poller reports the descriptor once more.
func result(n, _ uintptr, errno syscall.Errno) (int, error) {
	switch errno {
	case 0:
		return int(n), nil
	case unix.EAGAIN, unix.EINTR:
		return 0, errAgain
	}
	return 0, errno
}

func peerAddress(sa *unix.RawSockaddrAny) address {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return addressOf(netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkPort(&in.Port)))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return addressOf(netip.AddrPortFrom(netip.AddrFrom16(in.Addr), networkPort(&in.Port)))
	}
	return address{}
}

// networkPort reads a port as it stands in memory, the high byte first.
func networkPort(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}
