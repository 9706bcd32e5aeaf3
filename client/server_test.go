package client_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
)

// patience is how long anything may take on a busy machine.
const patience = 60 * time.Second

// site is a server, with a proxy in front that can be cut.
type site struct {
	hub  *hub.Hub
	http *httptest.Server
	wire *wire
}

// start starts a server. wrap, if it is not nil, is between it and its clients.
func start(t *testing.T, wrap func(http.Handler) http.Handler) *site {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(broker, &hub.Options{Retention: hub.Retention{Count: 100_000, Age: time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	channels, err := transport.New(h, &transport.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = channels
	if wrap != nil {
		handler = wrap(handler)
	}
	s := &site{hub: h, http: httptest.NewServer(handler)}
	s.wire = newWire(t, s.http.Listener.Addr().String())
	t.Cleanup(func() {
		s.wire.close()
		_ = h.Shutdown(context.Background())
		s.http.CloseClientConnections()
		s.http.Close()
		_ = h.Close()
	})
	return s
}

// url is that of the proxy.
func (s *site) url() string { return "http://" + s.wire.listener.Addr().String() }

func (s *site) publish(t *testing.T, channel, text string) {
	t.Helper()
	if _, _, err := s.hub.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

// wire is a proxy whose connections can be cut.
type wire struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	isDown bool
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: ln, to: to, conns: make(map[net.Conn]bool)}
	w.running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			w.running.Go(func() { w.carry(c) })
		}
	})
	return w
}

func (w *wire) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer up.Close()
	if !w.note(c, up) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(up, c)
		up.Close()
	})
	_, _ = io.Copy(c, up)
	c.Close()
	both.Wait()
	w.mu.Lock()
	delete(w.conns, c)
	delete(w.conns, up)
	w.mu.Unlock()
}

func (w *wire) note(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
	}
	return !w.isDown
}

// cut resets all connections. With down, new ones are closed at once until the next cut.
func (w *wire) cut(down bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isDown = down
	for c := range w.conns {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		c.Close()
	}
}

func (w *wire) close() {
	w.listener.Close()
	w.cut(true)
	w.running.Wait()
}

// dial is client.Dial for a test.
func dial(t *testing.T, url string, o *client.Options) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// next is the next event of a subscription.
func next(t *testing.T, s *client.Subscription) client.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	e, err := s.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// began waits until s is in force.
func began(t *testing.T, s *client.Subscription) {
	t.Helper()
	for next(t, s).Began == nil {
	}
}

// message is the next publication.
func message(t *testing.T, s *client.Subscription) *client.Message {
	t.Helper()
	for {
		e := next(t, s)
		switch {
		case e.Message != nil:
			return e.Message
		case e.Gap != nil:
			t.Fatalf("gap: %+v", e.Gap)
		}
	}
}

func subscribe(t *testing.T, c *client.Client, channel string, o *client.SubscribeOptions) *client.Subscription {
	t.Helper()
	s, err := c.Subscribe(channel, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
