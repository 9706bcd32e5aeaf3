package server

import (
	"net/http"
	"strings"
	"testing"
)

// SockJS is on the channels of the server, with its limits and its metrics, and nobody is
// asked for an app.
func TestSockJS(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		expect := func(method, path, body string, status int, want string) {
			t.Helper()
			if a := s.do(t, method, path, body); a.StatusCode != status || a.body != want {
				t.Errorf("%s %s: %s %q, want %d %q", method, path, a.Status, a.body, status, want)
			}
		}
		expect("GET", "/sockjs/chat", "", 200, "Welcome to SockJS!\n")
		expect("POST", "/sockjs/chat/000/a/xhr", "", 200, "o\n")
		expect("POST", "/sockjs/chat/000/a/xhr_send", `["by SockJS"]`, 204, "")
		s.do(t, "POST", "/channels/chat", "by curl")
		heard := ""
		for !strings.Contains(heard, "by curl") {
			a := s.do(t, "POST", "/sockjs/chat/000/a/xhr", "")
			if a.StatusCode != 200 || !strings.HasPrefix(a.body, "a[") {
				t.Fatalf("%s %q", a.Status, a.body)
			}
			heard += a.body
		}
		if !strings.Contains(heard, `"by SockJS"`) {
			t.Errorf("%s", heard)
		}
		c := pie(t, s, "/sockjs/chat/000/b/websocket?last=1")
		expectText(t, "open", hears(t, c), "o")
		expectText(t, "the last", hears(t, c), `a["by curl"]`)
		raw := pie(t, s, "/sockjs/chat/websocket?last=1")
		expectText(t, "raw", hears(t, raw), "by curl")
		presence := s.do(t, "GET", "/presence/chat", "").body
		metrics := s.do(t, "GET", "/metrics", "").body
		for _, transport := range []string{"sockjs-xhr-polling", "sockjs-websocket", "websocket"} {
			if !strings.Contains(presence, `"`+transport+`"`) {
				t.Errorf("nobody is there by %s: %s", transport, presence)
			}
			if line := `godwit_connections{transport="` + transport + `"} 1`; !strings.Contains(metrics, line) {
				t.Errorf("metrics have no %s", line)
			}
		}
		if a := s.do(t, "POST", "/sockjs/chat/000/c/xhr", "", "Host", "evil.example"); a.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("the host guard: %s", a.Status)
		}
		if a := s.do(t, "POST", "/sockjs/chat/000/c/xhr", "", "Origin", "https://evil.example"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a page elsewhere: %s", a.Status)
		}
		for _, path := range []string{"/sockjs/chat/000/d/jsonp?c=x", "/sockjs/chat/iframe.html", "/sockjs/"} {
			if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
		stopped := make(chan error, 1)
		go func() { stopped <- s.stop() }() // it waits for their close frames
		expectText(t, "the end", hears(t, c), `c[1001,"going away"]`)
		expectText(t, "the end", hears(t, c), "closed 1001")
		expectText(t, "the end", hears(t, raw), "closed 1001")
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

// A server that is protected protects SockJS, and its settings count.
func TestSockJSProtected(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver, Tokens: []TokenIssuer{{Secret: Secret{"0123456789012345678901234567890123456789"}}}})
		if a := s.do(t, "POST", "/sockjs/chat/000/a/xhr", ""); a.StatusCode != 200 || !strings.HasPrefix(a.body, "c[4401,") {
			t.Errorf("%s %q", a.Status, a.body)
		}
		s = start(t, Config{Driver: driver, SockJS: SockJS{JSONP: true, ClientURL: "/sockjs.js"}})
		if a := s.do(t, "GET", "/sockjs/chat/000/a/jsonp?c=x", "", "Sec-Fetch-Site", "same-origin"); a.StatusCode != 200 || a.body != "/**/x(\"o\");\r\n" {
			t.Errorf("%s %q", a.Status, a.body)
		}
		if a := s.do(t, "GET", "/sockjs/chat/000/b/jsonp?c=x", "", "Referer", "https://evil.example/"); a.StatusCode != http.StatusForbidden {
			t.Errorf("%s %q", a.Status, a.body)
		}
		if a := s.do(t, "GET", "/sockjs/chat/iframe.html", "", "Sec-Fetch-Site", "same-origin"); a.StatusCode != 200 || !strings.Contains(a.body, "/sockjs.js") {
			t.Errorf("%s %q", a.Status, a.body)
		}
		s = start(t, Config{Driver: driver, SockJS: SockJS{Enabled: new(false)}})
		for _, path := range []string{"/sockjs/chat", "/sockjs/chat/info", "/sockjs/chat/websocket"} {
			if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	})
}

// A URL that is none is refused by the name of its setting.
func TestSockJSClientURL(t *testing.T) {
	if _, err := New(Config{SockJS: SockJS{ClientURL: "sockjs.js"}}); err == nil || !strings.Contains(err.Error(), "sockjs.client_url") {
		t.Errorf("%v", err)
	}
}
