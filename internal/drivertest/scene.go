package drivertest

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// scene is a row being played: the application's side, and what it has noted.
type scene struct {
	*testing.T
	d    *Driver
	unit time.Duration // of the row's times
	wait time.Duration // for what must happen

	// Set before the first connection.
	options Options
	open    func(c Conn)            // nil: nothing
	message func(c Conn, m Message) // nil: it is noted

	connect func() net.Conn
	opened  chan Conn
	heard   chan string // messages
	ended   chan *End
}

func newScene(t *testing.T, d *Driver) *scene {
	s := &scene{
		T: t, d: d, unit: 100 * time.Millisecond, wait: time.Minute,
		opened: make(chan Conn, 1000), heard: make(chan string, 10_000), ended: make(chan *End, 1000),
	}
	if d.Virtual {
		s.unit, s.wait = time.Second, 24*time.Hour
	}
	return s
}

// Opened, Message and Closed make s an App.
func (s *scene) Opened(c Conn) {
	if s.open != nil {
		s.open(c)
	}
	s.opened <- c
}

func (s *scene) Message(c Conn, m Message) {
	if s.message != nil {
		s.message(c, m)
		return
	}
	s.heard <- m.String()
}

func (s *scene) Closed(_ Conn, end *End) { s.ended <- end }

// echo is a message hook.
func (s *scene) echo(c Conn, m Message) { _ = c.Write(m) }

// settle lets everything happen that can, in virtual time.
func (s *scene) settle() {
	if s.d.Virtual {
		synctest.Wait()
	} else {
		runtime.Gosched()
	}
}

// next waits for something that must come.
func next[T any](s *scene, c <-chan T) T {
	s.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(s.wait):
		s.Fatal("it does not come")
		panic("unreachable")
	}
}

// hears checks what the application gets next.
func (s *scene) hears(want ...string) {
	s.Helper()
	for _, w := range want {
		if got := next(s, s.heard); got != w {
			s.Fatalf("the application got %.200s, want %.200s", got, w)
		}
	}
}

// hearsNoMore checks that the application has got no message that nobody asked
// about. It is called when the connection has ended.
func (s *scene) hearsNoMore() {
	s.Helper()
	if len(s.heard) > 0 {
		s.Errorf("the application got %.200s", <-s.heard)
	}
}

// ends waits for the end that the application sees, and checks its codes: the
// peer's and the one that was sent.
func (s *scene) ends(code, sent wire.CloseCode) *End {
	s.Helper()
	e := next(s, s.ended)
	if e.Code != code || e.Sent != sent || (e.Err == nil) != (code != wire.CloseAbnormal) {
		s.Fatalf("the end is %v; want %d, sent %d", e, code, sent)
	}
	return e
}

// due checks that what has just happened happened when it was due.
func (s *scene) due(began time.Time, after time.Duration) {
	s.Helper()
	const early = time.Millisecond // clocks are read at different moments
	took := time.Since(began)
	if took < after-early || s.d.Virtual && took > after+s.d.Slack {
		s.Errorf("it took %v, want %v", took, after)
	}
}

// spawn calls f in a goroutine and returns what it returns.
func spawn(f func() error) <-chan error {
	result := make(chan error, 1)
	go func() { result <- f() }()
	return result
}

// dial opens a transport; the handshake is still to come.
func (s *scene) dial() net.Conn {
	s.Helper()
	if s.connect == nil {
		if !s.d.Virtual && s.options.PingInterval == 0 {
			// On a busy machine a row may take longer than the default interval,
			// and a ping would come where it expects something else.
			s.options.PingInterval = noLimit
		}
		s.connect = s.d.Start(s.T, &s.options, s)
	}
	nc := s.connect()
	_ = nc.SetDeadline(time.Now().Add(s.wait))
	s.Cleanup(func() { nc.Close() })
	return nc
}

// tcpOf returns the socket under nc, if there is one.
func tcpOf(nc net.Conn) *net.TCPConn {
	if secure, ok := nc.(*tls.Conn); ok {
		nc = secure.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// meet opens a WebSocket.
func (s *scene) meet(fields ...string) (*peer, Conn) {
	s.Helper()
	p := s.upgrade(nil, fields...)
	return p, next(s, s.opened)
}

// meetDeflate opens a WebSocket with permessage-deflate, and the parameters given.
func (s *scene) meetDeflate(parameters string) (*peer, Conn) {
	s.Helper()
	p, c := s.meet("Sec-WebSocket-Extensions: permessage-deflate" + parameters)
	if !strings.HasPrefix(p.extensions, "permessage-deflate") {
		s.Fatalf("the answer to permessage-deflate%s is %q", parameters, p.extensions)
	}
	return p, c
}

const sampleKey = "dGhlIHNhbXBsZSBub25jZQ=="

// opening is a request in order, with additional fields.
func opening(fields ...string) string {
	return "GET / HTTP/1.1\r\nHost: app.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n" + block(fields) + "\r\n"
}

func block(fields []string) string {
	if len(fields) == 0 {
		return ""
	}
	return strings.Join(fields, "\r\n") + "\r\n"
}

// upgrade does the opening handshake from the other side. The bytes in behind go
// out in the same write.
func (s *scene) upgrade(behind []byte, fields ...string) *peer {
	s.Helper()
	nc := s.dial()
	r := bufio.NewReaderSize(nc, 64<<10)
	if s.d.Client {
		return s.answer(nc, r, behind, fields)
	}
	if _, err := nc.Write(append([]byte(opening(fields...)), behind...)); err != nil {
		s.Fatal(err)
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		s.Fatal(err)
	}
	if response.StatusCode != 101 || response.Header.Get("Sec-WebSocket-Accept") != handshake.AcceptKey(sampleKey) {
		s.Fatalf("the opening handshake is answered with %v", response)
	}
	p := s.newPeer(nc, r)
	p.extensions = response.Header.Get("Sec-WebSocket-Extensions")
	p.subprotocol = response.Header.Get("Sec-WebSocket-Protocol")
	return p
}

// answer is the server's side of upgrade; fields are those of its response.
func (s *scene) answer(nc net.Conn, r *bufio.Reader, behind []byte, fields []string) *peer {
	s.Helper()
	request, err := http.ReadRequest(r)
	if err != nil {
		s.Fatal(err)
	}
	response := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		handshake.AcceptKey(request.Header.Get("Sec-WebSocket-Key")) + "\r\n" + block(fields) + "\r\n"
	if _, err := nc.Write(append([]byte(response), behind...)); err != nil {
		s.Fatal(err)
	}
	p := s.newPeer(nc, r)
	for _, f := range fields {
		if value, ok := strings.CutPrefix(f, "Sec-WebSocket-Extensions: "); ok {
			p.extensions = value
		}
	}
	return p
}
