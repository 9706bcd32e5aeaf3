package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/server/bridge/feed"
	"github.com/godwit-io/godwit/ws"
)

// times leaves out when something was, which depends on jitter.
var times = regexp.MustCompile(`"(from|to)":"[^"]*"`)

func withoutTimes(text string) string { return times.ReplaceAllString(text, `"$1":""`) }

// TestOutage: an upstream that dies is announced, dialled again, subscribed to again, and announced again.
func TestOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		u := newUpstream(t, socket(func(ctx context.Context, conn *ws.Conn) {
			n++
			_, request, err := conn.Read(ctx)
			if err != nil || string(request) != `{"op":"subscribe"}` {
				t.Errorf("connection %d: %s, %v", n, request, err)
			}
			for i := range 3 {
				_ = say(ctx, conn, fmt.Sprintf(`"%d.%d"`, n, i))
			}
			if n == 1 {
				conn.CloseNow() // as when the process ends
			} else {
				_, _, _ = conn.Read(ctx)
			}
		}))
		w := newWorld(t, u, nil, nil, specFor(t, "eth", "eth/heads"))
		synctest.Wait()
		if s := w.status(); s.State != feed.Away || s.Problem == "" || !s.IsHere {
			t.Errorf("%+v", s)
		}
		u.set(func() { u.down = errors.New("no route") })
		time.Sleep(20 * time.Second)
		if s := w.status(); s.State != feed.Away || !strings.Contains(s.Problem, "no route") {
			t.Errorf("%+v", s)
		}
		u.set(func() { u.down = nil })
		time.Sleep(DefaultBackoffMax)
		s := w.status()
		if s.State != feed.Live || s.Problem != "" || s.Connections != 2 || s.Gaps != 2 || s.Messages[feed.Published] != 6 {
			t.Errorf("%+v", s)
		}
		w.bridges.Close(t.Context())
		if h := withoutTimes(w.history("eth/heads")); h != `bridge.gap {"type":"bridge.gap","bridge":"eth","to":"","reason":"start"}
"1.0"
"1.1"
"1.2"
bridge.away {"type":"bridge.away","bridge":"eth","from":"","reason":"upstream"}
bridge.gap {"type":"bridge.gap","bridge":"eth","from":"","to":"","reason":"upstream"}
"2.0"
"2.1"
"2.2"
bridge.away {"type":"bridge.away","bridge":"eth","from":"","reason":"stopped"}
` {
			t.Error(h)
		}
		w.close(u)
		if !strings.Contains(w.log.String(), "no route") || !strings.Contains(w.log.String(), "again_in=") {
			t.Errorf("the log is\n%s", w.log)
		}
	})
}

// TestSilence: an upstream that is there and says nothing is left, by a ping that it does not answer, or because it has said
// nothing for too long.
func TestSilence(t *testing.T) {
	for name, spec := range map[string]func(s *Spec){
		"idle":    func(s *Spec) { s.Idle = 15 * time.Second },
		"stalled": func(*Spec) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var u *upstream
				u = newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
					conn, err := ws.Accept(w, r, &ws.AcceptOptions{Options: ws.Options{PingInterval: ws.NoLimit}})
					if err != nil {
						t.Error(err)
						return
					}
					defer conn.CloseNow()
					if name == "idle" { // it answers pings
						_, _, _ = conn.Read(r.Context())
						_, _, _ = conn.Read(r.Context())
					} else {
						<-u.closed
					}
				})
				s := specFor(t, "eth", "eth/heads")
				spec(s)
				w := newWorld(t, u, nil, nil, s)
				time.Sleep(14 * time.Second)
				if s := w.status(); s.State != feed.Live || s.Connections != 1 {
					t.Errorf("%+v", s)
				}
				time.Sleep(2*DefaultPing + DefaultBackoffMin - 14*time.Second + time.Second)
				if s := w.status(); s.Connections < 2 {
					t.Errorf("%+v", s)
				}
				if h := withoutTimes(w.history("eth/heads")); !strings.Contains(h, "bridge.away {") || strings.Count(h, "bridge.gap {") < 2 {
					t.Error(h)
				}
				w.close(u)
			})
		})
	}
}

// TestRefused: what the upstream says about a handshake is said, and where a redirect leads is not followed.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no key", http.StatusForbidden) })
		s := specFor(t, "eth", "eth/heads")
		s.Header = http.Header{"X-Key": {"k"}}
		s.Subprotocol = "feed.v1"
		w := newWorld(t, u, nil, nil, s)
		if s := w.status(); s.State != feed.Away || !strings.Contains(s.Problem, "403") || strings.Contains(s.Problem, "/feed") {
			t.Errorf("%+v", s)
		}
		u.set(func() {
			u.serve = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "ws://127.0.0.1:2/", http.StatusFound)
			}
		})
		time.Sleep(time.Minute)
		u.set(func() { u.dials = 0 })
		time.Sleep(2 * time.Minute)
		if s := w.status(); !strings.Contains(s.Problem, "redirects are not followed") {
			t.Errorf("%+v", s)
		}
		u.set(func() {
			if u.dials < 2 || u.dials > 40 { // 30 s at most between them, drawn
				t.Errorf("%d dials in two minutes", u.dials)
			}
			u.serve = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("X-Key") != "k" || r.URL.Path != "/feed" {
					t.Errorf("%s with %v", r.URL, r.Header)
				}
				conn, err := ws.Accept(w, r, &ws.AcceptOptions{Subprotocols: []string{"feed.v1"}})
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.CloseNow()
				if conn.Subprotocol() != "feed.v1" {
					t.Errorf("subprotocol %q", conn.Subprotocol())
				}
				for err == nil {
					_, _, err = conn.Read(r.Context())
				}
			}
		})
		time.Sleep(DefaultBackoffMax)
		if s := w.status(); s.State != feed.Live {
			t.Errorf("%+v", s)
		}
		w.close(u)
	})
}

// TestHostile: what is no good is counted, said now and then, and leaves the connection and what is good alone.
func TestHostile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const floods = 1000
		u := newUpstream(t, socket(func(ctx context.Context, conn *ws.Conn) {
			_, _, _ = conn.Read(ctx)
			for range floods {
				_ = say(ctx, conn, "garbage")
			}
			_ = conn.Write(ctx, ws.MessageBinary, []byte{1})
			_ = say(ctx, conn, `{"s":"a"}`)
			_ = say(ctx, conn, `"`+strings.Repeat("x", 999)+`"`) // a byte too long
			_ = say(ctx, conn, `{"s":"a"}`)
			_ = say(ctx, conn, `{"s":"`+strings.Repeat("y", 900)+`"}`)
			_, _, _ = conn.Read(ctx)
		}))
		w := newWorld(t, u, nil, nil, specFor(t, "x", "x/{/s}"))
		time.Sleep(time.Second)
		s := w.status()
		want := map[feed.Outcome]uint64{feed.NotJSON: floods, feed.Binary: 1, feed.TooLong: 1, feed.Published: 2, feed.Unusable: 1}
		for _, o := range feed.Outcomes() {
			if s.Messages[o] != want[o] {
				t.Errorf("%d messages are %v, want %d", s.Messages[o], o, want[o])
			}
		}
		if s.State != feed.Live || s.Connections != 1 {
			t.Errorf("%+v", s)
		}
		if h := withoutTimes(w.history("x/a")); h != `bridge.gap {"type":"bridge.gap","bridge":"x","to":"","reason":"start"}
{"s":"a"}
bridge.gap {"type":"bridge.gap","bridge":"x","from":"","to":"","reason":"lost"}
{"s":"a"}
` {
			t.Error(h)
		}
		if n := strings.Count(w.log.String(), "that is not JSON"); n != 1 {
			t.Errorf("%d lines about what is not JSON", n)
		}
		w.close(u)

		// A message that is much too long ends the connection.
		u = newUpstream(t, socket(func(ctx context.Context, conn *ws.Conn) {
			_, _, _ = conn.Read(ctx)
			_ = say(ctx, conn, `"`+strings.Repeat("x", 1000*skippedTimes)+`"`)
			_, _, err := conn.Read(ctx)
			if code := ws.CloseStatus(err); code != 1009 && ctx.Err() == nil {
				t.Errorf("closed with %v: %v", code, err)
			}
		}))
		w = newWorld(t, u, nil, nil, specFor(t, "x", "x"))
		time.Sleep(pause)
		if s := w.status(); s.State == feed.Live && s.Connections == 1 {
			t.Errorf("%+v", s)
		}
		w.close(u)
	})
}

// TestSlowBroker: an upstream is read as far as the broker keeps up, and nothing is lost or given twice.
func TestSlowBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const all = 5 * unansweredMax
		sent := make(chan int, all)
		u := newUpstream(t, socket(func(ctx context.Context, conn *ws.Conn) {
			_, _, _ = conn.Read(ctx)
			padding := strings.Repeat("x", 900)
			for i := range all {
				if say(ctx, conn, fmt.Sprintf(`{"i":%d,"p":"%s"}`, i, padding)) != nil {
					return
				}
				sent <- i
			}
			_, _, _ = conn.Read(ctx)
		}))
		b := newSlowBroker(t)
		b.set(true, false)
		w := newWorld(t, u, b, nil, specFor(t, "eth", "eth/heads"))
		time.Sleep(2 * time.Second)
		s := w.status()
		if s.Unanswered != unansweredMax+1 || s.Lag < time.Second || len(sent) >= all {
			t.Errorf("%d sent, %+v", len(sent), s)
		}
		if waited := b.set(false, false); waited != unansweredMax {
			t.Errorf("%d publications waited", waited)
		}
		time.Sleep(time.Second)
		if s := w.status(); s.Unanswered != 0 || s.Lag != 0 || s.Messages[feed.Published] != all || s.Messages[feed.Lost] != 0 || s.Gaps != 1 {
			t.Errorf("%+v", s)
		}
		lines := strings.Split(w.history("eth/heads"), "\n")
		for i, line := range lines[len(lines)-1-500 : len(lines)-1] {
			if !strings.HasPrefix(line, `{"i":`+strconv.Itoa(all-500+i)+",") {
				t.Fatalf("%.20s is at %d", line, all-500+i)
			}
		}
		w.close(u)
	})
}

// TestBrokerAway: what the broker does not take is announced when it is back.
func TestBrokerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, socket(func(ctx context.Context, conn *ws.Conn) {
			_, _, _ = conn.Read(ctx)
			for i := range 6 {
				_ = say(ctx, conn, strconv.Itoa(i))
				time.Sleep(time.Second)
			}
			_, _, _ = conn.Read(ctx)
		}))
		b := newSlowBroker(t)
		w := newWorld(t, u, b, nil, specFor(t, "eth", "eth/heads"))
		time.Sleep(1500 * time.Millisecond)
		b.set(false, true)
		time.Sleep(2 * time.Second)
		b.set(false, false)
		time.Sleep(5 * time.Second)
		if s := w.status(); s.Messages[feed.Lost] != 2 || s.Messages[feed.Published] != 4 || s.Connections != 1 {
			t.Errorf("%+v", s)
		}
		if h := withoutTimes(w.history("eth/heads")); h != `bridge.gap {"type":"bridge.gap","bridge":"eth","to":"","reason":"start"}
0
1
bridge.gap {"type":"bridge.gap","bridge":"eth","from":"","to":"","reason":"lost"}
4
5
` {
			t.Error(h)
		}
		w.close(u)
	})
}
