package conformance_test

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/ws/wstest"
)

// Peers that fail by silence, or by being late, are judged in virtual time and over wires in
// memory: a real clock would judge the machine, too.

// wires makes connections to a server that is a function of its end of each. They have ended before the test has.
func wires(t *testing.T, serve func(net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	var served sync.WaitGroup
	t.Cleanup(served.Wait)
	return func(context.Context, string, string) (net.Conn, error) {
		near, far := wstest.Pipe(nil)
		served.Go(func() { serve(far) })
		return near, nil
	}
}

// wireListener is a listener of such connections.
type wireListener struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newWireListener() *wireListener {
	return &wireListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *wireListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *wireListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *wireListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// dial connects to l.
func (l *wireListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := wstest.Pipe(nil)
	select {
	case l.conns <- accepted{far}:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wirePort is the port of the wires of a wireListener.
const wirePort = ":8080"

// accepted is a wire with the address that its client has asked for.
type accepted struct{ *wstest.Wire }

func (accepted) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080} }
