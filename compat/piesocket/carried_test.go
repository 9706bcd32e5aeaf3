package piesocket

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// onBothDrivers calls test with the address of a server on loops, and of one on
// goroutines.
func onBothDrivers(t *testing.T, o *Options, test func(t *testing.T, url string, h *hub.Hub)) {
	for _, driver := range []string{"loops", "goroutines"} {
		t.Run(driver, func(t *testing.T) {
			broker, err := membroker.New(&membroker.Options{HistoryBytesMax: 1 << 30})
			if err != nil {
				t.Fatal(err)
			}
			h, err := hub.New(broker, &hub.Options{Retention: hub.Retention{Count: 1 << 20}}) // slow clients lose nothing
			if err != nil {
				t.Fatal(err)
			}
			p, err := NewProtocol(o)
			if err != nil {
				t.Fatal(err)
			}
			p.returns.random = func() float64 { return 0 }
			to := transport.Options{Protocols: []transport.Protocol{p}, Logger: slog.New(slog.DiscardHandler)}
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			var stop func()
			if driver == "loops" {
				tr, err := transport.New(h, &to)
				if err != nil {
					t.Fatal(err)
				}
				loops := &engine.Server{Handler: engine.NopHandler{}, HTTP: tr, Route: tr.Route, Admit: tr.Admit, Log: to.Logger}
				served := make(chan error, 1)
				go func() { served <- loops.Serve(ln) }()
				stop = func() {
					_ = loops.Close()
					<-served
				}
			} else {
				tr, err := transport.New(h, &to)
				if err != nil {
					t.Fatal(err)
				}
				server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: tr}}
				server.Start()
				stop = server.Close
			}
			t.Cleanup(stop)
			t.Cleanup(func() { // behind the end of the clients, which are waited for
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if err := h.Shutdown(ctx); err != nil {
					t.Error(err)
				}
				_ = h.Close()
			})
			test(t, "ws://"+ln.Addr().String(), h)
		})
	}
}

func dial(t *testing.T, url string) *ws.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, _, err := ws.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func hear(t *testing.T, c *ws.Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, got, err := c.Read(ctx); err != nil || string(got) != want {
		t.Fatalf("heard %s, %v, want %s", got, err, want)
	}
}

func tell(t *testing.T, c *ws.Conn, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := c.Write(ctx, ws.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Numbered messages of two clients come through once and in order.
func TestNumberedMessages(t *testing.T) {
	messages := 10_000
	if testing.Short() {
		messages = 1000
	}
	o := &Options{Apps: apps(t, nil)}
	onBothDrivers(t, o, func(t *testing.T, url string, _ *hub.Hub) {
		a := dial(t, url+"/v3/room?api_key=shop-key")
		b := dial(t, url+"/v4/lobby?api_key=shop-key")
		hear(t, b, `{"event":"system::connected"}`)
		tell(t, b, `{"event":"system::subscribe","data":{"channel":"room"}}`)
		hear(t, b, `{"event":"system::subscribe_success","data":{"channel":"room"}}`)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		sent := make(chan error, 2)
		send := func(c *ws.Conn, format string) {
			for i := range messages {
				if err := c.Write(ctx, ws.MessageText, fmt.Appendf(nil, format, i)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}
		go send(a, `{"event":"n","data":%d}`)
		go send(b, `{"system::channel":"room","event":"n","data":%d}`)
		check := func(c *ws.Conn) {
			for i := range messages {
				_, got, err := c.Read(ctx)
				var m struct{ Data int }
				if err != nil || json.Unmarshal(got, &m) != nil || m.Data != i {
					t.Errorf("number %d is %s, %v", i, got, err)
					return
				}
			}
		}
		heard := make(chan struct{})
		go func() {
			check(a)
			close(heard)
		}()
		check(b)
		<-heard
		for range 2 {
			if err := <-sent; err != nil {
				t.Error(err)
			}
		}
	})
}

// The refusals reach a client that is a browser: behind a handshake that was accepted.
func TestRefusedOverSocket(t *testing.T) {
	o := &Options{Apps: apps(t, nil)}
	onBothDrivers(t, o, func(t *testing.T, url string, h *hub.Hub) {
		c := dial(t, url+"/v3/private-room?api_key=shop-key")
		hear(t, c, `{"error":"Authentication failed, provide valid jwt token."}`)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if _, _, err := c.Read(ctx); ws.CloseStatus(err) != closeAuth {
			t.Errorf("the end is %v", err)
		}
		if n := h.SessionCount(); n != 0 {
			t.Errorf("%d sessions are there", n)
		}
		r, err := http.Get("http" + strings.TrimPrefix(url, "ws") + "/v3/room?api_key=shop-key")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusBadRequest && r.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("without an upgrade: %s", r.Status)
		}
	})
}

// A client that comes back too fast waits for the answer to its handshake, on both
// drivers, and counts for its app only then.
func TestAcceptedLate(t *testing.T) {
	o := &Options{Apps: apps(t, func(shop *app.App) { shop.ConnectionsMax = 2 * acceptedBurst })}
	o.Address = func(*transport.Request) netip.Addr { return netip.MustParseAddr("192.0.2.1") }
	t.Run("drivers", func(t *testing.T) { // ends when both have
		onBothDrivers(t, o, func(t *testing.T, url string, _ *hub.Hub) {
			t.Parallel() // a client is held for a second
			began := time.Now()
			waited := false
			for i := 0; i < 3*acceptedBurst && !waited; i++ {
				from := time.Now()
				c := dial(t, url+"/v4/room?api_key=shop-key")
				hear(t, c, `{"event":"system::connected"}`)
				waited = time.Since(from) >= delayMin
				_ = c.CloseNow()
			}
			if took := time.Since(began); !waited {
				t.Errorf("%d clients were accepted in %v", 3*acceptedBurst, took)
			}
		})
	})
	// A handler of net/http may be at its end still.
	late := time.After(patience)
	for tick := time.NewTicker(time.Millisecond); o.Apps.ByID("1").Stats().Connections != 0; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d connections are left", o.Apps.ByID("1").Stats().Connections)
		}
	}
}
