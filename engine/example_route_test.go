package engine_test

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/engine"
)

// news is what has been said, as event streams get it.
type news struct {
	engine.NopResponder
	mu      sync.Mutex
	streams map[engine.Exchange]bool
}

// listeners answers GET, speakers POST.
type (
	listeners struct{ *news }
	speakers  struct{ *news }
)

var events, _ = engine.AppendField(nil, "Content-Type", "text/event-stream")

func (h listeners) OnBody(x engine.Exchange, _ []byte) {
	_ = x.Begin(200, events) // an error means that the client has gone, which OnEnd tells
	h.mu.Lock()
	h.streams[x] = true
	h.mu.Unlock()
}

func (h listeners) OnEnd(x engine.Exchange, _ error) {
	h.mu.Lock()
	delete(h.streams, x)
	h.mu.Unlock()
}

func (h speakers) OnBody(x engine.Exchange, body []byte) {
	event := engine.AppendChunk(nil, []byte("data: "), body, []byte("\n\n")) // framed once for all
	h.mu.Lock()
	for stream := range h.streams {
		if stream.WriteChunks(event) == engine.ErrQueueFull {
			stream.Abort() // it does not keep up, and may come back
		}
	}
	h.mu.Unlock()
	_ = x.Respond(204, nil, nil)
}

// Event streams and posts to them, on loops: an idle stream is some hundred
// bytes, and no goroutine.
func ExampleResponder() {
	h := &news{streams: make(map[engine.Exchange]bool)}
	s := &engine.Server{
		Handler: engine.NopHandler{},
		HTTP:    http.NotFoundHandler(), // for all other requests
		Route: func(r *engine.Request) engine.Route {
			switch {
			case r.Path() != "/news":
				return engine.Route{}
			case r.Method() == "GET":
				return engine.Route{Responder: listeners{h}, EndsWithInput: true}
			}
			return engine.Route{Responder: speakers{h}, BodyBytesMax: 1000}
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(ln)
	defer s.Close()

	url := "http://" + ln.Addr().String() + "/news"
	stream, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer stream.Body.Close()
	posted, err := http.Post(url, "text/plain", strings.NewReader("hello"))
	if err != nil {
		log.Fatal(err)
	}
	posted.Body.Close()
	event := make([]byte, len("data: hello\n\n"))
	_, _ = io.ReadFull(stream.Body, event)
	fmt.Printf("%d, %q\n", posted.StatusCode, event)
	http.DefaultClient.CloseIdleConnections()
	// Output: 204, "data: hello\n\n"
}
