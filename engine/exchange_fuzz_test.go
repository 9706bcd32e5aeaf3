//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// witness answers requests and remembers them.
type witness struct {
	NopResponder
	asked []string
	begun int
	ended int
}

func (w *witness) route(r *Request) Route {
	if r.Path() == "/not" {
		return Route{}
	}
	w.begun++
	return Route{Responder: w, BodyBytesMax: 1000, Value: strings.Clone(r.Method() + " " + r.Target())}
}

func (w *witness) OnBody(x Exchange, body []byte) {
	asked := x.Value().(string)
	w.asked = append(w.asked, fmt.Sprintf("%s %q", asked, body))
	switch {
	case strings.HasSuffix(asked, "/panic"):
		panic("as it was asked")
	case strings.HasSuffix(asked, "/stream"):
		_ = x.Begin(200, nil)
		_ = x.Write(body)
		_ = x.End()
	default:
		_ = x.Respond(200, nil, body)
	}
}

func (w *witness) OnTooLarge(x Exchange, length int64) {
	w.asked = append(w.asked, fmt.Sprint(x.Value(), " is too large: ", length))
	w.NopResponder.OnTooLarge(x, length)
}

func (w *witness) OnEnd(x Exchange, _ error) {
	w.ended++
	if x.Respond(200, nil, nil) != ErrExchangeOver {
		panic("it is answered behind its end")
	}
}

// FuzzRequests: however what a client sends is cut, and however slowly it takes what
// it gets, the same requests are served, in order and each with one end; nothing
// spins; and in the end nothing is held.
func FuzzRequests(f *testing.F) {
	const get, post = "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", "POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for _, input := range []string{
		get + post + get, post + post[:len(post)-1], get + "G@T", get + scriptOpening, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n" + get,
		"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" + strings.Repeat("x", 1001) + get, "GET /panic HTTP/1.1\r\nHost: x\r\n\r\n" + get,
		"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" + get, get + "GET /not HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat(get, 1000),
		post + "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + get,
	} {
		f.Add([]byte(input), []byte{})
		f.Add([]byte(input), bytes.Repeat([]byte{3}, 500))
		f.Add([]byte(input), bytes.Repeat([]byte{2, 0, 4, 1, 2, 3}, 100))
	}
	f.Fuzz(func(t *testing.T, input, script []byte) {
		if len(input) > 40_000 || len(script) > 2000 {
			t.Skip("longer input says nothing more")
		}
		serve := func(script []byte) *witness {
			seen := &witness{}
			w := newWorld(t, script, Options{}, &peer{input: bytes.Clone(input), end: errEnd, takes: -1, disturbed: true})
			w.callsMax += 20 * len(input)
			w.loop.server.Route = seen.route
			w.loop.listen(listenerFD, nil)
			w.loop.run()
			if seen.begun != seen.ended || w.loop.tally.Exchanges != 0 || w.loop.open.Load() != 0 {
				t.Fatalf("%d exchanges began and %d ended; %d are open, and %d connections", seen.begun, seen.ended, w.loop.tally.Exchanges, w.loop.open.Load())
			}
			return seen
		}
		calm := make([]byte, len(script)) // of a script, only what cuts and delays
		for i, b := range script {
			calm[i] = []byte{0, 12, 13, 14, 15}[b%5]
		}
		if whole, cut := serve(nil), serve(calm); !slices.Equal(whole.asked, cut.asked) {
			t.Fatalf("whole: %q\ncut: %q", whole.asked, cut.asked)
		}
	})
}
