//go:build !linux

package engine

import (
	"net"
	"time"
)

// Where there is no poller of the system yet, every connection is a stream, and
// nothing here is ever called with a descriptor.

var system kernel

type acceptor struct{}

func (*acceptor) close(*kernel) {}

func (*Server) newPoller() (poller, error) { return newParked(), nil }

func (*Server) acceptOnLoops(net.Listener) (bool, error) { return false, nil }

func (*loop) accept(*acceptor)                    {}
func (*loop) stopAccepting()                      {}
func (*loop) acceptsAgain() (time.Duration, bool) { return 0, false }
func (*loop) stepBack()                           {}
func takeDescriptor(net.Conn) (int32, bool)       { return 0, false }
func netConn(int32) (net.Conn, error)             { return nil, errNoDescriptors }
func localAddress(int32) net.Addr                 { return nil }
