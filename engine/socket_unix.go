//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package engine

import (
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

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
