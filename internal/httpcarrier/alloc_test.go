package httpcarrier_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/driver"
)

// On a loop a wake and what is written for it allocate nothing, for a stream and for a
// WebSocket.
func TestWakeAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	onLoop(t, func(t *testing.T, w *world) {
		data := []byte("something that is new")
		parts, frames := [][]byte{data}, [][]byte{text(string(data))} // they last: an interface would have them copied to the heap
		begun := make(chan Exchange, 1)
		h := &calls{body: func(x Exchange, _ []byte) {
			_ = x.Begin(200, plain)
			begun <- x
		}, wake: func(x Exchange) { _ = x.Write(parts...) }}
		w.serve(h, Route{})
		stream := w.dial()
		stream.get("/")
		stream.head("GET")
		x := next(t, begun)
		chunk := make([]byte, len(engine.AppendChunk(nil, data)))
		budget(t, "a stream", x.Wake, stream, chunk)

		socket := w.accept(&socket{wake: func(c Conn) { _ = c.WriteFrames(frames...) }}, Admission{})
		conn := w.dial()
		conn.send(opening)
		conn.head("GET")
		c := next(t, socket.opened)
		budget(t, "a WebSocket", c.Wake, conn, make([]byte, len(frames[0])))
		_ = c.Close(driver.StatusNormal, "")
	})
}

// budget wakes and reads what comes of it.
func budget(t *testing.T, name string, wake func(), from io.Reader, answer []byte) {
	t.Helper()
	turn := func() {
		wake()
		if _, err := io.ReadFull(from, answer); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // pools fill
		turn()
	}
	if got := testing.AllocsPerRun(500, turn); got > 0 {
		t.Errorf("%s: %v allocations for each wake", name, got)
	}
}

// A request on a loop costs the object that it is.
func TestRequestAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	onLoop(t, func(t *testing.T, w *world) {
		h := &calls{ended: make(chan error, 1000), body: func(x Exchange, body []byte) { _ = x.Respond(200, plain, body) }}
		route := Route{Responder: ending{h}}
		w.routing(func(*Request) Route { return route })
		c := w.dial()
		request := "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
		c.send(request)
		r := c.head("POST")
		_, _ = io.Copy(io.Discard, r.Body)
		size := len("HTTP/1.1 200 OK\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody")
		answer := make([]byte, size)
		turn := func() {
			c.send(request)
			if _, err := io.ReadFull(c.Conn, answer); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			turn()
		}
		// The head for the decision, the exchange.
		if got := testing.AllocsPerRun(500, turn); got > 3 {
			t.Errorf("%v allocations for each request", got)
		}
		if r.StatusCode != http.StatusOK {
			t.Errorf("%v", r)
		}
	})
}

// ending is a Responder whose end nobody waits for.
type ending struct{ *calls }

func (ending) OnEnd(Exchange, error) {}
