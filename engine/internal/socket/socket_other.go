//go:build !linux

package socket

import "net"

// Where there is no poller of the system, every connection is a stream, and
// nothing here is ever called with a descriptor.

// System has no calls.
var System Calls

// CanSendParts says that the system takes several pieces at a time.
const CanSendParts = false

// SendParts refuses.
func SendParts(int32, [][]byte) (int, error) { return 0, ErrNoDescriptors }

// Take has nothing to give.
func Take(net.Conn) (int32, bool) { return -1, false }

// NetConn refuses.
func NetConn(int32) (net.Conn, error) { return nil, ErrNoDescriptors }

// LocalAddr knows none.
func LocalAddr(int32) net.Addr { return nil }

// Watchable knows no listener that a loop could watch.
func Watchable(net.Listener) (fd int32, ok bool, err error) { return -1, false, nil }
