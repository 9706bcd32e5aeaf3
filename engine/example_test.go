package engine_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
)

// shout answers louder.
type shout struct{ engine.NopHandler }

func (shout) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) {
	_ = c.Write(typ, append(p, '!')) // an error means that the connection is ending, which OnClose tells
}

func Example() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &engine.Server{Handler: shout{}}
	go s.Serve(ln)

	ctx := context.Background()
	c, _, err := ws.Dial(ctx, "ws://"+ln.Addr().String()+"/", nil)
	if err != nil {
		log.Fatal(err)
	}
	_ = c.Write(ctx, ws.MessageText, []byte("hello"))
	_, p, _ := c.Read(ctx)
	fmt.Println(string(p))
	_ = c.Close(ws.StatusNormal, "")
	_ = s.Shutdown(ctx)
	// Output: hello!
}

// room sends what anyone says to everyone.
type room struct {
	engine.NopHandler
	mu      sync.Mutex
	members map[*engine.Conn]bool
}

func (r *room) OnOpen(c *engine.Conn) {
	r.mu.Lock()
	r.members[c] = true
	r.mu.Unlock()
}

func (r *room) OnMessage(_ *engine.Conn, typ engine.MessageType, p []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.members {
		// It never waits. A member that does not keep up has a full queue, and leaves.
		if c.Write(typ, p) == engine.ErrQueueFull {
			_ = c.Close(engine.StatusPolicyViolation, "too slow")
		}
	}
}

func (r *room) OnClose(c *engine.Conn, _ *engine.CloseError) {
	r.mu.Lock()
	delete(r.members, c)
	r.mu.Unlock()
}

// A site and its WebSockets on one port, with a look at each client before it is
// let in.
func ExampleServer() {
	s := &engine.Server{
		Handler: &room{members: make(map[*engine.Conn]bool)},
		HTTP:    http.FileServer(http.Dir("site")),
		Options: engine.Options{IdleTimeout: time.Hour},
		Admit: func(r *engine.Request) engine.Admission {
			if r.Path() != "/room" {
				return engine.Admission{Status: http.StatusNotFound}
			}
			return engine.Admission{Value: r.Query().Get("name")}
		},
	}
	log.Print(s.ListenAndServe("127.0.0.1:8000"))
}

// ask answers with what takes time to find out.
type ask struct {
	engine.NopHandler
	find func(ctx context.Context, question string) (string, error)
}

func (a ask) OnMessage(c *engine.Conn, _ engine.MessageType, p []byte) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := a.find(ctx, string(p))
	if err != nil {
		answer = "ask again later"
	}
	_ = c.Write(engine.MessageText, []byte(answer)) // an error means that the connection is ending, which OnClose tells
}

// A handler that waits for something else runs on goroutines of the server, and
// connections that need not wait stay on the loop.
func ExampleBlocking() {
	database := ask{find: func(_ context.Context, question string) (string, error) { return question + "? 42", nil }}
	s := &engine.Server{
		Handler: shout{},
		Workers: 64, // calls at the same time; the database has as many connections
		Admit: func(r *engine.Request) engine.Admission {
			if r.Path() == "/ask" {
				return engine.Admission{Handler: engine.Blocking(database)}
			}
			return engine.Admission{}
		},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go s.Serve(ln)

	ctx := context.Background()
	for _, path := range []string{"/", "/ask"} {
		c, _, err := ws.Dial(ctx, "ws://"+ln.Addr().String()+path, nil)
		if err != nil {
			log.Fatal(err)
		}
		_ = c.Write(ctx, ws.MessageText, []byte("life"))
		_, p, _ := c.Read(ctx)
		fmt.Println(string(p))
		_ = c.Close(ws.StatusNormal, "")
	}
	_ = s.Shutdown(ctx)
	// Output:
	// life!
	// life? 42
}
