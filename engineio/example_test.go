package engineio_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
)

// echo sends every message back.
type echo struct{ engineio.NopHandler }

func (echo) OnMessage(s *engineio.Socket, typ engineio.MessageType, data []byte) {
	_ = s.Write(typ, data) // an error means that the session has ended
}

func Example() {
	server, err := engineio.New(echo{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/engine.io/", server)
	site := httptest.NewServer(mux)
	defer site.Close()
	defer server.Close()

	fmt.Println(say(site.Listener.Addr(), "hello"))
	// Output: hello
}

// The same server on event loops.
func Example_eventLoops() {
	server, err := engineio.New(echo{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	loops := &engine.Server{Handler: engine.NopHandler{}, Route: server.Route, Admit: server.Admit}
	done := make(chan error)
	go func() { done <- loops.Serve(ln) }()

	fmt.Println(say(ln.Addr(), "hello"))
	_ = server.Shutdown(context.Background())
	_ = loops.Close()
	fmt.Println(<-done)
	// Output:
	// hello
	// engine: the server is closed
}

// say is what the official client does, for one message: it opens a session on a WebSocket,
// sends the message and returns the answer.
func say(address net.Addr, message string) string {
	ctx := context.Background()
	conn, _, err := ws.Dial(ctx, fmt.Sprintf("ws://%s/engine.io/?EIO=4&transport=websocket", address), nil)
	if err != nil {
		return err.Error()
	}
	defer conn.Close(ws.StatusNormal, "")
	_, _, _ = conn.Read(ctx) // the open packet; an error comes again
	_ = conn.Write(ctx, ws.MessageText, []byte("4"+message))
	_, answer, err := conn.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return strings.TrimPrefix(string(answer), "4")
}

// The head of the handshake names the client.
func ExampleOptions_allow() {
	allow := func(r *engineio.Request, decide func(engineio.Verdict)) {
		user, ok := map[string]string{"Bearer 123": "ann"}[r.Get("Authorization")]
		if !ok {
			decide(engineio.Verdict{Status: 403, Message: "who are you?"})
			return
		}
		decide(engineio.Verdict{Value: user})
	}
	server, err := engineio.New(greeter{}, &engineio.Options{Allow: allow})
	if err != nil {
		log.Fatal(err)
	}
	site := httptest.NewServer(server)
	defer site.Close()
	defer server.Close()

	for _, token := range []string{"Bearer 123", "Bearer 456"} {
		r, _ := http.NewRequest("GET", site.URL+"/engine.io/?EIO=4&transport=polling", nil)
		r.Header.Set("Authorization", token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			log.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		_ = response.Body.Close()
		packets := strings.Split(string(body), "\x1e")
		fmt.Println(response.StatusCode, packets[len(packets)-1])
	}
	// Output:
	// 200 4hello ann
	// 403 {"code":4,"message":"who are you?"}
}

type greeter struct{ engineio.NopHandler }

func (greeter) OnOpen(s *engineio.Socket) {
	_ = s.Write(engineio.MessageText, fmt.Appendf(nil, "hello %s", s.Value()))
}

// A room is its sockets. What goes to all of them is encoded once.
func ExampleSocket_WritePackets() {
	r := &room{members: map[*engineio.Socket]bool{}}
	server, err := engineio.New(r, nil)
	if err != nil {
		log.Fatal(err)
	}
	site := httptest.NewServer(server)
	defer site.Close()
	defer server.Close()

	ctx := context.Background()
	var conns []*ws.Conn
	for range 2 {
		conn, _, err := ws.Dial(ctx, "ws"+strings.TrimPrefix(site.URL, "http")+"/engine.io/?EIO=4&transport=websocket", nil)
		if err != nil {
			log.Fatal(err)
		}
		defer conn.CloseNow()
		_, _, _ = conn.Read(ctx) // the open packet
		conns = append(conns, conn)
	}
	_ = conns[0].Write(ctx, ws.MessageText, []byte("4good morning"))
	for _, conn := range conns {
		_, p, err := conn.Read(ctx)
		fmt.Printf("%s %v\n", p, err)
	}
	// Output:
	// 4good morning <nil>
	// 4good morning <nil>
}

type room struct {
	engineio.NopHandler

	mu      sync.Mutex
	members map[*engineio.Socket]bool
}

func (r *room) OnOpen(s *engineio.Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[s] = true
}

func (r *room) OnMessage(_ *engineio.Socket, typ engineio.MessageType, data []byte) {
	packet := engineio.AppendMessage(nil, typ, data)
	r.mu.Lock()
	defer r.mu.Unlock()
	for s := range r.members {
		_ = s.WritePackets(packet) // OnClose comes for a socket that has ended
	}
}

func (r *room) OnClose(s *engineio.Socket, _ engineio.Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, s)
}

// What takes time is done elsewhere, and comes back by Wake.
func ExampleSocket_Wake() {
	server, err := engineio.New(slow{}, nil)
	if err != nil {
		log.Fatal(err)
	}
	site := httptest.NewServer(server)
	defer site.Close()
	defer server.Close()

	fmt.Println(say(site.Listener.Addr(), "6*7"))
	// Output: 42
}

type slow struct{ engineio.NopHandler }

func (slow) OnOpen(s *engineio.Socket) { s.SetValue(make(chan string, 10)) }

func (slow) OnMessage(s *engineio.Socket, _ engineio.MessageType, data []byte) {
	question, answers := string(data), s.Value().(chan string)
	go func() {
		answers <- map[string]string{"6*7": "42"}[question] // a database, perhaps
		s.Wake()
	}()
}

func (slow) OnWake(s *engineio.Socket) {
	for {
		select {
		case answer := <-s.Value().(chan string):
			_ = s.Write(engineio.MessageText, []byte(answer))
		default:
			return
		}
	}
}
