package transport

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
)

// What a request costs on a loop, in allocations of the whole process: these are
// budgets. The clients here allocate nothing.
func TestAllocationsOnLoops(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	v := serveOnOneLoop(t, newHub(t, nil, nil), Options{Logger: quiet()})
	defer v.close()
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", strings.TrimPrefix(v.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		return nc
	}
	buffer := make([]byte, 4096)
	post := []byte("POST /channels/cost HTTP/1.1\r\nHost: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	publisher := dial()
	publish := func() {
		if _, err := publisher.Write(post); err != nil {
			t.Fatal(err)
		}
		n, err := publisher.Read(buffer)
		if err != nil || !bytes.HasPrefix(buffer[:n], []byte("HTTP/1.1 201 ")) {
			t.Fatalf("%q, %v", buffer[:n], err)
		}
	}
	alone := perCall(publish)
	if alone > 5 {
		t.Errorf("a POST allocates %.1f times", alone)
	}

	const streams = 20
	var all []net.Conn
	for range streams {
		nc := dial()
		if _, err := io.WriteString(nc, "GET /channels/cost HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		for n := 0; !bytes.Contains(buffer[:n], []byte("event: position")); {
			m, err := nc.Read(buffer[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += m
		}
		all = append(all, nc)
	}
	with := perCall(func() {
		publish()
		for _, nc := range all {
			if n, err := nc.Read(buffer); err != nil || !bytes.Contains(buffer[:n], []byte("data: hello")) {
				t.Fatalf("%q, %v", buffer[:n], err)
			}
		}
	})
	if each := (with - alone) / streams; each > 0.3 {
		t.Errorf("a delivery to an event stream allocates %.2f times (%.1f for a POST, %.1f with %d streams)", each, alone, with, streams)
	}
}

// perCall is how often f allocates, in the whole process.
func perCall(f func()) float64 {
	for range 200 { // one-time allocations
		f()
	}
	const calls = 1000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range calls {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / calls
}

// A message that a WebSocket publishes costs little more where a Guard is asked about
// it: the message that the Guard may change, and the name of its user.
func TestAllocationsOfAGuardedMessage(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	grants := access.All()
	cost := func(guard Guard) float64 {
		v := serveOnOneLoop(t, newHub(t, nil, nil), Options{Logger: quiet(), Guard: guard})
		defer v.close()
		nc := rawOn(t, v)
		const handshake = "GET /channels/cost HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
		if _, err := io.WriteString(nc, handshake); err != nil {
			t.Fatal(err)
		}
		buffer := make([]byte, 4096)
		if n, err := nc.Read(buffer); err != nil || !bytes.HasPrefix(buffer[:n], []byte("HTTP/1.1 101 ")) {
			t.Fatalf("%q, %v", buffer[:n], err)
		}
		message := []byte("\x81\x85\x00\x00\x00\x00hello")
		return perCall(func() {
			if _, err := nc.Write(message); err != nil {
				t.Fatal(err)
			}
			if n, err := nc.Read(buffer); err != nil || string(buffer[:n]) != "\x81\x05hello" {
				t.Fatalf("%q, %v", buffer[:n], err)
			}
		})
	}
	without := cost(nil)
	for user, most := range map[string]float64{"": 1, "ann": 2} {
		id := &access.Identity{Kind: access.Token, User: user, Grants: grants}
		with := cost(Identify(func(*Request) (*access.Identity, error) { return id, nil }))
		if with > without+most+0.5 {
			t.Errorf("a message of user %q allocates %.1f times with a Guard, and %.1f times without", user, with, without)
		}
	}
}
