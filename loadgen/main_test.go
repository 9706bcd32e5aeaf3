package loadgen

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(listenVariable); address != "" {
		listenAsServer(address)
	}
	goleak.VerifyTestMain(m)
}

// memory is a server without a network, for virtual time.
type memory struct {
	handle func(i int, conn *ws.Conn) // in a goroutine of its own; i is the dial's
	conns  sync.WaitGroup
	buffer int // bytes that may be under way; 0: the wire's own
}

func (m *memory) dial(_ context.Context, i int) (opened, error) {
	a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: m.buffer})
	server := ws.NewServerConn(b, nil)
	m.conns.Go(func() {
		defer server.CloseNow()
		m.handle(i, server)
	})
	return opened{conn: ws.NewClientConn(a, nil)}, nil
}

// echoing answers with what it gets, after doing what before does.
func echoing(before func()) func(int, *ws.Conn) {
	return func(_ int, conn *ws.Conn) {
		for {
			typ, message, err := conn.Read(context.Background())
			if err != nil {
				return
			}
			before()
			if conn.Write(context.Background(), typ, message) != nil {
				return
			}
		}
	}
}

// broadcaster sends what one connection says to all others.
type broadcaster struct {
	mu    sync.Mutex
	conns map[*ws.Conn]bool

	// change, if not nil, is what a connection gets instead of a message: none,
	// one or several.
	change func(to int, message []byte) [][]byte
	number map[*ws.Conn]int

	before func() // called for each message, without the lock; may be nil
}

func (b *broadcaster) handle(i int, conn *ws.Conn) {
	b.mu.Lock()
	if b.conns == nil {
		b.conns, b.number = map[*ws.Conn]bool{}, map[*ws.Conn]int{}
	}
	b.conns[conn], b.number[conn] = true, i
	b.mu.Unlock()
	for {
		typ, message, err := conn.Read(context.Background())
		if err == nil && b.before != nil {
			b.before()
		}
		b.mu.Lock()
		if err != nil {
			delete(b.conns, conn)
			b.mu.Unlock()
			return
		}
		for to := range b.conns {
			if to == conn {
				continue
			}
			messages := [][]byte{message}
			if b.change != nil {
				messages = b.change(b.number[to], message)
			}
			for _, m := range messages {
				_ = to.Enqueue(typ, m)
			}
		}
		b.mu.Unlock()
	}
}

// server serves handle on a real socket, and returns its URL.
func server(t *testing.T, handle func(i int, conn *ws.Conn)) string {
	t.Helper()
	return serverOf(t, nil, httptest.NewServer, handle)
}

func serverOf(t *testing.T, o *ws.AcceptOptions, start func(http.Handler) *httptest.Server, handle func(i int, conn *ws.Conn)) string {
	t.Helper()
	var conns sync.WaitGroup
	var tracker ws.Tracker
	accept := ws.AcceptOptions{}
	if o != nil {
		accept = *o
	}
	accept.Tracker = &tracker
	accept.Options.CloseTimeout = time.Second
	s := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/refuse") {
			http.Error(w, "full", http.StatusServiceUnavailable)
			return
		}
		conn, err := ws.Accept(w, r, &accept)
		if err != nil {
			return
		}
		conns.Go(func() {
			defer conn.CloseNow()
			handle(0, conn)
		})
	}))
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = tracker.Shutdown(ctx)
		conns.Wait()
		http.DefaultClient.CloseIdleConnections()
	})
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// short is a measurement that takes no longer than it must in real time. The last
// answers may take long on a machine that is busy.
func short() Options {
	o := Options{Connections: 4, Duration: 300 * time.Millisecond, Warmup: 50 * time.Millisecond, Drain: 30 * time.Second, Size: 64}
	if testing.Short() {
		o.Duration, o.Warmup = tickMin, 10*time.Millisecond
	}
	return o
}

func errorsOf(r *Report) map[string]int64 {
	counts := map[string]int64{}
	for _, e := range r.Errors {
		counts[e.Kind] = e.Count
	}
	return counts
}

func compressing() *ws.AcceptOptions {
	return &ws.AcceptOptions{Options: ws.Options{Compression: &deflate.Options{}}, Subprotocols: []string{"chat.v2"}}
}
