package server

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel is told to give up a client that acknowledges nothing, and to ask one
// that is silent whether it is there, whatever its connection carries.
func TestGhostsAreGivenUp(t *testing.T) {
	listeners, err := listen(t.Context(), Config{Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	ln := listeners[0]
	defer ln.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	raw, err := nc.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		for name, o := range map[string]struct{ level, option, want int }{
			"TCP_USER_TIMEOUT": {unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ghostTimeout / time.Millisecond)},
			"SO_KEEPALIVE":     {unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			"TCP_KEEPIDLE":     {unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, int(silenceMax / time.Second)},
		} {
			if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); err != nil || got != o.want {
				t.Errorf("%s is %d, want %d; %v", name, got, o.want, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}
