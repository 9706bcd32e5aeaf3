package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// echo is the server of the package documentation.
func echo(o *ws.AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, o)
		if err != nil {
			return
		}
		defer conn.Close(ws.StatusNormal, "")
		for {
			typ, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), typ, message); err != nil {
				return
			}
		}
	})
}

func serve(t *testing.T, h http.Handler, secure bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func dial(t *testing.T, url string, o *ws.DialOptions) *ws.Conn {
	t.Helper()
	conn, _, err := ws.Dial(background, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

func TestEchoOverSockets(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := serve(t, echo(&ws.AcceptOptions{Subprotocols: []string{"echo.v2", "echo.v1"}}), secure)
		o := &ws.DialOptions{Subprotocols: []string{"echo.v1", "echo.v2"}}
		if secure {
			o.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
		}
		conn := dial(t, s.URL+"/path?query", o)
		if conn.Subprotocol() != "echo.v2" {
			t.Errorf("subprotocol %q", conn.Subprotocol())
		}
		for _, size := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			want := strings.Repeat("g", size)
			sent := make(chan error, 1)
			go func() { sent <- conn.Write(background, ws.MessageText, []byte(want)) }()
			read(t, conn, ws.MessageText, want)
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.Close(4321, "thanks"); err != nil {
			t.Errorf("Close = %v", err)
		}
		wantEnd(t, conn.Err(), 4321, 4321)
	}
}

func TestCancelledReadOverASocket(t *testing.T) {
	s := serve(t, echo(nil), false)
	conn := dial(t, s.URL, nil)
	ctx, cancel := context.WithCancel(background)
	cut := make(chan error, 1)
	go func() {
		_, _, err := conn.Read(ctx)
		cut <- err
	}()
	cancel()
	if err := <-cut; err != context.Canceled {
		t.Fatal(err)
	}
	if err := conn.Write(background, ws.MessageText, []byte("still there")); err != nil {
		t.Fatal(err)
	}
	read(t, conn, ws.MessageText, "still there")
}

// A stalled write that is cut does not corrupt the stream: the remainder goes
// out first.
func TestCutWriteIsContinued(t *testing.T) {
	near, far := socketPair(t)
	server := ws.NewServerConn(near, nil)
	defer server.CloseNow()

	big := strings.Repeat("0123456789abcdef", 1<<20) // 16 MiB, more than the buffers of a socket
	ctx, cancel := context.WithCancel(background)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- server.Write(ctx, ws.MessageBinary, []byte(big)) }()
	var first [1]byte
	if _, err := io.ReadFull(far, first[:]); err != nil { // it is under way
		t.Fatal(err)
	}
	cancel()
	if err := <-result; err != context.Canceled {
		t.Fatalf("Write = %v", err)
	}
	written := make(chan error, 1)
	go func() { written <- server.Write(background, ws.MessageText, []byte("after")) }()
	rest := io.MultiReader(bytes.NewReader(first[:]), far)
	want := append(wire.AppendFrame(nil, true, wire.Binary, []byte(big)), wire.AppendFrame(nil, true, wire.Text, []byte("after"))...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(rest, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the stream is corrupt (%v)", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// buffered is a connection of which some was read ahead.
type buffered struct {
	net.Conn
	r *bufio.Reader
}

func (b buffered) Read(p []byte) (int, error) { return b.r.Read(p) }

func TestDialReportsARefusal(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "members only", http.StatusForbidden)
	}), false)
	_, response, err := ws.Dial(background, s.URL, nil)
	e, ok := errors.AsType[*handshake.ResponseError](err)
	if !ok || e.Status != 403 {
		t.Fatalf("got %v", err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "members only\n" {
		t.Errorf("body %q", body)
	}
}

func TestDialRefusesBadURLs(t *testing.T) {
	for _, url := range []string{"", "example.com", "ftp://example.com", "ws://", "ws:///path", "ws://example.com/#fragment", "ws:opaque", "ws://[::1", "ws://a b/"} {
		if _, _, err := ws.Dial(background, url, nil); !errors.Is(err, ws.ErrURL) {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestDialVerifiesTheCertificate(t *testing.T) {
	s := serve(t, echo(nil), true)
	s.Config.ErrorLog = nil
	if conn, _, err := ws.Dial(background, s.URL, nil); err == nil {
		conn.CloseNow()
		t.Fatal("an unknown authority was accepted")
	}
	config := s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "wrong.example.org"
	if conn, _, err := ws.Dial(background, s.URL, &ws.DialOptions{TLSConfig: config}); err == nil {
		conn.CloseNow()
		t.Fatal("a certificate for another host was accepted")
	}
}

func TestDialSendsNoInjectedHeader(t *testing.T) {
	s := serve(t, echo(nil), false)
	for _, o := range []*ws.DialOptions{
		{Header: http.Header{"X-Name": {"a\r\nEvil: b"}}},
		{Header: http.Header{"Bad Name": {"a"}}},
		{Header: http.Header{"Sec-Websocket-Key": {"mine"}}},
		{Subprotocols: []string{"a\r\nb"}},
		{Subprotocols: []string{"twice", "twice"}},
	} {
		if conn, _, err := ws.Dial(background, s.URL, o); err == nil {
			conn.CloseNow()
			t.Errorf("%+v was sent", o)
		}
	}
}

// A peer that is in the middle of a large message when it is refused learns why.
func TestTooBigIsToldThoughTheMessageIsStillComing(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: ws.Options{MessageBytesMax: 1000}})
		if err != nil {
			return
		}
		conn.Read(background)
		conn.CloseNow() // as a handler does on its way out
	}), false)
	for _, size := range []int{1001, 1 << 20, 16 << 20} {
		for range 5 {
			conn := dial(t, s.URL, nil)
			go conn.Write(background, ws.MessageBinary, make([]byte, size))
			_, _, err := conn.Read(background)
			wantEnd(t, err, 1009, 1009)
		}
	}
}

// A server that accepts and then says nothing must not hold Dial.
func TestDialObeysItsTimes(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	if _, _, err := ws.Dial(ctx, "ws://"+l.Addr().String(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, _, err := ws.Dial(background, "ws://"+l.Addr().String(), &ws.DialOptions{HandshakeTimeout: 20 * time.Millisecond}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestDialBoundsTheResponse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\n")
		line := "X-Filler: " + strings.Repeat("x", 1000) + "\r\n"
		for err == nil {
			_, err = io.WriteString(nc, line)
		}
	}()
	if _, _, err := ws.Dial(background, "ws://"+l.Addr().String(), nil); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v", err)
	}
}

func TestAcceptBehindMiddleware(t *testing.T) {
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		echo(nil).ServeHTTP(wrapped{w}, r)
	}), false)
	conn := dial(t, s.URL, nil)
	if err := conn.Write(background, ws.MessageText, []byte("through")); err != nil {
		t.Fatal(err)
	}
	read(t, conn, ws.MessageText, "through")
}

// wrapped is what logging middleware does to a ResponseWriter.
type wrapped struct{ inner http.ResponseWriter }

func (w wrapped) Header() http.Header         { return w.inner.Header() }
func (w wrapped) Write(p []byte) (int, error) { return w.inner.Write(p) }
func (w wrapped) WriteHeader(status int)      { w.inner.WriteHeader(status) }
func (w wrapped) Unwrap() http.ResponseWriter { return w.inner }
