package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
)

// listen binds the configured address. The name is resolved once, and what is
// decided about the address is decided about the one that is bound.
func listen(ctx context.Context, c Config) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %s", c.Listen, strings.TrimPrefix(err.Error(), "lookup "))
	}
	if err := checkReach(c, addr); err != nil {
		return nil, err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr.String())
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("cannot listen on %s: address already in use; stop the program that uses it, or choose another with --listen", c.Listen)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("cannot listen on %s: permission denied; ports below 1024 need privileges, choose another with --listen", c.Listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return nil, fmt.Errorf("cannot listen on %s: this machine has no such address; choose another with --listen", c.Listen)
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", c.Listen, err)
	}
	return ln, nil
}

// checkReach refuses an address that other machines can reach, unless the
// operator insists: there is no authentication.
func checkReach(c Config, addr net.Addr) error {
	if c.Insecure || isLoopback(addr) {
		return nil
	}
	return fmt.Errorf("refusing to listen on %s: other machines can reach it, and everyone who does could read and publish on every channel;"+
		" listen on loopback (%s), or insist with --insecure", addr, DefaultListen)
}

// isLoopback reports whether only this machine can reach addr. An unspecified
// address (":8000", 0.0.0.0, [::]) is every address of the machine.
func isLoopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
