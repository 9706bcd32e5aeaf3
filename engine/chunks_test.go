package engine_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// FuzzChunks: whatever a peer sends, in whatever parts it is read, what comes
// back is the same, on both drivers.
func FuzzChunks(f *testing.F) {
	for _, input := range [][]byte{
		text("hello"),
		bytes.Join([][]byte{text(strings.Repeat("x", 70_000)), masked(true, wire.Ping, "p"), text("after"), closing(1000)}, nil),
		bytes.Join([][]byte{masked(false, wire.Text, "a"), masked(true, wire.Ping, "1"), masked(true, wire.Ping, "2"), masked(true, wire.Continuation, "b")}, nil),
		append(text("good"), 0xff, 0xff, 0, 1, 2),
		append(closing(4000), text("late")...),
	} {
		f.Add(input, uint64(1))
	}
	var rnd atomic.Pointer[rand.Rand] // used by one loop at a time
	whole, chunked := &engine.Server{Handler: echo{}, Loops: 1}, &engine.Server{Handler: echo{}, Loops: 1}
	streams := &engine.Server{Handler: echo{}, Loops: 1}
	streams.UseStreams()
	chunked.Interfere(nil, func(do func([]byte) (int, error), p []byte) (int, error) {
		return do(p[:min(len(p), 1+rnd.Load().IntN(50))])
	}, nil)
	var addresses []string
	for _, s := range []*engine.Server{whole, chunked, streams} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			f.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ln) }()
		f.Cleanup(func() {
			_ = s.Close()
			<-ended
		})
		addresses = append(addresses, ln.Addr().String())
	}
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		if len(input) > 100_000 {
			t.Skip("longer input says nothing more")
		}
		rnd.Store(rand.New(rand.NewPCG(seed, 1)))
		want := answers(t, addresses[0], input)
		if got := answers(t, addresses[1], input); !bytes.Equal(got, want) {
			t.Fatalf("%q\nis answered with %q\nin chunks with  %q", input, want, got)
		}
		// While a stream writes, newer pings take the place of older ones.
		if got, want := withoutPongs(t, answers(t, addresses[2], input)), withoutPongs(t, want); !bytes.Equal(got, want) {
			t.Fatalf("%q\nis answered with %q\nand otherwise   %q", input, want, got)
		}
	})
}

func withoutPongs(t *testing.T, answer []byte) []byte {
	head := bytes.Index(answer, []byte("\r\n\r\n")) + 4
	kept, rest := answer[:head:head], answer[head:]
	for len(rest) > 0 {
		h, n, err := wire.ParseHeader(rest)
		if err != nil || n == 0 || int64(len(rest)-n) < h.Length {
			t.Fatalf("%q is not whole frames: %v", rest, err)
		}
		n += int(h.Length)
		if h.Opcode != wire.Pong {
			kept = append(kept, rest[:n]...)
		}
		rest = rest[n:]
	}
	return kept
}

// answers sends input and returns everything that comes back.
func answers(t *testing.T, address string, input []byte) []byte {
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(patience))
	go func() {
		_, _ = nc.Write(append([]byte(opening), input...))
		_ = nc.(*net.TCPConn).CloseWrite()
	}()
	b, err := io.ReadAll(nc)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
