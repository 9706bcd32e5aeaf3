package engine_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// drivers runs a test with the descriptors of the system, where there are some,
// and with goroutines: the behaviour is the same.
func drivers(t *testing.T, test func(t *testing.T, s *engine.Server)) {
	t.Run("system", func(t *testing.T) { test(t, &engine.Server{}) })
	t.Run("streams", func(t *testing.T) {
		s := &engine.Server{}
		s.UseStreams()
		test(t, s)
	})
}

// start serves s on loopback until the test ends, and returns its address.
func start(t testing.TB, s *engine.Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s, ln)
	return ln.Addr().String()
}

func serve(t testing.TB, s *engine.Server, ln net.Listener) {
	t.Helper()
	if s.Loops == 0 {
		s.Loops = 2
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		if err := <-ended; err != engine.ErrServerClosed {
			t.Errorf("Serve returned %v", err)
		}
	})
}

// within is a context for what must happen.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, address string) *ws.Conn {
	t.Helper()
	c, _, err := ws.Dial(within(t), "ws://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

// raw is a client that sends what a test says, byte for byte.
type raw struct {
	net.Conn
	r *bufio.Reader
}

func connect(t *testing.T, address string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return rawConn(t, c)
}

func rawConn(t *testing.T, c net.Conn) *raw {
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &raw{c, bufio.NewReader(c)}
}

// upgrade opens a WebSocket; the bytes in behind go in the same write.
func upgrade(t *testing.T, address string, behind ...byte) *raw {
	t.Helper()
	c := connect(t, address)
	c.send(t, append([]byte(opening), behind...))
	c.switched(t)
	return c
}

const opening = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

func (c *raw) send(t *testing.T, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

// switched reads the 101.
func (c *raw) switched(t *testing.T) {
	t.Helper()
	r := c.response(t)
	if r.StatusCode != http.StatusSwitchingProtocols || r.Header.Get("Sec-WebSocket-Accept") != handshake.AcceptKey("dGhlIHNhbXBsZSBub25jZQ==") {
		t.Fatalf("got %v", r)
	}
}

func (c *raw) response(t *testing.T) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// frame reads a frame.
func (c *raw) frame(t *testing.T) (wire.Header, []byte) {
	t.Helper()
	var head []byte
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			t.Fatalf("a frame was expected: %v", err)
		}
		head = append(head, b)
		h, n, err := wire.ParseHeader(head)
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			p := make([]byte, h.Length)
			if _, err := io.ReadFull(c.r, p); err != nil {
				t.Fatal(err)
			}
			return h, p
		}
	}
}

// expect reads a frame and compares it.
func (c *raw) expect(t *testing.T, op wire.Opcode, payload string) {
	t.Helper()
	if h, p := c.frame(t); h.Opcode != op || string(p) != payload || !h.Fin {
		t.Fatalf("got %v %.200q, want %v %.200q", h.Opcode, p, op, payload)
	}
}

// closes reads a close frame with the code, and the end of the connection.
func (c *raw) closes(t *testing.T, code wire.CloseCode) {
	t.Helper()
	h, p := c.frame(t)
	got, reason, err := wire.ParseClose(p)
	if h.Opcode != wire.Close || err != nil || got != code {
		t.Fatalf("got %v %q, want a close frame with %d", h.Opcode, p, code)
	}
	_ = reason
	c.ends(t)
}

// ends reads the end of the connection, an orderly one.
func (c *raw) ends(t *testing.T) {
	t.Helper()
	if b, err := io.ReadAll(c.r); err != nil || len(b) > 0 {
		t.Fatalf("got %q and %v where the end was expected", b, err)
	}
}

func masked(fin bool, op wire.Opcode, payload string) []byte {
	return wire.AppendMaskedFrame(nil, fin, op, [4]byte{1, 2, 3, 4}, []byte(payload))
}

func text(payload string) []byte { return masked(true, wire.Text, payload) }

func closing(code wire.CloseCode) []byte {
	return masked(true, wire.Close, string(wire.AppendClose(nil, code, "")))
}

// echo sends back what it gets.
type echo struct{ engine.NopHandler }

func (echo) OnMessage(c *engine.Conn, typ engine.MessageType, p []byte) { _ = c.Write(typ, p) }

// notes is a handler that tells a test what happens.
type notes struct {
	open    chan *engine.Conn
	message chan string
	drain   chan *engine.Conn
	end     chan *engine.CloseError
}

func newNotes() *notes {
	return &notes{
		open: make(chan *engine.Conn, 100), message: make(chan string, 1000),
		drain: make(chan *engine.Conn, 1), end: make(chan *engine.CloseError, 100),
	}
}

func (n *notes) OnOpen(c *engine.Conn)                                    { n.open <- c }
func (n *notes) OnMessage(_ *engine.Conn, _ engine.MessageType, p []byte) { n.message <- string(p) }
func (n *notes) OnDrain(c *engine.Conn) {
	select {
	case n.drain <- c:
	default: // the last one has not been looked at
	}
}
func (n *notes) OnClose(_ *engine.Conn, err *engine.CloseError) { n.end <- err }

// next waits for something that must come.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("it does not come")
		panic("unreachable")
	}
}

// journal is a log that a test can wait for.
type journal struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{}, 1000)} }

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	j.lines = append(j.lines, string(p))
	j.mu.Unlock()
	j.more <- struct{}{}
	return len(p), nil
}

// wait waits for a line with all of words.
func (j *journal) wait(t *testing.T, words ...string) string {
	t.Helper()
	for {
		next(t, j.more)
		j.mu.Lock()
		last := j.lines[len(j.lines)-1]
		j.mu.Unlock()
		found := true
		for _, w := range words {
			found = found && strings.Contains(last, w)
		}
		if found {
			return last
		}
	}
}
