package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

var background = context.Background()

// role is Godwit's; the peer has the other.
type role string

const (
	asServer role = "godwit serves"
	asClient role = "godwit connects"
)

// setting is what both sides of a pair are made with.
type setting struct {
	peer     options
	ws       ws.Options
	protocol []string
	header   http.Header // that Godwit sends in the handshake
	tapped   bool
}

// near is Godwit's side of a connection. It is read all the time, as an
// application should.
type near struct {
	*ws.Conn
	messages *inbox[ws.Message]
	request  *http.Request  // as a server
	response *http.Response // as a client
	tap      *tap
}

func newNear(t *testing.T, conn *ws.Conn) *near {
	n := &near{Conn: conn, messages: newInbox[ws.Message]()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer n.messages.end()
		for {
			typ, data, err := conn.Read(background)
			if err != nil {
				return
			}
			n.messages.put(ws.Message{Type: typ, Data: data})
		}
	}()
	t.Cleanup(func() {
		conn.CloseNow()
		<-done
	})
	return n
}

// connect makes a pair. The connection ends with the test at the latest.
func connect(t *testing.T, p *peer, r role, s setting) (*near, *far) {
	t.Helper()
	n, f, err := tryConnect(t, p, r, s)
	if err != nil {
		t.Fatal(err)
	}
	return n, f
}

func tryConnect(t *testing.T, p *peer, r role, s setting) (*near, *far, error) {
	t.Helper()
	f := &far{peer: p, conn: p.name()}
	f.events = p.inbox(f.conn)
	var tapped *tap
	if s.tapped {
		tapped = new(tap)
	}
	var n *near
	if r == asClient {
		url := fmt.Sprintf("ws://127.0.0.1:%d/%s", p.server(t, s.peer), f.conn)
		o := &ws.DialOptions{Options: s.ws, Subprotocols: s.protocol, Header: s.header}
		if tapped != nil {
			o.NetDial = func(ctx context.Context, network, address string) (net.Conn, error) {
				nc, err := new(net.Dialer).DialContext(ctx, network, address)
				return tapped.on(nc), err
			}
		}
		conn, response, err := ws.Dial(background, url, o)
		if err != nil {
			return nil, f, err
		}
		n = newNear(t, conn)
		n.response = response
	} else {
		url, accepted := serveOne(t, s, tapped)
		f.do(command{Do: "open", URL: url + "/" + f.conn, options: s.peer})
		select {
		case n = <-accepted:
		case <-time.After(patience):
			return nil, f, fmt.Errorf("the peer did not connect")
		}
		if n == nil {
			return nil, f, fmt.Errorf("the handshake was refused")
		}
	}
	n.tap = tapped
	ev, ok := f.events.next()
	if !ok || ev.Event != "open" {
		return n, f, fmt.Errorf("the peer tells %+v, want open", ev)
	}
	f.opened = ev
	return n, f, nil
}

// serveOne is a server that hands its connections to the test. One that could
// not be accepted is nil.
func serveOne(t *testing.T, s setting, tapped *tap) (url string, accepted chan *near) {
	t.Helper()
	accepted = make(chan *near, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: s.ws, Subprotocols: s.protocol, Header: s.header})
		if err != nil {
			accepted <- nil
			return
		}
		n := newNear(t, conn)
		n.request = r
		accepted <- n
	}))
	if tapped != nil {
		server.Listener = tappedListener{server.Listener, tapped}
	}
	server.Start()
	t.Cleanup(server.Close)
	return "ws" + server.URL[len("http"):], accepted
}

func messageType(binary bool) ws.MessageType {
	if binary {
		return ws.MessageBinary
	}
	return ws.MessageText
}

func (n *near) send(t *testing.T, binary bool, data string) {
	t.Helper()
	if err := n.Write(background, messageType(binary), []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func (n *near) wantsMessage(t *testing.T, binary bool, data string) {
	t.Helper()
	m, ok := n.messages.next()
	if !ok {
		t.Fatalf("no message arrived (%v), want %s", n.Err(), brief(data))
	}
	if m.Type != messageType(binary) || string(m.Data) != data {
		t.Fatalf("received %s %s, want binary %t %s", m.Type, brief(string(m.Data)), binary, brief(data))
	}
}

// wantsEnd waits for the end. sent is the code of this side's close frame.
func (n *near) wantsEnd(t *testing.T, code ws.StatusCode, reason string, sent ws.StatusCode) *ws.CloseError {
	t.Helper()
	select {
	case <-n.Done():
	case <-time.After(patience):
		t.Fatalf("the connection does not end, want %s", code)
	}
	e := n.Err().(*ws.CloseError)
	if e.Code != code || e.Reason != reason || e.Sent != sent {
		t.Fatalf("ended with %s %q, having sent %d (%v); want %s %q, %d", e.Code, e.Reason, e.Sent, e.Err, code, reason, sent)
	}
	return e
}

// tap listens in on a connection, to see how messages look on the wire.
type tap struct {
	mu      sync.Mutex
	in, out bytes.Buffer
}

func (t *tap) on(nc net.Conn) net.Conn {
	if nc == nil {
		return nil
	}
	return &tappedConn{nc, t}
}

type tappedConn struct {
	net.Conn
	tap *tap
}

func (c *tappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.in.Write(p[:n])
	return n, err
}

func (c *tappedConn) Write(p []byte) (int, error) {
	c.tap.mu.Lock()
	c.tap.out.Write(p)
	c.tap.mu.Unlock()
	return c.Conn.Write(p)
}

type tappedListener struct {
	net.Listener
	tap *tap
}

func (l tappedListener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	return l.tap.on(nc), err
}

// frames returns the frame headers that have passed in each direction.
func (t *tap) frames(test *testing.T) (in, out []wire.Header) {
	test.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	return headers(test, t.in.Bytes()), headers(test, t.out.Bytes())
}

// forget is for the next message.
func (t *tap) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, b := range []*bytes.Buffer{&t.in, &t.out} {
		b.Reset()
		b.WriteString("\r\n\r\n")
	}
}

func headers(t *testing.T, b []byte) (found []wire.Header) {
	t.Helper()
	_, b, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok {
		t.Fatalf("no handshake has passed: %.200q", b)
	}
	for len(b) > 0 {
		h, n, err := wire.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 || int64(len(b)-n) < int64(h.Length) {
			return found // the rest has not passed yet
		}
		b = b[n+int(h.Length):]
		found = append(found, h)
	}
	return found
}

// compression is params as an option of ws; nothing is too short to compress.
func compression(p *params) *deflate.Options {
	if p == nil {
		return nil
	}
	return &deflate.Options{
		ServerNoContextTakeover: p.ServerNoContextTakeover, ClientNoContextTakeover: p.ClientNoContextTakeover,
		ServerMaxWindowBits: p.ServerMaxWindowBits, ClientMaxWindowBits: p.ClientMaxWindowBits,
		ThresholdBytes: 1,
	}
}
