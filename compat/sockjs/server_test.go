package sockjs_test

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/compat/sockjs"
	"github.com/godwit-io/godwit/hub"
	library "github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// stream begins a response that goes on, without its prelude.
func (s *site) stream(path string) *bufio.Reader {
	s.t.Helper()
	r := s.ask("POST", path, "")
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("%v", r)
	}
	in := bufio.NewReader(r.Body)
	if prelude := line(s.t, in); strings.Trim(prelude, "h") != "" || len(prelude) != 2048 {
		s.t.Errorf("%q is no prelude", prelude)
	}
	return in
}

func (s *site) events(path string) *bufio.Reader {
	s.t.Helper()
	r := s.ask("GET", path, "", "Accept", "text/event-stream")
	if r.StatusCode != http.StatusOK {
		s.t.Fatalf("%v", r)
	}
	in := bufio.NewReader(r.Body)
	for line(s.t, in) != "event: position" {
	}
	for line(s.t, in) != "" {
	}
	return in
}

// heard reads an event stream up to the next message.
func heard(t testing.TB, in *bufio.Reader, want string) {
	t.Helper()
	for {
		if data, ok := strings.CutPrefix(line(t, in), "data: "); ok && data != "" {
			if data != want {
				t.Errorf("the event stream says %q, want %q", data, want)
			}
			return
		}
	}
}

// Every subscriber of a channel hears everybody: curl, the transports of SockJS, its raw WebSocket
// and an event stream.
func TestEverybodyHears(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		sse := s.events("/channels/chat/room")
		s.members("chat/room", 1)
		framed := s.dial("/sockjs/chat/room/000/aaaaaaaa/websocket", nil)
		framed.expect("o")
		raw := s.dial("/sockjs/chat/room/websocket", nil)
		streaming := s.stream("/sockjs/chat/room/000/bbbbbbbb/xhr_streaming")
		if got := line(t, streaming); got != "o" {
			t.Errorf("%q", got)
		}
		s.expect("POST", "/sockjs/chat/room/000/cccccccc/xhr", "", 200, "o\n")
		source := s.ask("GET", "/sockjs/chat/room/000/dddddddd/eventsource", "")
		eventsource := bufio.NewReader(source.Body)
		if got := line(t, eventsource); got != "\r" {
			t.Errorf("%q", got)
		}
		heard(t, eventsource, "o\r")
		line(t, eventsource)
		names := make(map[string]int)
		for _, m := range s.members("chat/room", 6) {
			names[m.Transport]++
		}
		for _, name := range []string{"sse", "websocket", "sockjs-websocket", "sockjs-xhr-streaming", "sockjs-xhr-polling", "sockjs-eventsource"} {
			if names[name] != 1 {
				t.Errorf("%d members are there by %s: %v", names[name], name, names)
			}
		}

		for _, say := range []struct {
			text string
			by   func(text string)
		}{
			{"curl", func(text string) {
				if status, got := s.do("POST", "/channels/chat/room", text, "Content-Type", "text/plain"); status/100 != 2 {
					t.Errorf("%d %s", status, got)
				}
			}},
			{"framed", func(text string) { framed.send(`["` + text + `"]`) }},
			{"raw", func(text string) { raw.send(text) }},
			{"xhr_send", func(text string) {
				s.expect("POST", "/sockjs/chat/room/000/cccccccc/xhr_send", `["`+text+`"]`, 204, "")
			}},
			{`grün "&<>` + "\u2028", func(text string) { s.publish("chat/room", hub.Text, text) }},
		} {
			say.by(say.text)
			frame := `a["` + strings.NewReplacer(`"`, `\"`, "\u2028", `\u2028`).Replace(say.text) + `"]`
			heard(t, sse, say.text)
			framed.expect(frame)
			raw.expect(say.text)
			if got := line(t, streaming); got != frame {
				t.Errorf("the stream says %q, want %q", got, frame)
			}
			heard(t, eventsource, frame+"\r")
			line(t, eventsource)
			s.expect("POST", "/sockjs/chat/room/000/cccccccc/xhr", "", 200, frame+"\n")
		}
	})
}

// A payload that is no text becomes one.
func TestKinds(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		c := s.dial("/sockjs/chat/000/aaaaaaaa/websocket", nil)
		c.expect("o")
		s.publish("chat", hub.JSON, `{"a": [1, "x"]}`)
		c.expect(`a["{\"a\": [1, \"x\"]}"]`)
		s.publish("chat", hub.Binary, "\x00\xff")
		c.expect(`a["AP8="]`)
		s.expect("POST", "/sockjs/chat/000/bbbbbbbb/xhr", "", 200, "o\n")
		s.publish("chat", hub.Binary, "\x00\xff")
		s.expect("POST", "/sockjs/chat/000/bbbbbbbb/xhr", "", 200, "a[\"AP8=\"]\n")
		raw := s.dial("/sockjs/chat/websocket", nil)
		s.publish("chat", hub.Binary, "\x00\xff")
		if typ, got, err := raw.conn.Read(raw.ctx); typ != ws.MessageBinary || string(got) != "\x00\xff" || err != nil {
			t.Errorf("%v %q %v", typ, got, err)
		}
	})
}

// The parameters are those of a channel's WebSocket, on all transports.
func TestParameters(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		for _, text := range []string{"1", "2", "3"} {
			s.publish("news", hub.Text, text)
		}
		c := s.dial("/sockjs/news/000/aaaaaaaa/websocket?last=2", nil)
		c.expect("o")
		c.expect(`a["2","3"]`)
		s.expect("POST", "/sockjs/news/000/bbbbbbbb/xhr?last=2", "", 200, "o\n")
		s.expect("POST", "/sockjs/news/000/bbbbbbbb/xhr?last=2", "", 200, "a[\"2\",\"3\"]\n")

		// A client that asks for it does not hear its own messages.
		quiet := s.dial("/sockjs/news/000/cccccccc/websocket?self=0&json=1", nil)
		quiet.expect("o")
		quiet.send(`["[4]"]`)
		c.expect(`a["[4]"]`)
		s.publish("news", hub.Text, "5")
		quiet.expect(`a["5"]`)
		quiet.send(`["no JSON"]`)
		quiet.expect(`c[1007,"not JSON: on this socket every text message is one valid JSON value"]`)
		quiet.expectEnd(1007)

		enveloped := s.dial("/sockjs/news/000/dddddddd/websocket?envelope=1&last=1", nil)
		enveloped.expect("o")
		_, got, err := enveloped.conn.Read(enveloped.ctx)
		if text := string(got); err != nil || !strings.HasPrefix(text, `a["{\"`) || !strings.Contains(text, `\"data\":\"5\"`) || !strings.Contains(text, `\"position\":\"`) {
			t.Errorf("%s, %v", got, err)
		}
		lost := s.dial("/sockjs/news/000/eeeeeeee/websocket?since=gone:1", nil)
		lost.expect(`c[4410,"position lost"]`)
		lost.expectEnd(4410)
	})
}

// A pattern is several channels at once, each named.
func TestPattern(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		c := s.dial("/sockjs/rooms/*/000/aaaaaaaa/websocket", nil)
		c.expect("o")
		s.publish("rooms/7", hub.Text, "hello")
		for {
			_, got, err := c.conn.Read(c.ctx)
			if err != nil {
				t.Fatal(err)
			}
			if text := string(got); strings.Contains(text, `\"data\":\"hello\"`) {
				if !strings.Contains(text, `\"channel\":\"rooms/7\"`) {
					t.Errorf("%s", text)
				}
				break
			}
		}
	})
}

// What cannot be is said by the first frame, so that a client does not try its other
// transports.
func TestWrongURLs(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		for path, want := range map[string]string{
			"/sockjs/a//b/000/SESSION/xhr":           "channel name",
			"/sockjs/a%2Fb/000/SESSION/xhr":          "encoded slash",
			"/sockjs/a/000/SESSION/xhr?last=x":       "last=",
			"/sockjs/a/000/SESSION/xhr?since=1":      "since=",
			"/sockjs/a/000/SESSION/xhr?self=yes":     "self=",
			"/sockjs/a/000/SESSION/xhr?last=1&self=": "self=",
		} {
			status, got := s.do("POST", strings.Replace(path, "SESSION", random(), 1), "")
			if status != 200 || !strings.HasPrefix(got, "c[4400,") || !strings.Contains(got, want) {
				t.Errorf("%s: %d %q", path, status, got)
			}
		}
		for path, want := range map[string]int{
			"/sockjs/":                            404,
			"/sockjs/000/aaaaaaaa/xhr":            404, // no channel
			"/sockjs/chat":                        200,
			"/sockjs/chat/":                       200,
			"/sockjs/chat/info":                   200,
			"/sockjs/chat/a.b/aaaaaaaa/xhr":       200, // the greeting of a channel of that name
			"/sockjs/chat/000/aaaaaaaa/jsonp?c=x": 404, // it is off
			"/sockjs/chat/000/aaaaaaaa/htmlfile":  404,
			"/sockjs/chat/iframe.html":            404,
		} {
			method := "GET"
			if strings.HasSuffix(path, "/000/aaaaaaaa/xhr") {
				method = "POST"
			}
			if status, got := s.do(method, path, ""); status != want {
				t.Errorf("%s: %d %q, want %d", path, status, got, want)
			}
		}
		if n := s.hub.SessionCount(); n > 0 {
			t.Errorf("%d sessions have begun", n)
		}
	})
}

// A client that may not is told so instead of being told that its session is open.
func TestGuard(t *testing.T) {
	o := siteOptions{transport: transport.Options{Guard: keyed(t, "k", map[string][]string{"subscribe": {"news"}, "publish": {"inbox"}})}}
	onBoth(t, o, func(t *testing.T, s *site) {
		for path, want := range map[string]string{
			"/sockjs/news/000/aaaaaaaa":        `c[4401,"log in first"]`,
			"/sockjs/other/000/aaaaaaaa?key=k": `c[4403,"`,
		} {
			path, query, _ := strings.Cut(path, "?")
			if status, got := s.do("POST", path+"/xhr?"+query, ""); status != 200 || !strings.HasPrefix(got, want) {
				t.Errorf("%d %q, want %q", status, got, want)
			}
			c := s.dial(path+"/websocket?"+query, nil)
			if _, got, err := c.conn.Read(c.ctx); err != nil || !strings.HasPrefix(string(got), want) {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
			if got := line(t, s.stream(path[:len(path)-1]+"z/xhr_streaming?"+query)); !strings.HasPrefix(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if status, got := s.do("POST", path+"/xhr_send?"+query, `["x"]`); status != 404 {
				t.Errorf("a session that was refused takes messages: %d %q", status, got)
			}
		}
		// The grant to subscribe is no grant to publish.
		c := s.dial("/sockjs/news/000/bbbbbbbb/websocket?key=k", nil)
		c.expect("o")
		if m := s.members("news", 1); m[0].User != "ann" {
			t.Errorf("%+v", m)
		}
		c.send(`["x"]`)
		if _, got, err := c.conn.Read(c.ctx); err != nil || !strings.HasPrefix(string(got), "c[4403,") {
			t.Errorf("%q, %v", got, err)
		}
		c.expectEnd(4403)
		// The raw WebSocket is that of the channel.
		_, response, err := ws.Dial(c.ctx, "ws"+strings.TrimPrefix(s.url, "http")+"/sockjs/news/websocket", nil)
		if err == nil || response.StatusCode != 401 {
			t.Errorf("%v, %v", response, err)
		}
		page := s.dial("/sockjs/news/websocket", &ws.DialOptions{Header: http.Header{"Origin": {s.url}}})
		page.expectEnd(4401)
	})
}

// A guard that asks somebody else answers later; the client waits, and is open or refused
// then.
func TestGuardThatTakesTime(t *testing.T) {
	guard := &slowGuard{Guard: keyed(t, "k", map[string][]string{"subscribe": {"news"}}), asked: make(chan func(), 10), left: make(chan struct{}, 10)}
	o := siteOptions{transport: transport.Options{Guard: guard}}
	onBoth(t, o, func(t *testing.T, s *site) {
		for query, want := range map[string]string{"key=k": "o", "": `c[4401,"log in first"]`} {
			c := s.dial("/sockjs/news/000/"+random()+"/websocket?"+query, nil)
			got := make(chan string, 1)
			go func() {
				_, text := s.do("POST", "/sockjs/news/000/"+random()+"/xhr?"+query, "")
				got <- text
			}()
			for range 2 {
				answer := <-guard.asked
				go answer()
			}
			c.expect(want)
			if text := <-got; text != want+"\n" {
				t.Errorf("%q", text)
			}
			_ = c.conn.CloseNow()
		}
	})
}

// slowGuard answers when a test says so.
type slowGuard struct {
	transport.Guard
	asked chan func()
	left  chan struct{}
}

func (g *slowGuard) Identify(r *transport.Request, done func(*transport.Client, error)) {
	g.Guard.Identify(r, func(c *transport.Client, err error) {
		g.asked <- func() { done(c, err) }
	})
}

// The end of the hub is told to everybody, also to clients that ask later.
func TestShutdown(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		c := s.dial("/sockjs/chat/000/aaaaaaaa/websocket", nil)
		c.expect("o")
		s.expect("POST", "/sockjs/chat/000/bbbbbbbb/xhr", "", 200, "o\n")
		in := s.stream("/sockjs/chat/000/cccccccc/xhr_streaming")
		line(t, in)
		done := make(chan error, 1)
		go func() { done <- s.hub.Shutdown(t.Context()) }() // it waits for the client's close frame
		c.expect(`c[1001,"going away"]`)
		c.expectEnd(1001)
		if got := line(t, in); got != `c[1001,"going away"]` {
			t.Errorf("%q", got)
		}
		s.expect("POST", "/sockjs/chat/000/bbbbbbbb/xhr", "", 200, "c[1001,\"going away\"]\n")
		if err := <-done; err != nil {
			t.Error(err)
		}
		for range 3 {
			if end := s.ended.next(t); end != transport.EndShutdown {
				t.Errorf("%v", end)
			}
		}
	})
}

// Too many that begin at once are told to come back.
func TestTooManyAtOnce(t *testing.T) {
	onBoth(t, siteOptions{transport: transport.Options{SessionsPerSecond: 1}}, func(t *testing.T, s *site) {
		refused := 0
		for range 100 {
			switch _, got := s.do("POST", "/sockjs/chat/000/"+random()+"/xhr", ""); got {
			case "o\n":
			case "c[1013,\"too many connect at once; try again later\"]\n":
				refused++
			default:
				t.Fatalf("%q", got)
			}
		}
		if refused == 0 {
			t.Error("nobody was refused")
		}
	})
}

// A message that is too long is refused as on a channel's WebSocket.
func TestLimits(t *testing.T) {
	o := siteOptions{sockjs: sockjs.Options{SockJS: library.Options{MessageBytesMax: 100}}}
	onBoth(t, o, func(t *testing.T, s *site) {
		c := s.dial("/sockjs/chat/000/aaaaaaaa/websocket", nil)
		c.expect("o")
		fits := strings.Repeat("x", 100)
		c.send(`["` + fits + `"]`)
		c.expect(`a["` + fits + `"]`)
		c.send(`["` + fits + `x"]`)
		_, got, err := c.conn.Read(c.ctx)
		if err != nil || !strings.HasPrefix(string(got), "c[1009,") {
			t.Errorf("%q, %v", got, err)
		}
		c.expectEnd(1009)
		if end := s.ended.next(t); end != transport.EndRefused {
			t.Errorf("%v", end)
		}
	})
}

// A session that lasts gets everything that was published between two polls, however many
// messages that are.
func TestManyBetweenTwoPolls(t *testing.T) {
	onBoth(t, siteOptions{hub: hub.Options{Retention: hub.Retention{Count: 10_000}}}, func(t *testing.T, s *site) {
		s.expect("POST", "/sockjs/chat/000/aaaaaaaa/xhr", "", 200, "o\n")
		const most = 3000 // more than a session of SockJS would hold by itself
		for i := range most {
			s.publish("chat", hub.Text, itoa(i))
		}
		got := 0
		for got < most {
			_, text := s.do("POST", "/sockjs/chat/000/aaaaaaaa/xhr", "")
			n := strings.Count(text, ",") + 1
			if want := numbers(got, got+n) + "\n"; text != want {
				t.Fatalf("after %d: %.200q", got, text)
			}
			got += n
		}
	})
}

// Requests whose length is not announced are served, too: an event loop leaves them to
// net/http, and the session is the same.
func TestRequestsOfUnknownLength(t *testing.T) {
	onBoth(t, siteOptions{}, func(t *testing.T, s *site) {
		ask := func(path, body string) *http.Response {
			t.Helper()
			r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+path, io.MultiReader(strings.NewReader(body)))
			if err != nil {
				t.Fatal(err)
			}
			r.ContentLength = -1
			response, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = response.Body.Close() })
			return response
		}
		response := ask("/sockjs/chat/000/aaaaaaaa/xhr_streaming", "x")
		in := bufio.NewReader(response.Body)
		line(t, in)
		if got := line(t, in); got != "o" {
			t.Errorf("%q", got)
		}
		for range 3 {
			if r := ask("/sockjs/chat/000/aaaaaaaa/xhr_send", `["hello"]`); r.StatusCode != 204 {
				t.Errorf("%v", r)
			}
			if got := line(t, in); got != `a["hello"]` {
				t.Errorf("%q", got)
			}
		}
		_ = response.Body.Close()
		if end := s.ended.next(t); end != transport.EndClient {
			t.Errorf("%v", end)
		}
	})
}

func TestOptions(t *testing.T) {
	for option, o := range map[string]sockjs.Options{
		"Path":                    {Path: "sockjs"},
		"SockJS.Base":             {SockJS: library.Options{Base: "/x"}},
		"SockJS.Match":            {SockJS: library.Options{Match: func(string) (string, string, bool) { return "", "", false }}},
		"SockJS.QueueBytesMax":    {SockJS: library.Options{QueueBytesMax: 1}},
		"SockJS.QueueMessagesMax": {SockJS: library.Options{QueueMessagesMax: 1}},
		"SockJS.MessageBytesMax":  {SockJS: library.Options{MessageBytesMax: -1}},
		"SockJS.Heartbeat":        {SockJS: library.Options{Heartbeat: -1}},
	} {
		_, err := sockjs.New(nil, &o)
		if wrong, ok := errors.AsType[*sockjs.OptionError](err); !ok || wrong.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	if _, err := sockjs.NewProtocol(&sockjs.Options{Path: "/"}); err == nil {
		t.Error("all paths are base URLs")
	}
	if _, err := sockjs.New(nil, &sockjs.Options{SockJS: library.Options{MessageBytesMax: library.NoLimit}}); err != nil {
		t.Error(err)
	}
}
