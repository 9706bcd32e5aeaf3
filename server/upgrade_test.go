//go:build linux

package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/handover"
	"github.com/godwit-io/godwit/ws"
)

// handoverPair is a connection between two servers, or between one and a test.
func handoverPair(t *testing.T) (here, there *net.UnixConn) {
	t.Helper()
	here, f, err := handover.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if there, err = handover.FromFile(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

// succeed starts a server that takes the place of s, as another process would. ended is
// what became of HandOver.
func (r *running) succeed(t *testing.T, c Config) (next *running, handedOver error) {
	t.Helper()
	return r.succeedPrepared(t, c, func(*Server) {})
}

// succeedPrepared is succeed by one that prepare has changed before it was made.
func (r *running) succeedPrepared(t *testing.T, c Config, prepare func(*Server)) (next *running, handedOver error) {
	t.Helper()
	next = &running{log: new(logBuffer)}
	c.Logger, c.Demo = next.log.logger(), new(false)
	s, err := newServer(c, prepare)
	if err != nil {
		t.Fatal(err)
	}
	here, there := handoverPair(t)
	result := make(chan error, 1)
	r.await(t, r.isServing)
	go func() { result <- r.HandOver(t.Context(), here, func() {}) }()
	if err := s.TakeOver(t.Context(), there); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	next.Server, next.url = s, "http://"+s.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	next.stop = func() error { cancel(); err := <-ended; ended <- err; return err }
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		_ = next.stop() // the test looks at it where it matters
	})
	return next, <-result
}

// A process that was replaced leaves the file of the process ID alone when it is told to upgrade once more: it is that
// of the process that has taken over.
func TestReplacedLeavesPIDFile(t *testing.T) {
	old := start(t, Config{PIDFile: filepath.Join(t.TempDir(), "pid")})
	c := old.Config()
	c.PIDFile = "" // which it would have in common with old, as it has the process ID
	if _, err := old.succeed(t, c); err != nil {
		t.Fatal(err)
	}
	if err := old.stop(); err != nil {
		t.Fatal(err)
	}
	old.UpgradeFrom(t.Context(), Program{Path: "/none"})
	if pid, err := ReadPIDFile(old.Config().PIDFile); err == nil {
		t.Errorf("it says that process %d serves", pid)
	}
}

// A server that takes the place of another has what that one had, at the same addresses,
// and serves the clients that are still with the other one.
func TestHandOver(t *testing.T) {
	if testing.Short() {
		t.Skip("two servers begin, and end")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		file := socketPath(t)
		pid := filepath.Join(t.TempDir(), "pid")
		c := Config{Driver: driver, Admin: Admin{Listen: []string{"unix:" + file}}, DrainTimeout: 3 * time.Second, PIDFile: pid}
		old := start(t, c)
		c.Listen = old.Config().Listen
		position := old.do(t, "POST", "/channels/chat", "before", "Content-Type", "text/plain", "Idempotency-Key", "k").body
		conn, _, err := ws.Dial(t.Context(), old.url+"/channels/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		next, err := old.succeed(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if next.url != old.url {
			t.Errorf("it serves at %s, and was at %s", next.url, old.url)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		ask := func(method, path, body string, header ...string) string {
			t.Helper()
			q, err := http.NewRequestWithContext(t.Context(), method, next.url+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(header); i += 2 {
				q.Header.Set(header[i], header[i+1])
			}
			p, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Body.Close()
			b := make([]byte, 1<<16)
			n := 0
			for {
				m, err := p.Body.Read(b[n:])
				if n += m; err != nil {
					return string(b[:n])
				}
			}
		}
		if got := ask("GET", "/channels/chat?last=10", ""); !strings.Contains(got, `"before"`) {
			t.Errorf("the history is %s", got)
		}
		if got := ask("POST", "/channels/chat", "before", "Content-Type", "text/plain", "Idempotency-Key", "k"); !strings.Contains(got, strings.Trim(strings.TrimSpace(position), "{}")) {
			t.Errorf("the same again is %s, it was %s", got, position)
		}
		if got, err := ReadPIDFile(pid); err != nil || got != os.Getpid() {
			t.Errorf("%d, %v", got, err)
		}
		if _, err := net.Dial("unix", file); err != nil {
			t.Errorf("the address of operators: %v", err)
		}

		// What a session of the old one does comes to the new one, and the other way round.
		pos, _, err := old.hub.Publish(t.Context(), hub.Message{Channel: "chat", Data: []byte("from the old one")})
		if err != nil || pos.Offset != 2 {
			t.Error(pos, err)
		}
		ask("POST", "/channels/chat", "from the new one", "Content-Type", "text/plain")
		if page, err := old.hub.History(t.Context(), "chat", hub.Query{}); err != nil || len(page.Publications) != 3 {
			t.Errorf("%+v, %v", page, err)
		}
		for err == nil { // what was published, and then that it is to come back
			_, _, err = conn.Read(t.Context())
		}
		if ws.CloseStatus(err) != ws.StatusGoingAway {
			t.Errorf("the WebSocket of the old one ended with %v", err)
		}
		if err := old.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(file); err != nil {
			t.Errorf("the old one has taken the file along: %v", err)
		}
		if err := old.HandOver(t.Context(), func() *net.UnixConn { c, _ := handoverPair(t); return c }(), func() {}); !errors.Is(err, ErrNotServing) {
			t.Error(err)
		}

		// The next one takes over from the one that took over.
		third, err := next.succeed(t, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := ask("GET", "/channels/chat?last=10", ""); !strings.Contains(got, "from the old one") || !strings.Contains(got, "from the new one") {
			t.Errorf("the history is %s", got)
		}
		if err := next.stop(); err != nil {
			t.Error(err)
		}
		if err := third.stop(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the last one has left the file: %v", err)
		}
		if _, err := os.Stat(pid); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the last one has left the file of its ID: %v", err)
		}
		for _, r := range []*running{old, next, third} {
			for line := range strings.Lines(r.log.String()) {
				if strings.Contains(line, "level=ERROR") {
					t.Error(line)
				}
			}
		}
	})
}

// Clients that keep their connections, over TLS with either version of HTTP, lose no request:
// the old server answers on theirs, and says that it was the last.
func TestHandOverKeepAlive(t *testing.T) {
	if testing.Short() {
		t.Skip("two servers begin, and end")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		certificate, trust := certificate(t)
		c := Config{Driver: driver, TLS: certificate, DrainTimeout: 5 * time.Second}
		old := start(t, c)
		c.Listen = old.Config().Listen
		url := "https://" + old.Addr().String() + "/channels/chat"
		var clients []*http.Client
		for _, two := range []bool{false, true} {
			transport := &http.Transport{TLSClientConfig: trust.Clone(), ForceAttemptHTTP2: two}
			t.Cleanup(transport.CloseIdleConnections)
			clients = append(clients, &http.Client{Transport: transport})
		}
		post := func(client *http.Client, want uint64) {
			t.Helper()
			q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			q.GetBody = nil // it is not sent again
			p, err := client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Body.Close()
			b, err := io.ReadAll(p.Body)
			if err != nil || p.StatusCode/100 != 2 || !strings.Contains(string(b), fmt.Sprintf(":%d\"", want)) {
				t.Errorf("HTTP/%d: %s, %s, %v; want position %d", p.ProtoMajor, p.Status, b, err, want)
			}
		}
		n := uint64(0)
		for range 2 {
			for _, client := range clients {
				n++
				post(client, n)
			}
		}
		next, err := old.succeed(t, c)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			for _, client := range clients {
				n++
				post(client, n)
			}
		}
		if err := old.stop(); err != nil {
			t.Error(err)
		}
		for _, client := range clients {
			n++
			post(client, n)
		}
		if err := next.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Wherever the other process fails, the server goes on as if nothing had happened, and only when
// it is certain that the other one does not serve.
func TestHandOverFails(t *testing.T) {
	s := start(t, Config{})
	s.await(t, s.isServing)
	hello := func(c *handover.Conn, g handover.Greeting) error {
		_, err := c.ReceiveOffer()
		return errors.Join(err, c.SendHello(g))
	}
	good := handover.Greeting{PID: 1, Relay: relay.Version, Sections: s.versions()}
	sections := func(c *handover.Conn) (err error) {
		for r := (*handover.SectionReader)(nil); err == nil; {
			r, err = c.Next(r)
		}
		return nil
	}
	first := func(c *handover.Conn) error {
		_, err := c.Next(nil)
		return err
	}
	old, few := good, good
	old.Relay = relay.Version + 1
	few.Sections = map[string]int{"revocations": 1}
	for name, row := range map[string]struct {
		do   func(c *handover.Conn) error
		want string
	}{
		"at once": {func(*handover.Conn) error { return nil }, "ended before it was ready"},
		"with its reason": {func(c *handover.Conn) error {
			_, err := c.ReceiveOffer()
			return errors.Join(err, c.Send(handover.Failed, []byte("no memory")))
		}, "no memory"},
		"with nonsense": {func(c *handover.Conn) error {
			_, err := c.ReceiveOffer()
			return errors.Join(err, c.Send(handover.Loaded, nil))
		}, "malformed"},
		"with another relay": {func(c *handover.Conn) error { return hello(c, old) }, "relays by version"},
		"without histories":  {func(c *handover.Conn) error { return hello(c, few) }, "keeps histories in a broker and this one itself"},
		"in the middle":      {func(c *handover.Conn) error { return errors.Join(hello(c, good), first(c)) }, ""},
		"when it has loaded": {func(c *handover.Conn) error {
			return errors.Join(hello(c, good), sections(c), c.Send(handover.Failed, []byte("cannot load")))
		}, "cannot load"},
		"when it should go": {func(c *handover.Conn) error {
			return errors.Join(hello(c, good), sections(c), c.Send(handover.Loaded, nil))
		}, ""},
		"when it has been told": {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			here, there := handoverPair(t)
			var stopped atomic.Bool
			result := make(chan error, 1)
			go func() {
				result <- s.HandOver(t.Context(), here, func() {
					if !s.upgrading.TryLock() {
						stopped.Store(true)
					}
				})
			}()
			if name == "when it has been told" {
				c := handover.New(there)
				err := errors.Join(hello(c, good), sections(c), c.Send(handover.Loaded, nil))
				if _, e := c.Expect(handover.Go); e != nil || err != nil {
					t.Error(e, err)
				}
			} else if err := row.do(handover.New(there)); err != nil {
				t.Error(err)
			}
			there.Close()
			if err := <-result; err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("HandOver returned %v, want %q", err, row.want)
			}
			if !stopped.Load() {
				t.Error("nobody has stopped the other one")
			}
			s.stillServes(t, name)
		})
	}
	t.Run("when it is told to stop", func(t *testing.T) {
		here, there := handoverPair(t)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- s.HandOver(ctx, here, func() {}) }()
		if err := hello(handover.New(there), good); err != nil {
			t.Fatal(err)
		}
		again, _ := handoverPair(t)
		if err := s.HandOver(t.Context(), again, func() {}); !errors.Is(err, ErrUpgrading) {
			t.Error(err)
		}
		cancel()
		<-result // it may have come as far as to wait for Loaded
		s.stillServes(t, "told to stop")
	})
	t.Run("before it serves", func(t *testing.T) {
		fresh, err := New(Config{Logger: new(logBuffer).logger()})
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.Close()
		here, _ := handoverPair(t)
		if err := fresh.HandOver(t.Context(), here, func() {}); !errors.Is(err, ErrNotServing) {
			t.Error(err)
		}
		if err := fresh.Upgrade(t.Context(), Program{}); !errors.Is(err, ErrNotServing) {
			t.Error(err)
		}
	})
}

// stillServes publishes and reads.
func (r *running) stillServes(t *testing.T, text string) {
	t.Helper()
	if !r.local.IsImmediate() {
		t.Error("the broker still may wait")
	}
	if a := r.do(t, "POST", "/channels/chat", text, "Content-Type", "text/plain"); a.StatusCode/100 != 2 {
		t.Error(a.Status, a.body)
	}
	if got := r.do(t, "GET", "/channels/chat?last=1", "").body; !strings.Contains(got, fmt.Sprintf("%q", text)) {
		t.Errorf("the history ends with %s", got)
	}
}

// A process that does not understand what it is given serves nothing.
func TestTakeOverFails(t *testing.T) {
	for name, do := range map[string]func(c *handover.Conn) error{
		"no offer": func(*handover.Conn) error { return nil },
		"no section": func(c *handover.Conn) error {
			err := c.SendOffer(handover.Offer{})
			_, e := c.ReceiveHello()
			return errors.Join(err, e)
		},
		"a section that is none": func(c *handover.Conn) error {
			err := c.SendOffer(handover.Offer{})
			_, e := c.ReceiveHello()
			w, e2 := c.Section("histories", 1)
			if e2 == nil {
				_, e2 = w.Write([]byte("nonsense"))
			}
			_ = w.Close() // it may have been read, and refused, by then
			_ = c.Send(handover.End, nil)
			return errors.Join(err, e, e2)
		},
		"no word to go": func(c *handover.Conn) error {
			err := c.SendOffer(handover.Offer{})
			_, e := c.ReceiveHello()
			return errors.Join(err, e, c.Send(handover.End, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(Config{Listen: []string{"127.0.0.1:0"}, Logger: new(logBuffer).logger(), Demo: new(false)})
			if err != nil {
				t.Fatal(err)
			}
			here, there := handoverPair(t)
			did := make(chan error, 1)
			go func() {
				did <- do(handover.New(here))
				here.Close()
			}()
			if err = s.TakeOver(t.Context(), there); err == nil {
				err = s.Run(t.Context())
			} else {
				defer s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), "cannot take over") {
				t.Error(err)
			}
			if err := <-did; err != nil {
				t.Error(err)
			}
		})
	}
}
