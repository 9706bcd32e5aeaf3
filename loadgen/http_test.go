package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/wstest"
)

// httpMemory is an HTTP server without a network, for virtual time.
type httpMemory struct {
	server http.Server
	conns  chan net.Conn
	closed chan struct{}
	work   sync.WaitGroup
	buffer int
}

func newHTTPMemory(h http.Handler) *httpMemory {
	m := &httpMemory{conns: make(chan net.Conn), closed: make(chan struct{})}
	m.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.work.Add(1)
		defer m.work.Done()
		h.ServeHTTP(w, r)
	})
	m.work.Go(func() { _ = m.server.Serve(m) })
	return m
}

func (m *httpMemory) dial(ctx context.Context, _ int) (net.Conn, error) {
	a, b := wstest.Pipe(&wstest.PipeOptions{BufferBytes: m.buffer})
	select {
	case m.conns <- b:
		return a, nil
	case <-m.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *httpMemory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *httpMemory) Close() error {
	defer func() { _ = recover() }() // it may be closed already
	close(m.closed)
	return nil
}

func (m *httpMemory) Addr() net.Addr { return &net.TCPAddr{} }

// stop ends the server and everything in it.
func (m *httpMemory) stop() {
	_ = m.server.Close()
	m.work.Wait()
	synctest.Wait() // until what net/http has for each connection has ended
}

// streamer sends each post to every stream.
type streamer struct {
	mu      sync.Mutex
	streams map[chan string]int // and the how manieth it is
	opened  int
	posts   int

	// events, if not nil, is what a stream gets instead of one event: the text of
	// none, one or several. An empty string ends the stream.
	events func(stream, post int, body string) []string

	// before, if not nil, is called for each post, and may answer it.
	before func(w http.ResponseWriter, post int) (answered bool)
}

func (s *streamer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		s.stream(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.posts++
	post := s.posts - 1
	s.mu.Unlock()
	if s.before != nil && s.before(w, post) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for to, i := range s.streams {
		events := []string{"id: x\ndata: " + string(body) + "\n\n"}
		if s.events != nil {
			events = s.events(i, post, string(body))
		}
		for _, e := range events {
			to <- e
		}
	}
	w.WriteHeader(http.StatusCreated)
}

func (s *streamer) stream(w http.ResponseWriter, r *http.Request) {
	events := make(chan string, 10_000)
	s.mu.Lock()
	if s.streams == nil {
		s.streams = map[chan string]int{}
	}
	s.streams[events] = s.opened
	s.opened++
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.streams, events)
		s.mu.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	control := http.NewResponseController(w)
	_, _ = io.WriteString(w, ": hello\n\n")
	_ = control.Flush()
	for {
		select {
		case e := <-events:
			if e == "" {
				return
			}
			if _, err := io.WriteString(w, e); err != nil {
				return
			}
			_ = control.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// serveHTTP serves h on a real socket and returns the URL of a channel.
func serveHTTP(t *testing.T, start func(http.Handler) *httptest.Server, h http.Handler) string {
	t.Helper()
	s := start(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + "/channels/bench"
}

// channels serves channels of Godwit's.
func channels(t *testing.T) string {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		t.Fatal(err)
	}
	edge, err := transport.New(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	url := serveHTTP(t, httptest.NewServer, edge)
	t.Cleanup(func() {
		_ = h.Close()
		_ = broker.Close()
	})
	return url
}

// unframed is a server of streams and posts on bare sockets: its streams have
// neither a length nor chunks and end with their connection.
func unframed(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var work sync.WaitGroup
	conns, streams := map[net.Conn]bool{}, map[net.Conn]bool{}
	serve := func(conn net.Conn) {
		defer conn.Close()
		buffer := make([]byte, 64<<10)
		had := ""
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			had += string(buffer[:n])
			head, rest, ok := strings.Cut(had, "\r\n\r\n")
			if !ok {
				continue
			}
			if strings.HasPrefix(head, "GET ") {
				mu.Lock()
				_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hello\r\n\r\n")
				streams[conn] = true
				mu.Unlock()
				continue
			}
			_, after, _ := strings.Cut(head, "Content-Length: ")
			length := 0
			_, _ = fmt.Sscan(after, &length)
			if len(rest) < length {
				continue
			}
			mu.Lock()
			for to := range streams {
				_, _ = io.WriteString(to, "data: "+rest[:length]+"\r\n\r\n")
			}
			mu.Unlock()
			had = rest[length:]
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	}
	work.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns[conn] = true
			mu.Unlock()
			work.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		work.Wait()
	})
	return "http://" + ln.Addr().String() + "/channels/bench"
}

// A server that cannot be measured is named at once, with the server's own words.
func TestHTTPRefused(t *testing.T) {
	answer := func(status int, headers, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for line := range strings.Lines(headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		stream  string
		publish string
	}{
		"not found": {answer(404, "", "no channel\n here"), "cannot open a stream: the server answered 404 Not Found: no channel here", "cannot publish: the server answered 404 Not Found: no channel here"},
		"redirect":  {answer(307, "Location: /there", ""), `the server answered 307 Temporary Redirect (to "/there", which is not followed: give that URL)`, "307"},
		"a page":    {answer(200, "Content-Type: text/html", "<p>"), `the server answered with "text/html" and not with text/event-stream`, ""},
		"empty":     {answer(204, "", ""), "the server answered 204 and not 200", ""},
		"encoded":   {answer(200, "Content-Type: text/event-stream\nContent-Encoding: br", ""), `the stream is encoded with "br"`, ""},
	} {
		url := serveHTTP(t, httptest.NewServer, c.handler)
		if _, err := SSE(t.Context(), url, short()); err == nil || !strings.HasPrefix(err.Error(), "loadgen: cannot open a stream: ") || !strings.Contains(err.Error(), c.stream) {
			t.Errorf("%s: %v, want %q", name, err, c.stream)
		}
		if c.publish == "" {
			continue
		}
		if _, err := Publish(t.Context(), url, short()); err == nil || !strings.Contains(err.Error(), c.publish) {
			t.Errorf("%s: %v, want %q", name, err, c.publish)
		}
	}
	if _, err := SSE(t.Context(), "http://127.0.0.1:1/", short()); err == nil || !strings.Contains(err.Error(), "connect: ") {
		t.Errorf("%v", err)
	}
	for _, play := range []func(context.Context, string, Options) (*Report, error){SSE, Publish} {
		if _, err := play(t.Context(), "ws://h/", Options{}); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), "is the URL of a WebSocket; over HTTP it begins with http://") {
			t.Errorf("%v", err)
		}
		if _, err := play(t.Context(), "http://h/", Options{Compress: true}); !errors.Is(err, ErrOptions) {
			t.Errorf("%v", err)
		}
		if _, err := play(t.Context(), "http://h/", Options{Publishing: PublishOptions{Body: "x"}}); !errors.Is(err, ErrOptions) || !strings.Contains(err.Error(), "it must have {payload} once") {
			t.Errorf("%v", err)
		}
		if _, err := play(t.Context(), "http://h/", Options{Publishing: PublishOptions{Method: "P OST"}}); !errors.Is(err, ErrOptions) {
			t.Errorf("%v", err)
		}
	}
}

// The bytes of a request: fields that come later replace others, and the payload
// is in its place.
func TestPublication(t *testing.T) {
	o := Options{Size: 40, Header: http.Header{"X-One": {"1"}, "content-type": {"text/one"}, "Host": {"other.example"}}, Publishing: PublishOptions{Method: "PUT", Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"text":"{payload}"}`}}
	p := newPayloads(40, publishMarker)
	q, err := o.publication("http://user:word@h:80/a?b=c", p)
	if err != nil {
		t.Fatal(err)
	}
	const want = "PUT /a?b=c HTTP/1.1\r\nHost: other.example\r\nUser-Agent: godwit-bench\r\nContent-Length: 51\r\n" +
		"Authorization: Basic dXNlcjp3b3Jk\r\nContent-Type: application/json\r\nX-One: 1\r\n\r\n{\"text\":\"godwit:0000070000000005 symbol=S"
	if got := string(q.write(p, 7, 5)); !strings.HasPrefix(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

// Nothing is waited for longer than was said.
func TestHTTPTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	o := short()
	o.HandshakeTimeout = 50 * time.Millisecond
	for _, play := range []func(context.Context, string, Options) (*Report, error){SSE, Publish} {
		if _, err := play(t.Context(), "http://"+ln.Addr().String(), o); err == nil || !strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("%v", err)
		}
	}
}
