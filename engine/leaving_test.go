package engine_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
)

// okResponder answers every request.
type okResponder struct{ engine.NopResponder }

func (okResponder) OnBody(x engine.Exchange, _ []byte) { _ = x.Respond(200, nil, []byte("loop")) }

// A server that accepts nothing any more goes on with its clients, and says to
// each with its next response that it was the last. A connection that comes waits for the
// other one that has the socket.
func TestStopAccepting(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	defer other.Close()
	s := &engine.Server{
		Handler: echo{},
		HTTP:    http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "http") }),
		Route: func(r *engine.Request) engine.Route {
			if r.Path() != "/loop" {
				return engine.Route{}
			}
			return engine.Route{Responder: okResponder{}}
		},
	}
	serve(t, s, ln)
	type client struct {
		net.Conn
		r    *bufio.Reader
		path string
	}
	ask := func(c client, last bool) {
		t.Helper()
		if _, err := io.WriteString(c, "GET /"+c.path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil || string(body) != c.path || response.Close != last {
			t.Errorf("%q, %v; it is the last: %v, want %v", body, err, response.Close, last)
		}
		if last {
			if n, err := c.r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("the connection goes on with %d, %v", n, err)
			}
		}
	}
	var clients []client
	for _, path := range []string{"loop", "http"} {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		c := client{nc, bufio.NewReader(nc), path}
		clients = append(clients, c)
		ask(c, false)
	}
	conn := dial(t, address)
	s.StopAccepting()
	for _, c := range clients {
		ask(c, true)
	}
	if err := conn.Write(within(t), ws.MessageText, []byte("hello")); err != nil {
		t.Error(err)
	}
	if _, b, err := conn.Read(within(t)); err != nil || string(b) != "hello" {
		t.Errorf("%q, %v", b, err)
	}
	accepted := make(chan net.Conn, 8)
	go func() {
		for {
			nc, err := other.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- nc
		}
	}()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for c := range accepted { // those before it may have waited, too
		c.Close()
		if c.RemoteAddr().String() == nc.LocalAddr().String() {
			break
		}
	}
	other.Close()
	for c := range accepted {
		c.Close()
	}
}
