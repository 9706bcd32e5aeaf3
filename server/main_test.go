package server

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
)

// certmagic leaves a goroutine for each account that it has used, and one for seconds
// behind each lock.
func TestMain(m *testing.M) {
	// Parallel tests here wait for nodes that are not heard any more, and for clients that are
	// held. The command line, which is read later, has the last word.
	_ = flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// logBuffer is a log that tests read while servers write it.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// setenv is T.Setenv for a parallel test, of a variable that no other test has.
func setenv(t *testing.T, name, value string) {
	t.Helper()
	if err := os.Setenv(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Unsetenv(name) })
}

// running is a server on a real socket.
type running struct {
	*Server
	url  string
	log  *logBuffer
	stop func() error // ends it and waits; the test's cleanup calls it too
}

func start(t *testing.T, c Config) *running {
	t.Helper()
	return startAltered(t, c, func(*Server) {})
}

// startAltered starts a server of which alter has replaced something.
func startAltered(t *testing.T, c Config, alter func(s *Server)) *running {
	t.Helper()
	return startPrepared(t, c, func(*Server) {}, alter)
}

// startPrepared starts a server that prepare has had before anything was made, and alter
// before it listens.
func startPrepared(t *testing.T, c Config, prepare, alter func(s *Server)) *running {
	t.Helper()
	r := &running{log: new(logBuffer)}
	c.Listen = []string{"127.0.0.1:0"}
	c.Logger = r.log.logger()
	if c.Demo == nil {
		c.Demo = new(false)
	}
	s, err := newServer(c, func(s *Server) {
		s.healthInterval /= 20 // nobody waits a second to be told how a broker is
		prepare(s)
	})
	if err != nil {
		t.Fatal(err)
	}
	alter(s)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.Server, r.url = s, "http://"+s.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// stopBeside stops the server while a client of it hears what it is told, as one that is there does: its answer to the
// close frame is waited for. It returns how the client's connection ended.
func (r *running) stopBeside(t *testing.T, c *ws.Conn) (end string) {
	t.Helper()
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	for !strings.HasPrefix(end, "closed ") {
		end = hears(t, c)
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	return end
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (r *running) do(t *testing.T, method, path, body string, header ...string) answer {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			q.Host = header[i+1]
		}
	}
	p, err := http.DefaultTransport.RoundTrip(q) // redirects are not followed
	if err != nil {
		t.Fatal(err)
	}
	defer p.Body.Close()
	b, err := io.ReadAll(p.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{p, string(b)}
}

// pipes is a listener in memory: its connections are pipes, so that it works in
// virtual time.
type pipes struct {
	addr  net.Addr
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newPipes() *pipes {
	return &pipes{addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000}, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (w *pipes) Addr() net.Addr { return w.addr }

func (w *pipes) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *pipes) dial() net.Conn {
	client, server := net.Pipe()
	w.conns <- server
	return client
}

// serveInMemory serves in the bubble of a test, with net/http at the front, as a poller
// of the system knows no virtual time. stop ends the server and waits.
func serveInMemory(t *testing.T, c Config) (s *Server, w *pipes, stop func()) {
	t.Helper()
	c.Driver, c.Demo = driverGoroutine, new(false)
	if c.Logger == nil {
		c.Logger = new(logBuffer).logger()
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w = newPipes()
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, w) }()
	return s, w, func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// listen binds the addresses of c.
func listen(ctx context.Context, c Config) ([]net.Listener, error) {
	return (&Server{config: c}).listenEach(ctx, c.Listen)
}

// noQuery asks for the whole history.
var noQuery hub.Query

// eachDriver runs f with each driver that there is on this system.
func eachDriver(t *testing.T, f func(t *testing.T, driver string)) {
	t.Helper()
	for _, driver := range []string{driverEngine, driverGoroutine} {
		if driver == driverEngine && defaultDriver() != driverEngine {
			continue // there are no event loops
		}
		t.Run(driver, func(t *testing.T) { f(t, driver) })
	}
}
