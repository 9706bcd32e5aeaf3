package engine_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// The engine allocates nothing for a message: not when it arrives whole, nor in
// parts, nor with others, nor for its echo.
func TestEchoAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	address := start(t, &engine.Server{Handler: echo{}, Loops: 1})
	for name, payload := range map[string]string{
		"64 B": strings.Repeat("x", 64), "1 KiB": strings.Repeat("x", 1024), "16 KiB": strings.Repeat("x", 16<<10), "100 KiB, in parts": strings.Repeat("x", 100<<10),
	} {
		t.Run(name, func(t *testing.T) {
			c := upgrade(t, address)
			frame := masked(true, wire.Binary, payload)
			reply := make([]byte, len(wire.AppendFrame(nil, true, wire.Binary, []byte(payload))))
			turn := func() {
				if _, err := c.Write(frame); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c.Conn, reply); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 { // pools fill
				turn()
			}
			if got := testing.AllocsPerRun(500, turn); got > 0 {
				t.Errorf("%v allocations for each echo", got)
			}
		})
	}
}

// A flood of pings makes no garbage.
func TestPingsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	c := upgrade(t, start(t, &engine.Server{Handler: echo{}, Loops: 1}))
	pings := bytes.Repeat(masked(true, wire.Ping, strings.Repeat("x", 125)), 20)
	pongs := make([]byte, 20*127)
	turn := func() {
		if _, err := c.Write(pings); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.Conn, pongs); err != nil { // each is answered, as they come one after another
			t.Fatal(err)
		}
	}
	for range 100 { // pools fill
		turn()
	}
	if got := testing.AllocsPerRun(200, turn); got > 0 {
		t.Errorf("%v allocations for 20 pings", got)
	}
}

// A handshake leaves a connection behind and nothing else.
func TestHandshakeAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	address := start(t, &engine.Server{Handler: echo{}, Loops: 1})
	clients := make([]*raw, 201)
	for i := range clients {
		clients[i] = connect(t, address)
	}
	i := 0
	reply := make([]byte, 129)
	got := testing.AllocsPerRun(len(clients)-1, func() {
		c := clients[i]
		i++
		if _, err := c.Write([]byte(opening)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c.Conn, reply); err != nil {
			t.Fatal(err)
		}
	})
	if string(reply[125:]) != "\r\n\r\n" {
		t.Fatalf("the response is %q", reply)
	}
	// Two are this test's own: the request as bytes is one.
	if got > 1 {
		t.Errorf("%v allocations for each handshake of a connection that was accepted", got)
	}
}

func BenchmarkEcho(b *testing.B) {
	s := &engine.Server{Handler: echo{}, Loops: 1}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(ln)
	defer s.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(opening)); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 129)); err != nil {
		b.Fatal(err)
	}
	frame := masked(true, wire.Binary, strings.Repeat("x", 64))
	reply := make([]byte, 66)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(frame); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, reply); err != nil {
			b.Fatal(err)
		}
	}
}
