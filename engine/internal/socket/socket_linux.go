package socket

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System is the kernel itself. The calls do not wait, so the scheduler is not
// told of them. recv and send take a shorter way through the kernel than read
// and write.
var System = Calls{
	Accept: func(fd int32) (int32, Address, error) {
		var peer unix.RawSockaddrAny
		size := uint32(unix.SizeofSockaddrAny)
		n, _, errno := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&peer)),
			uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		if errno != 0 {
			return -1, Address{}, errno
		}
		return int32(n), peerAddress(&peer), nil
	},
	Read: func(fd int32, p []byte) (int, error) {
		return result(syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0))
	},
	Write: func(fd int32, p []byte) (int, error) {
		return result(syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0))
	},
	Shutdown: func(fd int32) {
		syscall.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0)
	},
	Close: func(fd int32) {
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
		return 0, ErrAgain
	}
	return 0, errno
}

func peerAddress(sa *unix.RawSockaddrAny) Address {
	switch sa.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return AddressOf(netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkPort(&in.Port)))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		return AddressOf(netip.AddrPortFrom(netip.AddrFrom16(in.Addr), networkPort(&in.Port)))
	}
	return Address{}
}

// networkPort reads a port as it stands in memory, the high byte first.
func networkPort(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}

// LocalAddr returns the address that a descriptor is bound to, nil if it has none.
func LocalAddr(fd int32) net.Addr {
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

// Take returns a descriptor of nc's socket for a loop, and closes nc,
// or ok false if it has none to give.
func Take(nc net.Conn) (fd int32, ok bool) {
	var raw syscall.RawConn
	var err error
	socket := nc
	if wrapper, ok := nc.(interface{ Socket() net.Conn }); ok {
		socket = wrapper.Socket() // the wrapper says that its bytes are the socket's
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

// NetConn makes a net.Conn of a descriptor, which it closes.
func NetConn(fd int32) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return net.FileConn(f)
}

// Watchable returns a descriptor of its own for a loop that is to accept the
// connections of ln, or ok false if ln is no socket of package net. They do not
// delay output.
func Watchable(ln net.Listener) (fd int32, ok bool, err error) {
	var raw syscall.RawConn
	switch ln := ln.(type) {
	case *net.TCPListener:
		raw, err = ln.SyscallConn()
	case *net.UnixListener:
		raw, err = ln.SyscallConn()
	default:
		return -1, false, nil
	}
	if err != nil {
		return -1, false, err
	}
	dup := -1
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		// The connections inherit it. It is an error for a Unix socket, and of no meaning.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}); err != nil {
		return -1, false, err
	}
	if dupErr != nil {
		return -1, false, fmt.Errorf("cannot watch the listener: %w", dupErr)
	}
	return int32(dup), true, nil
}
