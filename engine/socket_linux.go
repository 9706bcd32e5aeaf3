package engine

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
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

func localAddress(fd int32) net.Addr {
	sa, err := unix.Getsockname(int(fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)))
	case *unix.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)))
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: sa.Name}
	}
	return nil
}

// takeDescriptor returns a descriptor of nc's socket for a loop, and closes nc,
// or ok false if it has none to give.
func takeDescriptor(nc net.Conn) (fd int32, ok bool) {
	var raw syscall.RawConn
	var err error
	socket := nc
	if wrapper, ok := nc.(interface{ Socket() net.Conn }); ok {
		socket = wrapper.Socket() // whoever wraps it says that its bytes are the socket's
	}
	switch nc := socket.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	default:
		return 0, false
	}
	if err != nil {
		return 0, false
	}
	dup := -1
	if raw.Control(func(fd uintptr) { dup, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }) != nil || err != nil {
		return 0, false
	}
	nc.Close() // its own descriptor; the socket lives on in ours
	return int32(dup), true
}

// netConn makes a net.Conn of a descriptor, which it closes.
func netConn(fd int32) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return net.FileConn(f)
}
