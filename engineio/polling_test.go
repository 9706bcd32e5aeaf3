package engineio_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/engineio"
)

func TestPolling(t *testing.T) {
	h := hooks{
		open: func(s *engineio.Socket) {
			if s.Transport() != engineio.Polling || s.Version() != 4 || s.RemoteAddr() == nil || s.Buffered() != 0 {
				t.Errorf("%v, %d, %v, %d", s.Transport(), s.Version(), s.RemoteAddr(), s.Buffered())
			}
			_ = s.Write(engineio.MessageText, []byte("welcome"))
		},
	}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		sid, rest := s.open(t)
		if rest != "4welcome" {
			t.Errorf("behind the open packet came %q", rest)
		}
		a := s.post(t, sid, "4hello\x1e4€\x1ebAQIDBA==")
		if a.status != 200 || a.body != "ok" || a.header.Get("Content-Type") != "text/html" {
			t.Errorf("%+v", a)
		}
		s.hears(t, sid, "4hello\x1e4€\x1ebAQIDBA==")
		polled := make(chan answer, 1)
		go func() {
			a, _ := s.try(t.Context(), "GET", poll4+"&sid="+sid, "")
			polled <- a
		}()
		for s.post(t, sid, "4later").status != 200 {
			t.Fatal("a POST is refused")
		}
		if a := next(t, polled); a.body != "4later" {
			t.Errorf("%+v", a)
		}
		if n := s.server.Len(); n != 1 {
			t.Errorf("there are %d sessions", n)
		}
		go func() {
			a, _ := s.try(t.Context(), "GET", poll4+"&sid="+sid, "")
			polled <- a
		}()
		for s.server.Len() == 1 { // the poll may have come, or come too late
			s.post(t, sid, "1")
		}
		if a := next(t, polled); a.body != "6" && a.status != 400 {
			t.Errorf("%+v", a)
		}
		if r := next(t, s.reasons); r != engineio.ReasonTransportClose {
			t.Error(r)
		}
		if a := s.poll(t, sid); a.status != 400 || a.body != `{"code":1,"message":"Session ID unknown"}` {
			t.Errorf("%+v", a)
		}
		if stats := s.server.Stats(); stats.Polling != 0 || stats.Opened != 1 || stats.Closed[engineio.ReasonTransportClose] != 1 || stats.UnknownSID == 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// The faults of a request are found in the order of the reference, and told in its words.
func TestErrors(t *testing.T) {
	onBoth(t, engineio.Options{Origins: origins(t, "https://good.example")}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		_, onSocket := s.openSocket(t)
		const unknown = "AAAAAAAAAAAAAAAAAAAA"
		for _, c := range []struct {
			method, query string
			status        int
			want          string
			fields        []string
		}{
			{"GET", "EIO=4", 400, `{"code":0,"message":"Transport unknown"}`, nil},
			{"GET", "EIO=4&transport=abc", 400, `{"code":0,"message":"Transport unknown"}`, nil},
			{"GET", "EIO=4&transport=webtransport&sid=" + sid, 400, `{"code":0,"message":"Transport unknown"}`, nil},
			{"GET", poll4 + "&sid=" + unknown, 400, `{"code":1,"message":"Session ID unknown"}`, nil},
			{"POST", poll4 + "&sid=" + unknown, 400, `{"code":1,"message":"Session ID unknown"}`, nil},
			{"POST", poll4 + "&sid=abc", 400, `{"code":1,"message":"Session ID unknown"}`, nil},
			{"GET", poll4 + "&sid=" + sid + "x", 400, `{"code":1,"message":"Session ID unknown"}`, nil},
			{"POST", poll4, 400, `{"code":2,"message":"Bad handshake method"}`, nil},
			{"PUT", poll4, 400, `{"code":2,"message":"Bad handshake method"}`, nil},
			{"DELETE", poll4 + "&sid=" + sid, 400, `{"code":2,"message":"Bad handshake method"}`, nil},
			{"GET", socket4, 400, `{"code":3,"message":"Bad request"}`, nil},
			{"GET", socket4 + "&sid=" + sid, 400, `{"code":3,"message":"Bad request"}`, nil},
			{"GET", poll4 + "&sid=" + onSocket, 400, `{"code":3,"message":"Bad request"}`, nil},
			{"POST", poll4 + "&sid=" + onSocket, 400, `{"code":3,"message":"Bad request"}`, nil},
			{"GET", "EIO=3&transport=polling&sid=" + sid, 400, `{"code":3,"message":"Bad request"}`, nil},
			{"GET", poll4 + "&j=0", 400, `{"code":3,"message":"Bad request"}`, nil},
			{"GET", "EIO=3&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`, nil},
			{"GET", "transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`, nil},
			{"GET", "EIO=abc&transport=polling", 400, `{"code":5,"message":"Unsupported protocol version"}`, nil},
			{"GET", poll4, 403, `{"code":4,"message":"Forbidden"}`, []string{"Origin", "https://bad.example"}},
			{"POST", poll4 + "&sid=" + sid, 403, `{"code":4,"message":"Forbidden"}`, []string{"Origin", "https://bad.example"}},
			{"GET", poll4 + "&sid=" + unknown, 403, `{"code":4,"message":"Forbidden"}`, []string{"Origin", "null"}},
			{"GET", "EIO=4&transport=x", 400, `{"code":0,"message":"Transport unknown"}`, []string{"Origin", "null"}},
		} {
			body := ""
			if c.method == "POST" || c.method == "PUT" {
				body = "4hello"
			}
			a := s.do(t, c.method, c.query, body, c.fields...)
			if a.status != c.status || a.body != c.want || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %s: %d %s, want %d %s", c.method, c.query, a.status, a.body, c.status, c.want)
			}
		}
		if a := s.post(t, sid, "4still here"); a.status != 200 {
			t.Errorf("the session has suffered: %+v", a)
		}
		s.hears(t, sid, "4still here")
	})
}

// A request for a WebSocket is refused before it is one, in plain text.
func TestRefusedUpgrades(t *testing.T) {
	onBoth(t, engineio.Options{Origins: origins(t, "https://good.example")}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		for _, c := range []struct {
			query, want string
			status      int
		}{
			{"EIO=4&transport=x", "Transport unknown", 400},
			{socket4 + "&sid=AAAAAAAAAAAAAAAAAAAA", "Session ID unknown", 400},
			{"EIO=3&transport=websocket&sid=" + sid, "Bad request", 400},
			{poll4, "Bad request", 400},
			{poll4 + "&sid=" + sid, "Bad request", 400},
			{"EIO=3&transport=websocket", "Unsupported protocol version", 400},
		} {
			a := s.do(t, "GET", c.query, "", "Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
			if a.status != c.status || strings.TrimSpace(a.body) != c.want || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") || !a.isLast {
				t.Errorf("%s: %+v", c.query, a)
			}
		}
	})
}

// A second poll ends the session, and so does a second POST.
func TestOverlaps(t *testing.T) {
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		polled := make(chan answer, 2)
		for range 2 {
			go func() {
				a, _ := s.try(t.Context(), "GET", poll4+"&sid="+sid, "")
				polled <- a
			}()
		}
		one, two := next(t, polled), next(t, polled)
		if one.status != 200 {
			one, two = two, one
		}
		if one.status != 200 || one.body != "1" || two.status != 400 || two.body != `{"code":3,"message":"Bad request"}` {
			t.Errorf("%+v, %+v", one, two)
		}
		if r := next(t, s.reasons); r != engineio.ReasonTransportError {
			t.Error(r)
		}
		if a := s.poll(t, sid); a.status != 400 || !strings.Contains(a.body, `"code":1`) {
			t.Errorf("%+v", a)
		}

		sid, _ = s.open(t)
		c := s.raw(t)
		fmt.Fprintf(c, "POST /engine.io/?%s&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4hel", poll4, sid)
		a := s.post(t, sid, "4hello")
		for a.status == 200 { // the first has not come yet
			a = s.post(t, sid, "4hello")
		}
		if a.status != 400 || !strings.Contains(a.body, `"code":3`) {
			t.Errorf("%+v", a)
		}
		if r := next(t, s.reasons); r != engineio.ReasonTransportError {
			t.Error(r)
		}
	})
}

// raw is a connection with chosen bytes.
type raw struct {
	net.Conn
	in *bufio.Reader
}

func (s *site) raw(t testing.TB) *raw {
	address, _, _ := strings.Cut(strings.TrimPrefix(s.url, "http://"), "/")
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &raw{c, bufio.NewReader(c)}
}

func (c *raw) response(t testing.TB) *http.Response {
	t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Body.Close() })
	return r
}

// A body that is no payload ends the session, as do payloads that are too large or too slow.
func TestBadPosts(t *testing.T) {
	onBoth(t, engineio.Options{MaxPayload: 100, BodyTimeout: bodyTimeout}, hooks{}, func(t *testing.T, s *site) {
		for _, c := range []struct {
			body, typ string
			status    int
			reason    engineio.Reason
		}{
			{"abc", "text/plain", 400, engineio.ReasonParseError},
			{"", "text/plain", 400, engineio.ReasonParseError},
			{"4a\x1e", "text/plain", 400, engineio.ReasonParseError},
			{"4\xff", "text/plain", 400, engineio.ReasonParseError},
			{"2", "text/plain", 200, engineio.ReasonParseError},
			{"4a", "application/octet-stream", 400, engineio.ReasonTransportError},
			{"4" + strings.Repeat("x", 100), "text/plain", 413, engineio.ReasonTooLarge},
		} {
			sid, _ := s.open(t)
			a := s.do(t, "POST", poll4+"&sid="+sid, c.body, "Content-Type", c.typ)
			if a.status != c.status {
				t.Errorf("%.20q: %+v", c.body, a)
			}
			if r := next(t, s.reasons); r != c.reason {
				t.Errorf("%.20q: %v", c.body, r)
			}
			if a := s.poll(t, sid); a.status != 400 {
				t.Errorf("%.20q: %+v", c.body, a)
			}
		}
		sid, _ := s.open(t)
		if a := s.post(t, sid, "4"+strings.Repeat("x", 99)); a.status != 200 {
			t.Errorf("a payload of MaxPayload: %+v", a)
		}
		c := s.raw(t)
		fmt.Fprintf(c, "POST /engine.io/?%s&sid=%s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n4hel", poll4, sid)
		if r := c.response(t); r.StatusCode != http.StatusRequestTimeout {
			t.Errorf("a slow body: %s", r.Status)
		}
		if r := next(t, s.reasons); r != engineio.ReasonTransportError {
			t.Errorf("a slow body: %v", r)
		}
	})
}

// A POST of very many packets does not hold up an event loop: its messages come all the
// same, in order, and before those of the next.
func TestLongPost(t *testing.T) {
	const many = 20_000
	heard := make(chan int, 1)
	h := hooks{
		open: func(s *engineio.Socket) { s.SetValue(new(int)) },
		message: func(s *engineio.Socket, _ engineio.MessageType, data []byte) {
			n := s.Value().(*int)
			if string(data) != fmt.Sprint(*n) {
				t.Errorf("got %s, want %d", data, *n)
			}
			if *n++; *n == many {
				heard <- *n
			}
		},
	}
	onBoth(t, engineio.Options{}, h, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		for half := range 2 {
			var b strings.Builder
			for i := range many / 2 {
				if i > 0 {
					b.WriteByte(0x1e)
				}
				fmt.Fprintf(&b, "4%d", half*many/2+i)
			}
			if a := s.post(t, sid, b.String()); a.body != "ok" {
				t.Fatalf("%+v", a)
			}
		}
		next(t, heard)
	})
}

// A client that goes while its poll waits has ended its session.
func TestPollGivenUp(t *testing.T) {
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		sid, _ := s.open(t)
		c := s.raw(t)
		fmt.Fprintf(c, "GET /engine.io/?%s&sid=%s HTTP/1.1\r\nHost: x\r\n\r\n", poll4, sid)
		_ = c.Close()
		if r := next(t, s.reasons); r != engineio.ReasonTransportClose {
			t.Error(r)
		}
	})
}

// Thousands of clients come back to a server that does not know them.
func TestUnknownSessions(t *testing.T) {
	onBoth(t, engineio.Options{}, hooks{}, func(t *testing.T, s *site) {
		c := s.raw(t)
		const many = 2000
		go func() {
			for i := range many {
				body := "4x"
				method := "POST"
				if i%2 == 0 {
					method, body = "GET", ""
				}
				fmt.Fprintf(c, "%s /engine.io/?%s&sid=%020d HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, poll4, i, len(body), body)
			}
		}()
		for range many {
			r := c.response(t)
			if r.StatusCode != 400 || r.Close {
				t.Fatalf("%v", r)
			}
			_ = r.Body.Close()
		}
		if stats := s.server.Stats(); stats.UnknownSID != many || stats.Refused != many || s.server.Len() != 0 {
			t.Errorf("%+v", stats)
		}
	})
}

// A prefix is a part of the SID, and a SID without it is nobody's.
func TestSIDPrefix(t *testing.T) {
	onBoth(t, engineio.Options{SIDPrefix: "node-1."}, hooks{}, func(t *testing.T, s *site) {
		_, sid, _ := strings.Cut(s.do(t, "GET", poll4, "").body, `"sid":"`)
		sid, _, _ = strings.Cut(sid, `"`)
		random, ok := strings.CutPrefix(sid, "node-1.")
		if !ok || len(random) != 20 {
			t.Fatal(sid)
		}
		if a := s.post(t, sid, "4hello"); a.body != "ok" {
			t.Errorf("%+v", a)
		}
		for query, want := range map[string]string{
			"EIO=4&sid=" + sid: sid, "sid=" + strings.ReplaceAll(sid, ".", "%2E"): sid, "sid=" + random: random, "sid=node-2." + random: "node-2." + random, "sid=" + sid + "x": sid + "x", "": "",
		} {
			if got, isHere := s.server.SessionOf(query); got != want || isHere != (want == sid) {
				t.Errorf("%q: %q, %t", query, got, isHere)
			}
		}
		for _, other := range []string{random, "node-2." + random, "node-1.x"} {
			if a := s.post(t, other, "4hello"); a.status != 400 || !strings.Contains(a.body, "Session ID unknown") {
				t.Errorf("%q: %+v", other, a)
			}
		}
	})
}
