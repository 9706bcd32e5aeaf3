package transport

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
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
	perCall := func(f func()) float64 {
		for range 200 { // what is allocated once
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
	alone := perCall(publish)
	if alone > 15 {
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
