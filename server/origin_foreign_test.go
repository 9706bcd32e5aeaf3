package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws"
)

// A page of another origin begins nothing and is shown nothing by any protocol, also where
// the browser asks nobody before; and requests that any page can make without naming itself
// are off.
func TestPagesOfOtherOrigins(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		for _, origin := range []string{"https://evil.example", "null", "http://localhost.evil.example"} {
			for _, r := range []struct{ method, path, body string }{
				{"GET", "/socket.io/?EIO=4&transport=polling", ""},
				{"POST", "/socket.io/?EIO=4&transport=polling&sid=aaaaaaaaaaaaaaaaaaaa", "40"},
				{"OPTIONS", "/socket.io/?EIO=4&transport=polling", ""},
				{"GET", "/sockjs/chat/info", ""},
				{"OPTIONS", "/sockjs/chat/info", ""},
				{"POST", "/sockjs/chat/000/s/xhr", ""},
				{"POST", "/sockjs/chat/000/s/xhr_streaming", ""},
				{"POST", "/sockjs/chat/000/s/xhr_send", `["x"]`},
				{"OPTIONS", "/sockjs/chat/000/s/xhr_send", ""},
				{"GET", "/sockjs/chat/000/s/eventsource", ""},
				{"POST", "/pusher/app/app-key/000/s/xhr?protocol=7", ""},
				{"POST", "/pusher/app/app-key/000/s/xhr_send", `["{}"]`},
				{"POST", "/pusher/auth", "socket_id=1.1&channel_name=private-x"},
				{"OPTIONS", "/pusher/auth", ""},
				{"POST", "/pusher/user-auth", "socket_id=1.1"},
				{"POST", "/api/publish", `{"key":"app-key","secret":"app-secret","channelId":"chat","message":"x"}`},
			} {
				contentType := "text/plain"
				if strings.Contains(r.path, "auth") {
					contentType = "application/x-www-form-urlencoded"
				}
				a := s.do(t, r.method, r.path, r.body, "Origin", origin, "Content-Type", contentType, "Sec-Fetch-Site", "cross-site", "Cookie", "a=b")
				if a.StatusCode != http.StatusForbidden || a.Header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s: %s %s: %s, %q, %s", origin, r.method, r.path, a.Status, a.Header.Get("Access-Control-Allow-Origin"), a.body)
				}
			}
			for _, path := range []string{
				"/socket.io/?EIO=4&transport=websocket", "/sockjs/chat/000/s/websocket", "/sockjs/chat/websocket", "/app/app-key?protocol=7", "/v3/chat?api_key=app-key",
			} {
				_, r, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+path, &ws.DialOptions{Header: http.Header{"Origin": {origin}}})
				if err == nil || r == nil || r.StatusCode != http.StatusForbidden {
					t.Errorf("%s: a WebSocket at %s: %v", origin, path, err)
				}
			}
		}
		for _, path := range []string{"/sockjs/chat/iframe.html", "/sockjs/chat/000/s/htmlfile?c=f", "/sockjs/chat/000/s/jsonp?c=f", "/socket.io/?EIO=4&transport=polling&j=0", "/socket.io/?EIO=3&transport=polling&j=0"} {
			if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusNotFound && a.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
		if n := s.hub.SessionCount(); n != 0 {
			t.Errorf("there are %d sessions", n)
		}
	})
}
