//go:build !js

package ws_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/godwit-io/godwit/ws"
)

// room sends what a member says to all members. Each message is framed, and
// compressed if a member wants that, once for all of them.
type room struct {
	mu      sync.Mutex // guards members
	members map[*member]bool
}

// member has a queue of its own and a goroutine that empties it, so that a slow
// reader delays nobody else.
type member struct {
	conn  *ws.Conn
	queue chan *ws.Prepared
}

func (rm *room) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := ws.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close(ws.StatusNormal, "")
	m := &member{conn: conn, queue: make(chan *ws.Prepared, 64)}
	rm.join(m)
	defer rm.leave(m)

	go func() {
		for message := range m.queue {
			if conn.WritePrepared(r.Context(), message) != nil {
				return // the reader below finds out why
			}
		}
	}()
	for message, err := range conn.Messages(r.Context()) {
		if err != nil {
			return
		}
		prepared, err := ws.Prepare(message.Type, message.Data)
		if err != nil {
			return
		}
		rm.say(prepared)
	}
}

func (rm *room) join(m *member) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	rm.members[m] = true
}

func (rm *room) leave(m *member) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	delete(rm.members, m)
	close(m.queue) // nobody sends to it any more
}

func (rm *room) say(message *ws.Prepared) {
	rm.mu.Lock()
	defer rm.mu.Unlock()
	for m := range rm.members {
		select {
		case m.queue <- message:
		default:
			// It is 64 messages behind. Close waits for the other side's goodbye,
			// so it gets a goroutine.
			delete(rm.members, m)
			go m.conn.Close(ws.StatusTryAgainLater, "too slow")
		}
	}
}

// A chat room: what one says all hear.
func Example_chat() {
	server := httptest.NewServer(&room{members: map[*member]bool{}})
	defer server.Close()

	ctx := context.Background()
	var people []*ws.Conn
	for _, name := range []string{"ada", "bob"} {
		conn, _, err := ws.Dial(ctx, server.URL, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		people = append(people, conn)

		conn.Write(ctx, ws.MessageText, []byte(name+" is here"))
		for _, p := range people {
			_, message, err := p.Read(ctx)
			fmt.Println(string(message), err)
		}
	}
	// Output:
	// ada is here <nil>
	// bob is here <nil>
	// bob is here <nil>
}
