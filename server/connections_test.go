package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// drivers are the values of the setting driver: what is at the front differs, and not
// what a client sees.
var drivers = []string{driverEngine, driverGoroutine}

func TestConnectionLimit(t *testing.T) {
	for _, driver := range drivers {
		t.Run(driver, func(t *testing.T) { testConnectionLimit(t, driver) })
	}
}

func testConnectionLimit(t *testing.T, driver string) {
	s := start(t, Config{Driver: driver, Limits: Limits{Connections: 2}})
	open := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	request := func(c net.Conn, head string) string {
		t.Helper()
		if _, err := io.WriteString(c, head+"\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	ask := func(c net.Conn) string {
		t.Helper()
		// A connection is counted when it is accepted, so a question is asked on
		// each before the next is opened.
		if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4096)
		n, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	first, second := open(), open()
	for _, c := range []net.Conn{first, second} {
		if got := ask(c); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("below the limit: %s", got)
		}
	}
	third := open()
	got := ask(third)
	for _, want := range []string{"HTTP/1.1 503 ", "Connection: close", "Retry-After: ", "too-many-connections", "2 connections"} {
		if !strings.Contains(got, want) {
			t.Errorf("over the limit: no %q in %s", want, got)
		}
	}
	if _, err := third.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a refused connection stays open: %v", err)
	}
	// A loop tells its numbers at the end of a turn, which may be after its answer was read.
	s.await(t, func() bool { n := s.front.counts(); return n.refused == 1 && n.open <= 3 })
	// An EventSource comes back after the end of a stream, and gives up after a 503.
	got = request(open(), "GET /channels/chat HTTP/1.1\r\nAccept: text/event-stream")
	for _, want := range []string{"HTTP/1.1 200 ", "Connection: close", "text/event-stream", "retry: "} {
		if !strings.Contains(got, want) {
			t.Errorf("an event stream over the limit: no %q in %s", want, got)
		}
	}
	for _, c := range []string{
		"GET /channels/chat HTTP/1.1",
		"POST /channels/chat HTTP/1.1\r\nContent-Length: 0",
		"GET /channels/chat HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
	} {
		got = request(open(), c)
		for _, want := range []string{"HTTP/1.1 503 ", "Connection: close", "Retry-After: ", "application/problem+json", "too-many-connections", "2 connections"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s over the limit: no %q in %s", c, want, got)
			}
		}
	}
	// Someone leaves, and there is room again.
	first.Close()
	for { // until the server has seen it; no longer than the test may take
		c := open()
		if strings.HasPrefix(ask(c), "HTTP/1.1 200 ") {
			break
		}
		c.Close()
	}
}

// nobody is a connection that is only counted.
type nobody struct {
	net.Conn
	closed int
}

func (n *nobody) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }

func (n *nobody) Close() error {
	n.closed++
	return nil
}

func TestConnectionsCount(t *testing.T) {
	c := newConnections(3, newEdge(&Config{}), slog.New(slog.DiscardHandler))
	var open []net.Conn
	for i := range 3 + refusalsMax {
		nc := c.track(new(nobody))
		if nc == nil {
			t.Fatalf("connection %d is closed without a word", i)
		}
		over := isOverLimit((&http.Request{}).WithContext(c.connContext(context.Background(), nc)))
		if want := i >= 3; over != want {
			t.Errorf("connection %d: over %v", i, over)
		}
		open = append(open, nc)
	}
	if c.track(new(nobody)) != nil {
		t.Error("there is no bound on connections over the limit")
	}
	if n := c.counts(); n.open != 3+refusalsMax || n.refused != refusalsMax+1 {
		t.Errorf("%+v", n)
	}
	for range 2 { // a second Close counts nothing
		for _, nc := range open {
			nc.Close()
		}
	}
	if n := c.counts(); n.open != 0 {
		t.Errorf("%d are left", n.open)
	}
	if nc := c.track(new(nobody)); isOverLimit((&http.Request{}).WithContext(c.connContext(context.Background(), nc))) {
		t.Error("there is no room after all have gone")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("wait with one open: %v", err)
	}
	if n := c.closeAll(); n != 1 {
		t.Errorf("closed %d", n)
	}
	if err := c.wait(t.Context()); err != nil {
		t.Errorf("wait with none open: %v", err)
	}
}

// The wrapper must not hide what package ws does with a socket.
func TestTrackedTCP(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tracked := newConnections(1, newEdge(&Config{}), slog.New(slog.DiscardHandler)).listener(ln)
	defer tracked.Close()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := tracked.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, ok := nc.(syscall.Conn); !ok {
		t.Error("no syscall.Conn")
	}
	if _, ok := nc.(interface{ CloseWrite() error }); !ok {
		t.Error("no CloseWrite")
	}
	if _, ok := nc.(io.ReaderFrom); !ok {
		t.Error("no io.ReaderFrom")
	}
}

// failing is a listener that accepts nothing, for a reason.
type failing struct {
	net.Listener
	errs []error
}

func (f *failing) Accept() (net.Conn, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	return nil, err
}

// What cannot be accepted is counted, and told once while it lasts. The end of the
// listener is no failure.
func TestAcceptErrorsAreTold(t *testing.T) {
	log := new(logBuffer)
	c := newConnections(1, newEdge(&Config{}), log.logger())
	ln := c.listener(&failing{errs: []error{syscall.EMFILE, syscall.EMFILE, syscall.ENFILE, net.ErrClosed}})
	for range 4 {
		if _, err := ln.Accept(); err == nil {
			t.Error("no error")
		}
	}
	if n := c.counts(); n.failed != 3 {
		t.Errorf("%+v", n)
	}
	if n := strings.Count(log.String(), "cannot accept connections"); n != 1 || !strings.Contains(log.String(), syscall.EMFILE.Error()) {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
}
