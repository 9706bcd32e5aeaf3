package httpcarrier_test

import (
	"bufio"
	"context"
	"flag"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/engine"
	. "github.com/godwit-io/godwit/internal/httpcarrier"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestMain(m *testing.M) {
	// Parallel tests here wait for the timeouts of loops. The command line, which is read
	// later, has the last word.
	_ = flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}

// site is a served handler, by either driver.
type site struct {
	route func(*Request) Route
	admit func(*Request) Admission

	isVirtual bool

	mu sync.Mutex // guards route and admit
}

// routing has later requests answered as route says.
func (s *site) routing(route func(*Request) Route) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.route = route
}

// admitting has later handshakes decided as admit says.
func (s *site) admitting(admit func(*Request) Admission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admit = admit
}

// now returns what was said last.
func (s *site) now() (route func(*Request) Route, admit func(*Request) Admission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.route, s.admit
}

// memory is a listener whose connections are in memory.
type memory struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), done: make(chan struct{})} }

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	m.once.Do(func() { close(m.done) })
	return nil
}

func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "memory"} }

// serveHTTP serves s with net/http until the test ends.
func serveHTTP(t testing.TB, s *site, ln net.Listener) {
	var ended sync.WaitGroup
	server := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ended.Add(1)
			defer ended.Done()
			q := OfHTTP(r)
			route, admit := s.now()
			if !q.IsUpgrade() {
				ServeHTTP(w, r, route(q))
				return
			}
			_ = AcceptHTTP(w, r, nil, admit(q)) // the client has been answered
		}),
	}
	ctx, cancel := context.WithCancel(context.Background())
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	ended.Go(func() { _ = server.Serve(ln) })
	t.Cleanup(func() {
		cancel()
		_ = server.Close()
		ended.Wait()
		if s.isVirtual {
			<-time.After(time.Second) // net/http waits a little behind a last response
		}
	})
}

// bodyTimeout is that of the loop, which a test can wait for.
const bodyTimeout = 300 * time.Millisecond

// serveLoop serves s on an event loop until the test ends.
func serveLoop(t testing.TB, s *site, ln net.Listener) {
	server := &engine.Server{
		Loops:       1,
		BodyTimeout: bodyTimeout,
		Handler:     engine.NopHandler{},
		Log:         slog.New(slog.DiscardHandler),
		Route: func(r *engine.Request) engine.Route {
			route, _ := s.now()
			return route(OfLoop(r)).OnLoop()
		},
		Admit: func(r *engine.Request) engine.Admission {
			_, admit := s.now()
			return admit(OfLoop(r)).OnLoop()
		},
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ln) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; err != engine.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// world is where a test runs on one of the drivers.
type world struct {
	*site
	t       *testing.T
	driver  string
	virtual bool          // time is
	unit    time.Duration // a second of virtual time, or what a test can wait
	dial    func() *client
}

// onHTTP runs a test with net/http, in virtual time.
func onHTTP(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w, m := &world{site: &site{isVirtual: true}, t: t, driver: "net/http", virtual: true, unit: time.Second}, newMemory()
		serveHTTP(t, w.site, m)
		w.dial = func() *client {
			near, far := wstest.Pipe(nil)
			m.conns <- near
			return newClient(t, far)
		}
		test(t, w)
	})
}

// onLoop runs a test with an event loop, whose time is that of the kernel.
func onLoop(t *testing.T, test func(t *testing.T, w *world)) { onLoopback(t, "loop", serveLoop, test) }

// onLoopback runs a test over the kernel.
func onLoopback(t *testing.T, driver string, serve func(testing.TB, *site, net.Listener), test func(t *testing.T, w *world)) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{site: &site{}, t: t, driver: driver, unit: 30 * time.Millisecond}
	serve(t, w.site, ln)
	w.dial = func() *client {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = c.SetDeadline(time.Now().Add(patience))
		return newClient(t, c)
	}
	test(t, w)
}

// onBoth runs a test on both drivers, beside other tests: the loop's time is real, and mostly waited for.
func onBoth(t *testing.T, test func(t *testing.T, w *world)) {
	t.Parallel()
	t.Run("net/http", func(t *testing.T) { onHTTP(t, test) })
	t.Run("loop", func(t *testing.T) { onLoop(t, test) })
}

// everywhere is onBoth, and with net/http over the kernel.
func everywhere(t *testing.T, test func(t *testing.T, w *world)) {
	onBoth(t, test)
	t.Run("net/http over loopback", func(t *testing.T) { onLoopback(t, "net/http", serveHTTP, test) })
}

// settle waits until everybody waits, as far as that can be known.
func (w *world) settle() {
	if w.virtual {
		synctest.Wait()
	}
}

// took checks how long something has taken since began.
func (w *world) took(began time.Time, want time.Duration) {
	w.t.Helper()
	got := time.Since(began)
	if late := got - want; late < 0 || w.virtual && late > 50*time.Millisecond || late > patience {
		w.t.Errorf("it took %v, want %v", got, want)
	}
}

// patience is how long a test over the kernel waits for what must happen.
const patience = time.Minute

// client sends what a test says, byte for byte.
type client struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

func newClient(t *testing.T, c net.Conn) *client {
	t.Cleanup(func() { _ = c.Close() })
	return &client{c, t, bufio.NewReader(c)}
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) get(path string) {
	c.t.Helper()
	c.send("GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n")
}

// head reads the head of a response.
func (c *client) head(method string) *http.Response {
	c.t.Helper()
	r, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("no response: %v", err)
	}
	return r
}

// body reads a whole response and checks it.
func (c *client) body(status int, want string) *http.Response {
	c.t.Helper()
	r := c.head("POST")
	got, err := io.ReadAll(r.Body)
	if r.StatusCode != status || string(got) != want || err != nil {
		c.t.Errorf("got %d %q, %v; want %d %q", r.StatusCode, got, err, status, want)
	}
	return r
}

// chunk reads one chunk of a response as it was sent.
func (c *client) chunk(want string) {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	size := 0
	for _, b := range line[:len(line)-2] {
		digit := int(b - '0')
		if b >= 'a' {
			digit = int(b-'a') + 10
		}
		size = size*16 + digit
	}
	p := make([]byte, size+2)
	if _, err := io.ReadFull(c.r, p); err != nil {
		c.t.Fatal(err)
	}
	if got := string(p[:size]); got != want {
		c.t.Errorf("got the chunk %.100q of %d bytes, want %.100q of %d", got, size, want, len(want))
	}
}

// ends checks that nothing follows.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 {
		c.t.Errorf("%q follows, %v", b, err)
	}
}

func (c *client) halfClose() {
	c.t.Helper()
	if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		c.t.Fatal(err)
	}
}

// field is one field of a response.
func field(name, value string) []byte {
	f, err := engine.AppendField(nil, name, value)
	if err != nil {
		panic(err)
	}
	return f
}

var plain = field("Content-Type", "text/plain")

func itoa(n int) string { return strconv.Itoa(n) }
