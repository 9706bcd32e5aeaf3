package engineio_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws/wire"
)

// An idle session on a WebSocket is one struct: what polling needs has gone.
func TestSocketSize(t *testing.T) {
	if size := unsafe.Sizeof(engineio.Socket{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 208 {
		t.Errorf("a Socket has %d bytes", size)
	}
}

// upgrade makes the connection a WebSocket.
func (c *raw) upgrade(t testing.TB, query string) {
	t.Helper()
	fmt.Fprintf(c, "GET /engine.io/?%s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", query)
	if r := c.response(t); r.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(r.Status)
	}
}

// frame returns the next frame, which is short.
func (c *raw) frame(t testing.TB) string {
	t.Helper()
	var head [2]byte
	_, err := io.ReadFull(c.in, head[:])
	length := int(head[1])
	if length == 126 {
		var more [2]byte
		_, err = io.ReadFull(c.in, more[:])
		length = int(more[0])<<8 | int(more[1])
	}
	p := make([]byte, length)
	if err == nil {
		_, err = io.ReadFull(c.in, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// idleBytesMax is what a session on a WebSocket of an event loop may have, beside the
// connection itself.
const idleBytesMax = 800

func TestIdleMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has memory of its own")
	}
	server, err := engineio.New(engineio.NopHandler{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	ln := listen(t)
	bare := &engine.Server{Handler: engine.NopHandler{}, Loops: 2}
	done := make(chan error, 1)
	go func() { done <- bare.Serve(ln) }()
	defer func() {
		_ = bare.Close()
		<-done
	}()
	connection := idle(t, &site{url: "http://" + ln.Addr().String() + "/"}, false)
	session := idle(t, &site{url: "http://" + onEngine(t, server, nil) + "/"}, true)
	t.Logf("%d bytes for a session, beside its connection", session-connection)
	if session-connection > idleBytesMax {
		t.Errorf("a session has %d bytes beside its connection, want at most %d", session-connection, idleBytesMax)
	}
}

// idle returns how much memory a WebSocket has, on both sides.
func idle(t *testing.T, s *site, isSession bool) int {
	const many = 1000
	var conns []*raw
	open := func() {
		c := s.raw(t)
		c.upgrade(t, socket4)
		if isSession {
			c.frame(t)
		}
		conns = append(conns, c)
	}
	for range 100 { // what there is once
		open()
	}
	before := heap()
	for range many {
		open()
	}
	after := heap()
	for _, c := range conns {
		_ = c.Close()
	}
	return (after - before) / many
}

func heap() int {
	runtime.GC()
	runtime.GC() // what the first has found unused in pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// A message over a WebSocket of an event loop allocates nothing, in either direction.
func TestEchoAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	shared := [][]byte{engineio.AppendMessage(nil, engineio.MessageText, []byte("shared"))}
	h := hooks{message: func(s *engineio.Socket, typ engineio.MessageType, data []byte) {
		_ = s.Write(typ, data)
		_ = s.WritePackets(shared...)
	}}
	server, err := engineio.New(&h, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := &site{url: "http://" + onEngine(t, server, nil) + "/"}
	for _, typ := range []wire.Opcode{wire.Text, wire.Binary} {
		c := s.raw(t)
		c.upgrade(t, socket4)
		c.frame(t)
		payload := "4" + strings.Repeat("x", 99)
		frame := wire.AppendMaskedFrame(nil, true, typ, [4]byte{1, 2, 3, 4}, []byte(payload))
		reply := make([]byte, 2+len(payload)+len(shared[0]))
		turn := func() {
			if _, err := c.Write(frame); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(c.in, reply); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 { // pools fill
			turn()
		}
		if got := testing.AllocsPerRun(500, turn); got > 0 {
			t.Errorf("%v: %v allocations for each message and its two answers", typ, got)
		}
	}
}
