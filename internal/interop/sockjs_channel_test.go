package interop

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// sockjsTransports are those that sockjs-client has in Node, and in a page of another
// origin in Chromium. Others of it are for browsers of old.
var sockjsTransports = map[string][]string{
	"node":     {"websocket", "xhr-streaming", "eventsource", "xhr-polling"},
	"chromium": {"websocket", "xhr-streaming", "xhr-polling", "eventsource", "iframe-eventsource", "iframe-htmlfile", "iframe-xhr-polling", "jsonp-polling"},
}

// openSockJS connects to a channel over one transport.
func openSockJS(t *testing.T, s *stage, conn, host, channel, transport string) *actor {
	t.Helper()
	a := s.open(t, conn, "sockjs", "sockjs-client", "url", "http://"+host+"/sockjs/"+channel, "options", map[string]any{"transports": []string{transport}})
	if opened := a.wants(t, "open"); opened.Transport != transport {
		t.Errorf("it opened over %q, want %q", opened.Transport, transport)
	}
	return a
}

// heard is the text of a message.
func heard(e seen) string {
	var text string
	if e.Event == "message" && json.Unmarshal(e.Data, &text) == nil {
		return text
	}
	return ""
}

// eachSockJS runs a test over every transport in Node and in Chromium, all of them
// at one server, one after another: the client gives up a transport that takes longer
// than some times what a first request took. For the same reason no test with that client is
// one of the parallel ones.
func eachSockJS(t *testing.T, run func(t *testing.T, host string, s *stage, transport, name string)) {
	site, chromium := packagesSite(t), chromiumtest.Shared(t)
	host := serveProtocols(t, sockjsConfig(site.URL), site.URL)
	node := startNodeStage(t)
	for _, transport := range sockjsTransports["node"] {
		t.Run("node "+transport, func(t *testing.T) { run(t, host, node, transport, "node-"+transport) })
	}
	for _, transport := range sockjsTransports["chromium"] {
		t.Run("chromium "+transport, func(t *testing.T) {
			// In a context of its own: all pages of one have six connections to a host.
			run(t, host, openPageStage(t, chromium, site.URL, site), transport, "chromium-"+transport)
		})
	}
}

// TestSockJSNumbers: 10,000 messages both ways over every transport.
func TestSockJSNumbers(t *testing.T) {
	eachSockJS(t, func(t *testing.T, host string, s *stage, transport, name string) {
		a := openSockJS(t, s, name, host, "numbers-"+name, transport)
		numbers(t, host, "numbers-"+name, a, true, func(prefix string) {
			a.do(t, "numbers", "prefix", prefix, "count", numbersCount)
		}, heard)
	})
}

// TestSockJSMessages: every character comes as it was, other kinds of publications
// come as the documentation says, and an end by the application is seen by nobody else.
func TestSockJSMessages(t *testing.T) {
	eachSockJS(t, func(t *testing.T, host string, s *stage, transport, name string) {
		channel := "messages-" + name
		a := openSockJS(t, s, name+"-a", host, channel, transport)
		b := openSockJS(t, s, name+"-b", host, channel, transport)
		var every strings.Builder
		for c := rune(0); c <= 0xffff; c++ {
			if c < 0xd800 || c > 0xdfff {
				every.WriteRune(c)
			}
		}
		every.WriteString("\U00010000🐦\U0010ffff")
		// In parts that a publication can be: a rune has up to 3 bytes.
		all := []rune(every.String())
		var parts []string
		for part := range slices.Chunk(all, 16_000) {
			parts = append(parts, string(part))
		}
		for _, part := range parts {
			a.do(t, "send", "data", part)
		}
		a.do(t, "send", "data", "")
		for _, part := range append(parts, "") {
			for _, c := range []*actor{a, b} {
				if got := heard(c.wants(t, "message")); got != part {
					t.Fatalf("%s heard %s, want %s", c.conn, brief(got), brief(part))
				}
			}
		}
		for _, c := range []struct{ typ, data, heard string }{
			{"text/plain", "text", "text"},
			{"application/json", `{"a": [1,2]}`, `{"a": [1,2]}`},
			{"application/octet-stream", "\x00\xff", "AP8="},
		} {
			body(t, post(t, host, channel, c.typ, c.data), http.StatusCreated)
			if got := heard(b.wants(t, "message")); got != c.heard {
				t.Errorf("%s heard %q, want %q", b.conn, got, c.heard)
			}
		}
		presence := body(t, get(t, http.DefaultClient, "http://"+host+"/presence/"+channel), http.StatusOK)
		if !strings.Contains(presence, `"count":2`) || !strings.Contains(presence, "sockjs") {
			t.Errorf("presence is %s", presence)
		}
		b.do(t, "close", "code", 3001, "text", "bye")
		if e := b.untilEvent(t, "closed"); e.Code != 3001 || e.Text != "bye" {
			t.Errorf("closed with %v", e)
		}
	})
}

// TestSockJSRestart: after kill -9 a client is closed with 1006 or 1002, and what the
// application opens then is a session of the new server.
func TestSockJSRestart(t *testing.T) {
	all, origin := stages(t)
	host, process := launchProtocols(t, sockjsConfig(origin), "127.0.0.1:0", origin)
	type client struct {
		*actor
		transport string
	}
	var clients []client
	for _, s := range all {
		// Streams in Node are left out: the client does not notice their end by a reset,
		// whichever server it is. Of those in Chromium there are as many as a page has
		// connections to a host.
		transports := []string{"websocket", "xhr-polling"}
		if s.name == "chromium" {
			transports = append(transports, "xhr-streaming", "eventsource")
		}
		for _, transport := range transports {
			clients = append(clients, client{openSockJS(t, s, s.name+transport, host, "restart", transport), transport})
		}
	}
	restart(t, process, host, sockjsConfig(origin), origin)
	for _, c := range clients {
		if e := c.untilEvent(t, "closed"); !slices.Contains([]int{1002, 1006}, e.Code) {
			t.Errorf("%s is closed with %v", c.conn, e)
		}
		again := openSockJS(t, c.stage, c.conn+"-again", host, "restart", c.transport)
		again.do(t, "send", "data", c.conn)
		again.until(t, c.conn, func(e seen) bool { return heard(e) == c.conn })
		again.do(t, "close")
	}
}

// TestSockJSCredentials: a client that may not is told so by a close frame, which the client
// takes for the last word: it tries no other transport.
func TestSockJSCredentials(t *testing.T) {
	all, origin := stages(t)
	host := serveProtocols(t, sockjsConfig(origin)+tokensConfig, origin)
	token := signedJWT(tokensSecret, `{"sub":"ann","exp":4102444800,"godwit":{"subscribe":["secret"],"publish":["secret"]}}`)
	for _, s := range all {
		for what, query := range map[string]string{"none": "", "wrong": "?token=" + token + "x"} {
			began := time.Now()
			a := s.open(t, s.name+what, "sockjs", "sockjs-client", "url", "http://"+host+"/sockjs/secret"+query)
			if e := a.wants(t, "closed"); e.Code != 4401 {
				t.Errorf("with %s it is closed with %v after %v, want 4401", what, e, time.Since(began))
			}
		}
		a := s.open(t, s.name, "sockjs", "sockjs-client", "url", "http://"+host+"/sockjs/secret?token="+token)
		a.wants(t, "open")
		a.do(t, "send", "data", "hello")
		if got := heard(a.wants(t, "message")); got != "hello" {
			t.Errorf("it heard %q", got)
		}
	}
}
