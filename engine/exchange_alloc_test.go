package engine_test

import (
	"io"
	"net"
	"runtime"
	"strconv"
	"testing"

	"github.com/godwit-io/godwit/engine"
)

// prompt answers everything at once, from memory that it has, and begins streams.
type prompt struct {
	engine.NopResponder
	streams []engine.Exchange
	begun   chan struct{}
}

func (h *prompt) route(r *engine.Request) engine.Route {
	if r.Method() == "GET" {
		return engine.Route{Responder: (*promptStream)(h)}
	}
	return engine.Route{Responder: h}
}

func (h *prompt) OnBody(x engine.Exchange, body []byte) { _ = x.Respond(200, plain, body) }

type promptStream prompt

func (h *promptStream) OnBody(x engine.Exchange, _ []byte) {
	_ = x.Begin(200, eventStream)
	h.streams = append(h.streams, x)
	h.begun <- struct{}{}
}
func (h *promptStream) OnTooLarge(engine.Exchange, int64) {}
func (h *promptStream) OnWake(engine.Exchange)            {}
func (h *promptStream) OnDrain(engine.Exchange)           {}
func (h *promptStream) OnEnd(engine.Exchange, error)      {}

var plain = field("Content-Type", "text/plain")

// A request on a connection that stays allocates nothing, whether its content
// arrives with it or in parts.
func TestPostAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	h := &prompt{begun: make(chan struct{}, 1)}
	address := start(t, &engine.Server{Handler: echo{}, Route: h.route, Loops: 1})
	for name, size := range map[string]int{"64 B": 64, "100 KiB, in parts": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, address)
			head := "POST /channels/news HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nContent-Type: text/plain\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n"
			request := append([]byte(head), make([]byte, size)...)
			c.send(t, request)
			r := c.response(t)
			if n, err := io.Copy(io.Discard, r.Body); n != int64(size) || err != nil {
				t.Fatal(n, err)
			}
			answer := make([]byte, len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: text/plain\r\nContent-Length: \r\n\r\n")+len(strconv.Itoa(size))+size)
			turn := func() {
				if _, err := c.Write(request); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c.Conn, answer); err != nil {
					t.Fatal(err)
				}
			}
			for range 100 { // pools fill
				turn()
			}
			if got := testing.AllocsPerRun(500, turn); got > 0 {
				t.Errorf("%v allocations for each request", got)
			}
		})
	}
}

// An idle stream is its connection and little more, and what is delivered to it
// allocates nothing.
func TestStreamAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	const streams = 500
	h := &prompt{begun: make(chan struct{}, 1), streams: make([]engine.Exchange, 0, streams)}
	s := &engine.Server{Handler: echo{}, Route: h.route, Loops: 1}
	address := start(t, s)
	clients := make([]*raw, streams)
	for i := range clients {
		clients[i] = connect(t, address)
	}
	head := make([]byte, len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"))
	request := []byte("GET /channels/news HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
	begin := func(c *raw) {
		if _, err := c.Write(request); err != nil {
			t.Fatal(err)
		}
		<-h.begun
		if _, err := io.ReadFull(c.Conn, head); err != nil {
			t.Fatal(err)
		}
	}
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for _, c := range clients[:100] {
		begin(c)
	}
	before := memory()
	for _, c := range clients[100:] {
		begin(c)
	}
	// The connections themselves, 288 bytes, were there before.
	if got := int64(memory()-before) / (streams - 100); got > 400 {
		t.Errorf("a stream adds %d bytes to a connection", got)
	} else {
		t.Logf("a stream adds %d bytes to a connection", got)
	}

	chunk := engine.AppendChunk(nil, []byte("id: 1\ndata: something that everybody gets\n\n"))
	got := make([]byte, len(chunk))
	deliver := func() {
		for _, x := range h.streams[:50] {
			if err := x.WriteChunks(chunk); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range clients[:50] {
			if _, err := io.ReadFull(c.Conn, got); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 20 {
		deliver()
	}
	if got := testing.AllocsPerRun(100, deliver); got > 1 {
		t.Errorf("%v allocations for 50 deliveries", got)
	}
}

func BenchmarkPost(b *testing.B) {
	h := &prompt{begun: make(chan struct{}, 1)}
	address := start(b, &engine.Server{Handler: echo{}, Route: h.route, Loops: 1})
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("POST /channels/news HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello")
	answer := make([]byte, len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			b.Fatal(err)
		}
	}
}
