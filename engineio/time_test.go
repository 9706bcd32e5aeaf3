package engineio_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// inTime runs test in virtual time, with a server on net/http.
func inTime(t *testing.T, o engineio.Options, h hooks, test func(t *testing.T, s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		own := h
		own.reasons = make(chan engineio.Reason, 100)
		server, err := engineio.New(&own, &o)
		if err != nil {
			t.Fatal(err)
		}
		ln := &memory{conns: make(chan net.Conn), done: make(chan struct{})}
		hs := &http.Server{Handler: server}
		go func() { _ = hs.Serve(ln) }()
		transport := &http.Transport{DialContext: ln.dial, MaxIdleConnsPerHost: 10}
		s := &site{server: server, url: "http://memory/engine.io/", client: &http.Client{Transport: transport}, reasons: own.reasons}
		test(t, s)
		_ = server.Close()
		_ = hs.Close()
		transport.CloseIdleConnections()
		synctest.Wait()
	})
}

// memory is a listener with connections in memory.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
}

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case m.conns <- far:
		return near, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error {
	close(m.done)
	return nil
}

func (m *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// socketIn opens a WebSocket in virtual time.
func (s *site) socketIn(t *testing.T, query string) *ws.Conn {
	t.Helper()
	dial := s.client.Transport.(*http.Transport).DialContext
	conn, _, err := ws.Dial(t.Context(), "ws://memory/engine.io/?"+query, &ws.DialOptions{NetDial: dial, Options: ws.Options{PingInterval: ws.NoLimit}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func TestHeartbeatOverPolling(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		for range 3 {
			began := time.Now()
			s.hears(t, sid, "2")
			if took := time.Since(began); took != 25*time.Second {
				t.Errorf("a ping after %v", took)
			}
			s.post(t, sid, "3")
		}
		began := time.Now()
		s.hears(t, sid, "2")
		if a := s.poll(t, sid); a.status != 200 || a.body != "1" {
			t.Errorf("%+v", a)
		}
		if took := time.Since(began); took != 45*time.Second {
			t.Errorf("the end after %v", took)
		}
		if r := <-s.reasons; r != engineio.ReasonPingTimeout {
			t.Error(r)
		}
	})
}

// A client that never polls again costs something for 45 seconds, and then nothing.
func TestPollersThatNeverComeBack(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{open: func(s *engineio.Socket) { _ = s.Write(engineio.MessageText, []byte("x")) }}, func(t *testing.T, s *site) {
		for range 100 {
			s.open(t)
		}
		<-time.After(45*time.Second - time.Millisecond)
		if n := s.server.Len(); n != 100 {
			t.Errorf("%d sessions are left early", n)
		}
		<-time.After(2 * time.Millisecond)
		synctest.Wait()
		if stats := s.server.Stats(); s.server.Len() != 0 || stats.Polling != 0 || stats.Closed[engineio.ReasonPingTimeout] != 100 {
			t.Errorf("%+v", stats)
		}
	})
}

func TestHeartbeatOverWebSocket(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		c := s.socketIn(t, socket4)
		read := func(want string) {
			t.Helper()
			if _, p, err := c.Read(t.Context()); err != nil || !strings.HasPrefix(string(p), want) {
				t.Fatalf("%q, %v", p, err)
			}
		}
		read("0")
		for range 3 {
			began := time.Now()
			read("2")
			if took := time.Since(began); took != 25*time.Second {
				t.Errorf("a ping after %v", took)
			}
			_ = c.Write(t.Context(), ws.MessageText, []byte("3"))
		}
		began := time.Now()
		read("2")
		if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) != ws.StatusPolicyViolation {
			t.Error(err)
		}
		if took := time.Since(began); took != 45*time.Second {
			t.Errorf("the end after %v", took)
		}
		if r := <-s.reasons; r != engineio.ReasonPingTimeout {
			t.Error(r)
		}
	})
}

// A WebSocket that is opened and says nothing is closed, and polling goes on; polls of a
// client that is moving are held for 100 ms.
func TestUpgradeTimes(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		began := time.Now()
		c := s.socketIn(t, socket4+"&sid="+sid)
		if _, _, err := c.Read(t.Context()); ws.CloseStatus(err) == 0 {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("closed after %v", took)
		}
		c = s.socketIn(t, socket4+"&sid="+sid)
		_ = c.Write(t.Context(), ws.MessageText, []byte("2probe"))
		if _, p, err := c.Read(t.Context()); string(p) != "3probe" {
			t.Errorf("%q, %v", p, err)
		}
		for range 3 {
			began = time.Now()
			s.hears(t, sid, "6")
			if took := time.Since(began); took != 100*time.Millisecond {
				t.Errorf("a noop after %v", took)
			}
		}
		_ = c.Write(t.Context(), ws.MessageText, []byte("5"))
		_ = c.Write(t.Context(), ws.MessageText, []byte("4x"))
		if _, p, err := c.Read(t.Context()); string(p) != "4x" {
			t.Errorf("%q, %v", p, err)
		}
	})
}

// A polling client has 30 seconds to hear that its session is over.
func TestCloseWaits(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{message: func(s *engineio.Socket, _ engineio.MessageType, _ []byte) { s.Close(1000, "") }}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		began := time.Now()
		s.post(t, sid, "4x")
		<-s.reasons
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
		if a := s.poll(t, sid); a.status != 400 {
			t.Errorf("%+v", a)
		}
	})
}

// Allow that does not decide does not keep anybody for ever.
func TestUndecided(t *testing.T) {
	var late []func(engineio.Verdict)
	allow := func(_ *engineio.Request, decide func(engineio.Verdict)) { late = append(late, decide) }
	inTime(t, engineio.Options{Allow: allow}, hooks{}, func(t *testing.T, s *site) {
		began := time.Now()
		if a := s.do(t, "GET", poll4, ""); a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("%+v", a)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		began = time.Now()
		dial := s.client.Transport.(*http.Transport).DialContext
		_, response, err := ws.Dial(t.Context(), "ws://memory/engine.io/?"+socket4, &ws.DialOptions{NetDial: dial, HandshakeTimeout: time.Minute})
		if _, ok := errors.AsType[*handshake.ResponseError](err); !ok || response.StatusCode != 503 {
			t.Errorf("%v, %v", response, err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if s.server.Len() != 0 {
			t.Error("there is a session")
		}
		abandoned := 0
		for _, decide := range late {
			decide(engineio.Verdict{Abandoned: func() { abandoned++ }})
		}
		if len(late) != 2 || abandoned != 2 {
			t.Errorf("%d of %d were abandoned", abandoned, len(late))
		}
	})
}

// Shutdown lets polling clients hear of it, for as long as its context lasts.
func TestShutdown(t *testing.T) {
	inTime(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		waiting, _ := s.open(t)
		_, _ = s.open(t) // never polls
		c := s.socketIn(t, socket4)
		_, _, _ = c.Read(t.Context())
		heard := make(chan answer, 1)
		go func() {
			a, _ := s.try(t.Context(), "GET", poll4+"&sid="+waiting, "")
			heard <- a
		}()
		synctest.Wait()
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go func() {
			if _, _, err := c.Read(context.Background()); ws.CloseStatus(err) != ws.StatusGoingAway {
				t.Error(err)
			}
		}()
		if err := s.server.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if took := time.Since(began); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		if a := <-heard; a.body != "1" {
			t.Errorf("%+v", a)
		}
		if stats := s.server.Stats(); stats.Closed[engineio.ReasonShuttingDown] != 3 || s.server.Len() != 0 {
			t.Errorf("%+v", stats)
		}
		if a := s.do(t, "GET", poll4, ""); a.status != 503 {
			t.Errorf("%+v", a)
		}
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Errorf("a second time: %v", err)
		}
	})
}
