package engine_test

import (
	"log/slog"
	"net"
	"testing"

	"github.com/godwit-io/godwit/engine"
)

// A server that is closed while it begins to serve says so, and nothing else: the
// listener is closed under it at any moment.
func TestClosedWhileItBeginsToServe(t *testing.T) {
	times := 300
	if testing.Short() {
		times = 60
	}
	for range times {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := &engine.Server{Handler: echo{}, Loops: 8, Log: slog.New(slog.DiscardHandler)}
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ln) }()
		// The first loop takes this one in while the others are still to be told.
		if nc, err := net.Dial("tcp", ln.Addr().String()); err == nil {
			var b [1]byte
			_, _ = nc.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
			_, _ = nc.Read(b[:])
			nc.Close()
		}
		_ = s.Close()
		if err := <-ended; err != engine.ErrServerClosed {
			t.Fatalf("Serve returned %v", err)
		}
	}
}
