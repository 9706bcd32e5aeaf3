//go:build !linux

package interop

import (
	"net"
	"testing"
)

// holdPort returns an address for a program that cannot choose a port itself: one that was
// free a moment ago.
func holdPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
