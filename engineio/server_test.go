package engineio_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Allow decides about each handshake by what its head says, at once or later.
func TestAllow(t *testing.T) {
	allow := func(r *engineio.Request, decide func(engineio.Verdict)) {
		if r.Path() != "/engine.io/" || r.Host() == "" || r.Secure() || !r.RemoteAddr().IsValid() || r.Version() != 4 ||
			r.Header().Get("X-Token") != r.Get("x-token") || (r.HTTP() == nil) == (r.Engine() == nil) || r.Query().Get("EIO") != "4" {
			t.Errorf("%s %s %v %d", r.Path(), r.Host(), r.RemoteAddr(), r.Version())
		}
		verdict := engineio.Verdict{Value: r.Query().Get("user")}
		switch r.Get("X-Token") {
		case "good":
			verdict.Header = http.Header{"X-Greeting": {"hello"}}
		case "bad":
			verdict = engineio.Verdict{Status: 403}
		case "fast":
			verdict = engineio.Verdict{Status: 429, Message: "slow\ndown", Header: http.Header{"Retry-After": {"7"}}}
		case "odd":
			verdict = engineio.Verdict{Status: 200}
		}
		if r.Query().Get("later") == "" {
			decide(verdict)
			decide(engineio.Verdict{Status: 500}) // is too late
			return
		}
		time.AfterFunc(time.Millisecond, func() { decide(verdict) })
	}
	values := make(chan any, 1)
	h := hooks{open: func(s *engineio.Socket) { values <- s.Value() }}
	onBoth(t, engineio.Options{Allow: allow}, h, func(t *testing.T, s *site) {
		for _, later := range []string{"", "&later=1"} {
			a := s.do(t, "GET", poll4+"&user=ann"+later, "", "X-Token", "good")
			if a.status != 200 || a.header.Get("X-Greeting") != "hello" || next(t, values) != "ann" {
				t.Errorf("%+v", a)
			}
			sid, _ := opened(t, a.body)
			if a := s.post(t, sid, "4x"); a.status != 200 || a.header.Get("X-Greeting") != "" {
				t.Errorf("Allow is about handshakes: %+v", a)
			}
			s.hears(t, sid, "4x")
			for token, want := range map[string]answer{
				"bad":  {status: 403, body: `{"code":4,"message":"Forbidden"}`},
				"fast": {status: 429, body: `{"code":4,"message":"slow\ndown"}`},
				"odd":  {status: 403, body: `{"code":4,"message":"Forbidden"}`},
			} {
				a := s.do(t, "GET", poll4+later, "", "X-Token", token)
				if a.status != want.status || a.body != want.body || token == "fast" && a.header.Get("Retry-After") != "7" {
					t.Errorf("%s: %+v", token, a)
				}
				_, response, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"?"+socket4+later, &ws.DialOptions{Header: http.Header{"X-Token": {token}}})
				if _, ok := errors.AsType[*handshake.ResponseError](err); !ok || response.StatusCode != want.status || token == "fast" && response.Header.Get("Retry-After") != "7" {
					t.Errorf("%s: %v, %v", token, response, err)
				}
			}
			conn, response, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"?"+socket4+"&user=bob"+later, &ws.DialOptions{Header: http.Header{"X-Token": {"good"}}})
			if err != nil || response.Header.Get("X-Greeting") != "hello" || next(t, values) != "bob" {
				t.Fatalf("%v, %v", response, err)
			}
			_ = conn.CloseNow()
		}
		if s.server.Stats().Opened != 4 {
			t.Errorf("%+v", s.server.Stats())
		}
	})
}

func TestSessionsMax(t *testing.T) {
	onBoth(t, engineio.Options{SessionsMax: 2}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		c, _ := s.openSocket(t)
		if a := s.do(t, "GET", poll4, ""); a.status != 503 || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.body, `{"code":`) {
			t.Errorf("%+v", a)
		}
		if _, err := s.tryDial(t, socket4); err == nil {
			t.Error("there is a third")
		}
		up := s.dial(t, socket4+"&sid="+sid) // it is not one more
		up.say("2probe")
		up.hears("3probe")
		_ = c.Close(ws.StatusNormal, "")
		next(t, s.reasons)
		for { // the place is free when OnClose has returned
			if a := s.do(t, "GET", poll4, ""); a.status == 200 {
				break
			}
		}
	})
}

// A client that was let in and finds no place any more is not forgotten in the count.
func TestAbandoned(t *testing.T) {
	decides := make(chan func(engineio.Verdict), 10)
	abandoned := make(chan struct{}, 10)
	opened := make(chan struct{}, 10)
	allow := func(_ *engineio.Request, decide func(engineio.Verdict)) { decides <- decide }
	h := hooks{open: func(*engineio.Socket) { opened <- struct{}{} }}
	onBoth(t, engineio.Options{SessionsMax: 2, Allow: allow}, h, func(t *testing.T, s *site) {
		var clients sync.WaitGroup
		defer clients.Wait()
		for range 2 {
			clients.Go(func() { _, _ = s.try(t.Context(), "GET", poll4, "") })
			clients.Go(func() {
				conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"?"+socket4, nil)
				if err == nil {
					_ = conn.CloseNow()
				}
			})
		}
		var all []func(engineio.Verdict)
		for range 4 {
			all = append(all, next(t, decides))
		}
		for range 2 {
			all[0](engineio.Verdict{Abandoned: func() { abandoned <- struct{}{} }})
			next(t, opened)
			all = all[1:]
		}
		for _, decide := range all {
			decide(engineio.Verdict{Abandoned: func() { abandoned <- struct{}{} }})
		}
		// A WebSocket may have gone before, so there may have been a place.
		for range 2 {
			select {
			case <-abandoned:
			case <-opened:
			case <-time.After(patience):
				t.Fatal("nothing came of a handshake")
			}
		}
	})
}

func TestTransports(t *testing.T) {
	onBoth(t, engineio.Options{Transports: []engineio.Transport{engineio.WebSocket}}, hooks{}, func(t *testing.T, s *site) {
		if a := s.do(t, "GET", poll4, ""); a.status != 400 || !strings.Contains(a.body, `"code":0`) {
			t.Errorf("%+v", a)
		}
		s.openSocket(t)
	})
	onBoth(t, engineio.Options{Transports: []engineio.Transport{engineio.Polling}}, hooks{}, func(t *testing.T, s *site) {
		if a := s.do(t, "GET", poll4, ""); a.status != 200 || !strings.Contains(a.body, `"upgrades":[]`) {
			t.Errorf("%+v", a)
		}
		if _, err := s.tryDial(t, socket4); err == nil {
			t.Error("a WebSocket was opened")
		}
	})
}

// Pages of other origins see answers if the policy lets them, with credentials if it names
// them.
func TestCORS(t *testing.T) {
	const origin = "https://app.example"
	onBoth(t, engineio.Options{Origins: origins(t, origin, "*")}, hooks{}, func(t *testing.T, s *site) {
		a := s.do(t, "OPTIONS", poll4, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-token, content-type")
		if a.status != 204 || a.header.Get("Access-Control-Allow-Headers") != "x-token, content-type" || a.header.Get("Access-Control-Allow-Methods") != "GET, POST" {
			t.Errorf("%+v", a)
		}
		for from, want := range map[string][2]string{origin: {origin, "true"}, "https://other.example": {"*", ""}, "": {"", ""}} {
			var fields []string
			if from != "" {
				fields = []string{"Origin", from}
			}
			a = s.do(t, "GET", poll4, "", fields...)
			sid, _ := opened(t, a.body)
			for _, a := range []answer{a, s.do(t, "POST", poll4+"&sid="+sid, "4x", fields...), s.do(t, "GET", poll4+"&sid="+sid, "", fields...), s.do(t, "GET", poll4+"&sid=x", "", fields...)} {
				if got := [2]string{a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Allow-Credentials")}; got != want {
					t.Errorf("%s: %v, want %v", from, got, want)
				}
			}
		}
	})
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		if a := s.do(t, "OPTIONS", poll4, "", "Origin", origin, "Access-Control-Request-Method", "POST"); a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%+v", a)
		}
	})
}

func TestCookie(t *testing.T) {
	onBoth(t, engineio.Options{Cookie: &http.Cookie{Name: "io"}}, hooks{}, func(t *testing.T, s *site) {
		a := s.do(t, "GET", poll4, "")
		sid, _ := opened(t, a.body)
		if got := a.header.Get("Set-Cookie"); got != "io="+sid+"; Path=/; HttpOnly; SameSite=Lax" {
			t.Errorf("%q", got)
		}
		s.post(t, sid, "4x")
		if a := s.poll(t, sid); a.header.Get("Set-Cookie") != "" {
			t.Errorf("%+v", a)
		}
	})
}

// The queue of a slow client has a limit, beyond which its session ends. A handler that
// asks for it is told when the queue is empty.
func TestQueueFull(t *testing.T) {
	sockets := make(chan *engineio.Socket, 1)
	drained := make(chan struct{}, 1)
	h := hooks{open: func(s *engineio.Socket) { sockets <- s }, drain: func(*engineio.Socket) { drained <- struct{}{} }}
	onBoth(t, engineio.Options{QueueBytesMax: 1000, QueueMessagesMax: 3}, h, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		one := next(t, sockets)
		for range 3 {
			if err := one.Write(engineio.MessageText, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if n := one.Buffered(); n != 3 {
			t.Errorf("%d bytes wait", n)
		}
		s.hears(t, sid, "4x\x1e4x\x1e4x")
		next(t, drained)
		big := []byte(strings.Repeat("x", 5000))
		if err := one.Write(engineio.MessageText, big); err != nil {
			t.Errorf("one message may always wait: %v", err)
		}
		if err := one.Write(engineio.MessageText, []byte("x")); !errors.Is(err, engineio.ErrQueueFull) {
			t.Error(err)
		}
		if r := next(t, s.reasons); r != engineio.ReasonQueueFull {
			t.Error(r)
		}
		if a := s.poll(t, sid); a.status != 400 {
			t.Errorf("%+v", a)
		}

		s.openSocket(t) // and is not read
		one = next(t, sockets)
		packet := engineio.AppendMessage(nil, engineio.MessageBinary, make([]byte, 1<<20))
		var err error
		for err == nil {
			err = one.WritePackets(packet)
		}
		if !errors.Is(err, engineio.ErrQueueFull) {
			t.Error(err)
		}
		if r := next(t, s.reasons); r != engineio.ReasonQueueFull {
			t.Error(r)
		}
		if err := one.WritePackets(packet); !errors.Is(err, engineio.ErrClosed) {
			t.Error(err)
		}
	})
}

// A client whose messages are not wanted waits.
func TestPauseReading(t *testing.T) {
	sockets := make(chan *engineio.Socket, 1)
	heard := make(chan string, 100)
	h := hooks{
		open: func(s *engineio.Socket) { sockets <- s },
		message: func(s *engineio.Socket, _ engineio.MessageType, data []byte) {
			if heard <- string(data); string(data) == "pause" {
				s.PauseReading()
			}
		},
	}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		one := next(t, sockets)
		posted := make(chan answer, 1)
		go func() {
			a, _ := s.try(t.Context(), "POST", poll4+"&sid="+sid, "4pause\x1e4behind")
			posted <- a
		}()
		if a, b := next(t, heard), next(t, heard); a != "pause" || b != "behind" {
			t.Errorf("%q, %q", a, b)
		}
		select {
		case a := <-posted:
			t.Errorf("it was answered: %+v", a)
		case <-time.After(30 * time.Millisecond):
		}
		one.ResumeReading()
		if a := next(t, posted); a.body != "ok" {
			t.Errorf("%+v", a)
		}

		c, _ := s.openSocket(t)
		one = next(t, sockets)
		c.say("4pause")
		next(t, heard)
		c.say("4behind")
		select {
		case m := <-heard:
			t.Errorf("%q was read", m)
		case <-time.After(30 * time.Millisecond):
		}
		one.ResumeReading()
		if m := next(t, heard); m != "behind" {
			t.Error(m)
		}
	})
}

// Everybody does everything at the same time.
func TestConcurrency(t *testing.T) {
	var mu sync.Mutex
	calling := map[*engineio.Socket]bool{}
	enter := func(s *engineio.Socket) func() {
		mu.Lock()
		defer mu.Unlock()
		if calling[s] {
			t.Error("two calls for one socket at the same time")
		}
		calling[s] = true
		return func() {
			mu.Lock()
			defer mu.Unlock()
			calling[s] = false
		}
	}
	var others sync.WaitGroup
	h := hooks{
		open: func(s *engineio.Socket) {
			defer enter(s)()
			for i := range 4 {
				others.Go(func() {
					for range 100 {
						switch i {
						case 0:
							s.Wake()
						case 1:
							_ = s.Write(engineio.MessageText, []byte("x"))
						case 2:
							s.WakeAt(time.Now().Add(time.Microsecond))
							s.Buffered()
							s.PauseReading()
							s.ResumeReading()
						case 3:
							_ = s.WritePackets(engineio.AppendMessage(nil, engineio.MessageBinary, []byte{1}))
						}
					}
				})
			}
		},
		message: func(s *engineio.Socket, typ engineio.MessageType, data []byte) {
			defer enter(s)()
			_ = s.Write(typ, data)
		},
		wake:   func(s *engineio.Socket) { defer enter(s)(); _ = s.Write(engineio.MessageText, []byte("awake")) },
		drain:  func(s *engineio.Socket) { enter(s)() },
		closed: func(s *engineio.Socket, _ engineio.Reason) { enter(s)() },
	}
	onBoth(t, engineio.Options{QueueBytesMax: 64 << 20, QueueMessagesMax: 1 << 20}, h, func(t *testing.T, s *site) {
		var clients sync.WaitGroup
		for i := range 8 {
			clients.Go(func() {
				sid, _ := s.open(t)
				c := s.dial(t, socket4+"&sid="+sid)
				for range 5 {
					s.post(t, sid, "4hello")
					s.poll(t, sid)
				}
				c.say("2probe")
				c.hears("3probe")
				c.say("5")
				for range 20 {
					c.say("4hello")
				}
				switch i % 4 {
				case 0:
					_ = c.CloseNow()
				case 1:
					_ = c.Close(ws.StatusNormal, "")
				case 2:
					c.say("1")
					c.ends()
				}
			})
		}
		clients.Wait()
		_ = s.server.Close()
		others.Wait()
		if stats := s.server.Stats(); s.server.Len() != 0 || stats.Polling != 0 || stats.WebSocket != 0 || stats.Opened != 8 || len(s.reasons) != 8 {
			t.Errorf("%+v, and %d ends", stats, len(s.reasons))
		}
	})
}
