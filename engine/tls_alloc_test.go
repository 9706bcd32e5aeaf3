package engine_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// An echo over TLS allocates what crypto/tls does at both ends, and nothing more:
// decrypted and encrypted bytes are in memory of the loop's.
func TestTLSEchoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	a := newAuthority(t)
	address := startTLS(t, &engine.Server{Handler: echo{}, Loops: 1}, a.server(t))
	for name, payload := range map[string]string{"64 B": strings.Repeat("x", 64), "1 KiB": strings.Repeat("x", 1024)} {
		t.Run(name, func(t *testing.T) {
			frame := masked(true, wire.Binary, payload)
			reply := wire.AppendFrame(nil, true, wire.Binary, []byte(payload))
			turns := func(c io.ReadWriter) float64 {
				buf := make([]byte, len(reply))
				turn := func() {
					if _, err := c.Write(frame); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(c, buf); err != nil {
						t.Fatal(err)
					}
				}
				for range 200 { // pools fill
					turn()
				}
				return testing.AllocsPerRun(500, turn)
			}
			least := turns(bareTLS(t, a, len(frame), reply))
			if got := turns(upgradeTLS(t, address, a.client()).Conn); got > least {
				t.Errorf("%v allocations for each echo, of which %v are those of crypto/tls", got, least)
			}
		})
	}
}

// bareTLS connects to a goroutine that answers so many bytes with reply.
func bareTLS(t *testing.T, a *authority, bytes int, reply []byte) io.ReadWriter {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", a.server(t))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, bytes)
		for err == nil {
			if _, err = io.ReadFull(c, buf); err == nil {
				_, err = c.Write(reply)
			}
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		<-ended
	})
	return connectTLS(t, ln.Addr().String(), a.client()).Conn // closed before the goroutine is waited for
}
