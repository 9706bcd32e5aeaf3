//go:build linux

package engine

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// teller answers with what the path says, or does not return.
type teller struct{ NopResponder }

func (teller) route(r *Request) Route {
	return Route{Responder: teller{}, Value: strings.Clone(r.Path()[1:]), EndsWithInput: true}
}

func (teller) OnBody(x Exchange, _ []byte) {
	switch said := x.Value().(string); said {
	case "panic":
		panic("on purpose")
	case "long":
		_ = x.Respond(200, nil, make([]byte, answerBytesMax))
	case "goexit":
		runtime.Goexit()
	case "later":
	case "abort":
		_ = x.Respond(200, nil, []byte(said))
		x.Abort()
	case "stream":
		_ = x.Begin(200, nil)
		_ = x.Write([]byte("and more"))
	default:
		_ = x.Respond(200, nil, []byte(said))
	}
}

// ask has one client for each path ask in one turn, and returns in which order the loop
// read and wrote, and the peers.
func ask(t *testing.T, paths ...string) (calls []string, peers []*peer) {
	for _, path := range paths {
		peers = append(peers, &peer{input: []byte("GET /" + path + " HTTP/1.1\r\nHost: x\r\n\r\n"), end: errEnd, takes: -1, disturbed: true})
	}
	w := newWorld(t, nil, Options{}, peers...)
	w.loop.server.Route = teller{}.route
	w.onCall = func(p *peer, call string) (int, error) {
		if call != "accept" {
			calls = append(calls, fmt.Sprint(call, " ", slices.Index(peers, p)))
		}
		return 0, nil
	}
	w.loop.listen(listenerFD, nil)
	if slices.Contains(paths, "goexit") {
		w.loop.server.goroutines.Go(w.loop.run) // not the test's own, which would end
		w.loop.server.goroutines.Wait()
	} else {
		w.loop.run()
	}
	return calls, peers
}

// The answers to the requests of one turn leave together, in their order, and a
// bounded number at once.
func TestAnswersOfATurnLeaveTogether(t *testing.T) {
	var paths, want []string
	for i := range answersMax + 3 {
		paths = append(paths, fmt.Sprint("answer", i))
	}
	for _, part := range [][2]int{{0, answersMax}, {answersMax, len(paths)}} {
		for _, call := range []string{"read", "write"} {
			for i := part[0]; i < part[1]; i++ {
				want = append(want, fmt.Sprint(call, " ", i))
			}
		}
	}
	calls, peers := ask(t, paths...)
	if !slices.Equal(calls, want) {
		t.Errorf("it did\n%q, want\n%q", calls, want)
	}
	for i, p := range peers {
		if !bytes.HasPrefix(p.got, []byte("HTTP/1.1 200 OK\r\n")) || !bytes.HasSuffix(p.got, []byte("\r\n\r\n"+paths[i])) {
			t.Errorf("peer %d got %q", i, p.got)
		}
	}
}

// A request that comes alone, a long answer and one that is not there yet do not wait for
// others, and others do not wait for them.
func TestWhatDoesNotLeaveTogether(t *testing.T) {
	for _, tt := range []struct {
		name  string
		paths []string
		want  []string
	}{
		{"alone", []string{"a"}, []string{"read 0", "write 0"}},
		{"long", []string{"a", "long", "c"}, []string{"read 0", "read 1", "write 1", "read 2", "write 0", "write 2"}},
		{"later", []string{"a", "later", "c"}, []string{"read 0", "read 1", "read 2", "write 0", "write 2"}},
		{"a panic", []string{"a", "panic", "c"}, []string{"read 0", "read 1", "write 1", "read 2", "write 0", "write 2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			calls, peers := ask(t, tt.paths...)
			if !slices.Equal(calls, tt.want) {
				t.Errorf("it did %q, want %q", calls, tt.want)
			}
			for i, path := range tt.paths {
				status := map[string]string{"later": "", "panic": "HTTP/1.1 500"}
				want, ok := status[path]
				if !ok {
					want = "HTTP/1.1 200"
				}
				if !bytes.HasPrefix(peers[i].got, []byte(want)) || want == "" && len(peers[i].got) > 0 {
					t.Errorf("peer %d got %.100q, want %q", i, peers[i].got, want)
				}
			}
		})
	}
}

// An exchange that was aborted while its answer was held ends, and a stream that has begun
// goes on, with everything that was written to it.
func TestHeldAnswersOfStreams(t *testing.T) {
	_, peers := ask(t, "a", "stream", "abort", "d")
	if got := peers[1].got; !bytes.HasSuffix(got, []byte("\r\n\r\n8\r\nand more\r\n")) {
		t.Errorf("the stream has %q", got)
	}
	if !peers[2].closed {
		t.Error("the exchange that was aborted goes on")
	}
	for _, i := range []int{0, 3} {
		if len(peers[i].got) == 0 {
			t.Errorf("peer %d got nothing", i)
		}
	}
}

// A callback that ends the goroutine of its loop takes no answer along that was held.
func TestHeldAnswersSurviveGoexit(t *testing.T) {
	calls, peers := ask(t, "a", "b", "goexit", "d")
	want := []string{"read 0", "read 1", "read 2", "write 2", "write 0", "write 1", "read 3", "write 3"}
	if !slices.Equal(calls, want) {
		t.Errorf("it did %q, want %q", calls, want)
	}
	for i, suffix := range []string{"\r\n\r\na", "\r\n\r\nb", "", "\r\n\r\nd"} {
		if !bytes.HasSuffix(peers[i].got, []byte(suffix)) || len(peers[i].got) == 0 {
			t.Errorf("peer %d got %q", i, peers[i].got)
		}
	}
}
