package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// IsSupported reports whether sockets can be handed over on this system.
const IsSupported = true

// Pair returns the two ends of a connection for a conversation. The second is for the
// other process.
func Pair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("handover: %w", os.NewSyscallError("socketpair", err))
	}
	there := os.NewFile(uintptr(fds[1]), "handover")
	here := os.NewFile(uintptr(fds[0]), "handover")
	defer here.Close() // FromFile has one of its own
	conn, err := FromFile(here)
	if err != nil {
		return nil, nil, errors.Join(err, there.Close())
	}
	return conn, there, nil
}

// FromFile makes a connection of an end. The file is the caller's still.
func FromFile(f *os.File) (*net.UnixConn, error) {
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	unixConn, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(errors.New("handover: it is no Unix socket"), conn.Close())
	}
	return unixConn, nil
}

// SendOffer sends an Offer. The sockets stay open here.
//
// Their descriptors are sent as they are. A copy by way of os.File would make them
// blocking, here as well, because that is a property of the socket.
func (c *Conn) SendOffer(o Offer) error {
	if len(o.Sockets) > SocketsMax {
		return fmt.Errorf("handover: %d sockets are too many, at most %d can be handed over", len(o.Sockets), SocketsMax)
	}
	says, err := o.head()
	if err != nil {
		return err
	}
	if len(says) > socketBytesMax {
		return fmt.Errorf("handover: the addresses of the sockets take %d bytes", len(says))
	}
	message := append(binary.BigEndian.AppendUint32(nil, uint32(len(says))), says...)
	return withDescriptors(o.Sockets, nil, func(fds []int) error {
		var rights []byte
		if len(fds) > 0 {
			rights = unix.UnixRights(fds...)
		}
		n, oobn, err := c.conn.WriteMsgUnix(message, rights, nil)
		if err == nil && (n != len(message) || oobn != len(rights)) {
			err = io.ErrShortWrite
		}
		return err
	})
}

// withDescriptors calls f with the descriptors of sockets, which stay valid until it
// returns.
func withDescriptors(sockets []Socket, fds []int, f func([]int) error) error {
	if len(sockets) == 0 {
		return f(fds)
	}
	conn, ok := sockets[0].Listener.(syscall.Conn)
	if !ok {
		return fmt.Errorf("handover: the listener at %s is no socket", sockets[0].Addr())
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = withDescriptors(sockets[1:], append(fds, int(fd)), f)
	})
	return errors.Join(err, inner)
}

// ReceiveOffer receives an Offer. It is the first thing that is received.
func (c *Conn) ReceiveOffer() (o Offer, err error) {
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd) // listenerOf has one of its own, or there was an error
		}
		if err != nil {
			o.Close()
		}
	}()
	head := make([]byte, 4)
	oob := make([]byte, unix.CmsgSpace(4*SocketsMax))
	n, oobn, flags, _, err := c.conn.ReadMsgUnix(head, oob)
	if err != nil {
		return o, err
	}
	if fds, err = descriptors(oob[:oobn]); err != nil {
		return o, err
	}
	if n == 0 {
		return o, io.ErrUnexpectedEOF
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return o, errors.New("handover: some descriptors did not arrive; the limit of open files may be too low")
	}
	if _, err := io.ReadFull(c.conn, head[n:]); err != nil {
		return o, err
	}
	size := binary.BigEndian.Uint32(head)
	if size > socketBytesMax {
		return o, ErrFrame
	}
	says := make([]byte, size)
	if _, err := io.ReadFull(c.conn, says); err != nil {
		return o, err
	}
	h, err := parseHead(says, len(fds))
	if err != nil {
		return o, err
	}
	o.PID, o.Build = h.PID, h.Build
	for i, info := range h.Sockets {
		ln, err := listenerOf(fds[i])
		if err != nil {
			return o, fmt.Errorf("handover: the socket of %q cannot be used: %w", info.Spec, err)
		}
		o.Sockets = append(o.Sockets, Socket{Listener: ln, Spec: info.Spec, IsLent: info.IsLent})
	}
	return o, nil
}

// parseHead reads what is said of so many sockets.
func parseHead(says []byte, sockets int) (h socketsHead, err error) {
	if json.Unmarshal(says, &h) != nil {
		return h, ErrFrame
	}
	if h.Version != Version {
		return h, fmt.Errorf("handover: the other process speaks version %d, and this one %d", h.Version, Version)
	}
	if len(h.Sockets) != sockets {
		return h, ErrFrame
	}
	return h, nil
}

// descriptors are those in a control message.
func descriptors(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	for i := range messages {
		some, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue // it is about something else
		}
		fds = append(fds, some...)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	return fds, nil
}

// listenerOf makes a listener of a copy of fd.
func listenerOf(fd int) (net.Listener, error) {
	copied, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(copied), "inherited socket")
	defer f.Close()
	ln, err := net.FileListener(f)
	if file, ok := ln.(*net.UnixListener); ok {
		file.SetUnlinkOnClose(false) // not before it is ours
	}
	return ln, err
}
