package socketio_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/socketio"
)

// missing skips a test for want of something on this machine.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal(what + ", and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip(what)
}

// installClients installs the clients, as the lock file says, outside the tree, and returns
// where.
func installClients(t *testing.T) (node, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("other programs take seconds to start")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		missing(t, "npm is not installed")
	}
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "clients"))); err != nil {
		t.Fatal(err)
	}
	install := exec.Command(npm, "ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		missing(t, fmt.Sprintf("npm cannot install the clients (%v: %s)", err, said))
	}
	return node, dir
}

// TestClients plays the scenarios of testdata/clients with unmodified clients.
func TestClients(t *testing.T) {
	node, dir := installClients(t)
	for _, driver := range []string{"nethttp", "engine"} {
		for _, version := range []string{"4", "3", "2"} {
			t.Run(driver+"/client "+version, func(t *testing.T) {
				url := listen(t, driver, newTestServer(t, nil))
				recovering := listen(t, driver, newTestServer(t, &socketio.Recovery{}))
				for _, scenario := range []string{
					"numbered, default transports", "numbered, polling", "numbered, websocket", "acks", "binary", "large", "rooms", "refused", "disconnects", "recovery",
				} {
					t.Run(scenario, func(t *testing.T) {
						url := url
						if scenario == "recovery" {
							if url = recovering; version != "4" {
								t.Skip("clients recover since version 4.6")
							}
						}
						ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
						defer cancel()
						client := exec.CommandContext(ctx, node, "client.mjs", url, version, scenario)
						client.Dir = dir
						if said, err := client.CombinedOutput(); err != nil {
							t.Errorf("%v: %s", err, said)
						}
					})
				}
			})
		}
	}
}

// listen serves s and returns its URL.
func listen(t *testing.T, driver string, s *socketio.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var stop func(context.Context) error
	done := make(chan error, 1)
	if driver == "engine" {
		server := &engine.Server{Handler: engine.NopHandler{}, HTTP: http.NotFoundHandler(), Route: s.Route, Admit: s.Admit}
		go func() { done <- server.Serve(ln) }()
		stop = server.Shutdown
	} else {
		mux := http.NewServeMux()
		mux.Handle("/socket.io/", s)
		server := &http.Server{Handler: mux}
		go func() { done <- server.Serve(ln) }()
		stop = server.Shutdown
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := stop(ctx); err != nil {
			t.Errorf("the driver: %v", err)
		}
		<-done
	})
	return "http://" + ln.Addr().String()
}

// newTestServer is the other side of the scenarios.
func newTestServer(t *testing.T, recovery *socketio.Recovery) *socketio.Server {
	t.Helper()
	s, err := socketio.New(&socketio.Options{
		Engine:   engineio.Options{MaxPayload: 10_000_000, QueueBytesMax: 32 << 20, AllowEIO3: true, PingInterval: 2 * time.Second},
		Recovery: recovery,

		// So that clients are stopped and go on, on every transport.
		PendingBytesMax: 8 << 10,
	})
	if err != nil {
		t.Fatal(err)
	}
	main := s.Namespace("/")
	serveCommon(t, main)
	serveNumbered(t, main)
	serveEnds(main)
	serveCommon(t, s.Namespace("/rooms"))
	serveCommon(t, s.Namespace("/recovered"))
	guarded := s.Namespace("/guarded")
	serveCommon(t, guarded)
	guarded.OnConnect(func(_ *socketio.Socket, auth socketio.Auth) error {
		var said struct{ Token string }
		if err := auth.Bind(&said); err != nil || said.Token != "good" {
			return &socketio.Refusal{Message: "not authorized", Data: map[string]int{"code": 7}}
		}
		return nil
	})
	s.Dynamic(func(name string) bool { return strings.HasPrefix(name, "/team-") }, func(n *socketio.Namespace) {
		n.On("which", func(e *socketio.Event) { reply(t, e, n.Name()) })
	})
	return s
}

func reply(t *testing.T, e *socketio.Event, args ...any) {
	if err := e.Ack(args...); err != nil {
		t.Errorf("%s: %v", e.Name(), err)
	}
}

func bind(t *testing.T, e *socketio.Event, dst ...any) {
	if err := e.Bind(dst...); err != nil {
		t.Errorf("%s: %v", e.Name(), err)
	}
}

func serveCommon(t *testing.T, n *socketio.Namespace) {
	n.On("echo", func(e *socketio.Event) { reply(t, e, e.Arguments) })
	n.On("id", func(e *socketio.Event) { reply(t, e, e.Socket().ID()) })
	n.On("length", func(e *socketio.Event) {
		var text string
		bind(t, e, &text)
		reply(t, e, len(text))
	})
	n.On("sum", func(e *socketio.Event) {
		var arg struct{ Bytes []byte }
		bind(t, e, &arg)
		sum := 0
		for _, b := range arg.Bytes {
			sum += int(b)
		}
		reply(t, e, sum)
	})
	n.On("make", func(e *socketio.Event) {
		var size int
		bind(t, e, &size)
		e.Socket().Emit("made", map[string]any{"bytes": socketio.Binary(slices.Repeat([]byte{7}, size))})
	})
	n.On("ask me", func(e *socketio.Event) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		answer, err := e.Socket().EmitWithAck(ctx, "question", 2, 3)
		if err != nil {
			t.Error(err)
			return
		}
		var sum int
		var text string
		if err := answer.Bind(&sum, &text); err != nil {
			t.Error(err)
		}
		reply(t, e, fmt.Sprint(sum, " ", text))
	})
	n.On("join", func(e *socketio.Event) {
		var room string
		bind(t, e, &room)
		if err := e.Socket().Join(room); err != nil {
			t.Error(err)
		}
		reply(t, e)
	})
	n.On("leave", func(e *socketio.Event) {
		var room string
		bind(t, e, &room)
		e.Socket().Leave(room)
		reply(t, e)
	})
	n.On("say", func(e *socketio.Event) {
		var room, text string
		bind(t, e, &room, &text)
		n.To(room).Emit("said", text)
		reply(t, e)
	})
	n.On("say to others", func(e *socketio.Event) {
		var room, text string
		bind(t, e, &room, &text)
		e.Socket().To(room).Emit("said", text)
		reply(t, e)
	})
	n.On("count", func(e *socketio.Event) {
		var room string
		var to int
		bind(t, e, &room, &to)
		for i := range to {
			n.To(room).Emit("n", i)
		}
		reply(t, e)
	})
}

// serveNumbered sends numbers, and counts the numbers that it gets.
func serveNumbered(t *testing.T, n *socketio.Namespace) {
	n.OnConnect(func(s *socketio.Socket, _ socketio.Auth) error {
		next := 0
		s.On("up", func(e *socketio.Event) {
			var i int
			var text string
			bind(t, e, &i, &text)
			if i != next || text != fmt.Sprint("é", i) {
				t.Errorf("got %d %q, want %d", i, text, next)
			}
			next++
		})
		s.On("how many", func(e *socketio.Event) { reply(t, e, next) })
		s.On("begin", func(e *socketio.Event) {
			var total int
			bind(t, e, &total)
			go func() {
				for i := range total {
					if err := s.Emit("down", i, fmt.Sprint("é", i)); err != nil {
						t.Errorf("event %d: %v", i, err)
						return
					}
				}
			}()
		})
		return nil
	})
}

// serveEnds ends sockets, and remembers why others have.
func serveEnds(n *socketio.Namespace) {
	var mu sync.Mutex // guards reasons
	var reasons []string
	n.OnDisconnect(func(_ *socketio.Socket, r socketio.Reason) {
		mu.Lock()
		defer mu.Unlock()
		reasons = append(reasons, string(r))
	})
	n.On("reasons", func(e *socketio.Event) {
		mu.Lock()
		defer mu.Unlock()
		_ = e.Ack(reasons) // the client checks it
	})
	n.On("disconnect me", func(e *socketio.Event) { e.Socket().Disconnect() })
	n.On("close me", func(e *socketio.Event) { e.Socket().Close() })
}
