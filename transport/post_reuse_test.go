package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
)

// tellingBroker hands out the function that takes each publication's outcome.
type tellingBroker struct {
	hub.Broker
	tell chan func(hub.Published)
}

func (b *tellingBroker) Publish(_ hub.Message, _ hub.Retention, to hub.Completer, ticket uint64) {
	b.tell <- func(p hub.Published) { to.Published(ticket, p) }
}

// watchedEnd says when a Responder has been told of an end.
type watchedEnd struct {
	engine.Responder
	ended chan<- error
}

func (w watchedEnd) OnEnd(x engine.Exchange, err error) {
	w.Responder.OnEnd(x, err)
	w.ended <- err
}

// A publication whose client did not wait for its outcome keeps what was made for it: the
// outcome is not that of a later request, which is answered with its own.
func TestOutcomeOfAClientThatHasGone(t *testing.T) {
	b := &tellingBroker{Broker: newBroker(), tell: make(chan func(hub.Published), 1)}
	channels := newTransport(newHub(t, b, nil), &Options{Logger: quiet()})
	ended := make(chan error, 1)
	loops := &engine.Server{Handler: engine.NopHandler{}, Loops: 1, Log: quiet(), Route: func(r *engine.Request) engine.Route {
		route := channels.Route(r)
		route.Responder = watchedEnd{route.Responder, ended}
		return route
	}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- loops.Serve(ln) }()
	defer func() {
		_ = loops.Close()
		<-served
	}()
	ask := func() (nc net.Conn, tell func(hub.Published)) {
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "POST /channels/chat HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\n\r\nx"); err != nil {
			t.Fatal(err)
		}
		return nc, <-b.tell
	}
	at := func(i int) hub.Published {
		return hub.Published{Position: hub.Position{Epoch: "e", Offset: uint64(i)}}
	}
	for i := range 20 {
		gone, late := ask()
		_ = gone.(*net.TCPConn).SetLinger(0) // a reset: nobody waits for the answer
		gone.Close()
		if err := <-ended; !errors.Is(err, engine.ErrClientGone) {
			t.Fatalf("the exchange of a client that has gone ended with %v", err)
		}
		nc, own := ask()
		late(at(1000 + i))
		own(at(i))
		buffer := make([]byte, 4096)
		n, err := nc.Read(buffer)
		if want := fmt.Sprintf("{\"position\":\"e:%d\"}\n", i); err != nil || !strings.HasSuffix(string(buffer[:n]), want) {
			t.Fatalf("request %d has %q, %v; want %q", i, buffer[:n], err, want)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		nc.Close()
	}
}
