package transport

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestServes(t *testing.T) {
	transport := newTransport(newHub(t, nil, nil), nil)
	for path, want := range map[string]bool{
		"/channels/chat":  true,
		"/channels/a//b":  true,
		"/channels/../x":  true,
		"/channels/":      true,
		"/channels":       true,
		"/presence/chat":  true,
		"/presence":       true,
		"/":               false,
		"/channelsx":      false,
		"/x/channels/":    false,
		"//channels/x":    false,
		"/channels%2Fa":   false,
		"/%63hannels/a/b": false,
	} {
		if got := transport.Serves(httptest.NewRequest("GET", path, nil)); got != want {
			t.Errorf("Serves(%q) = %v, want %v", path, got, want)
		}
	}
}

// Extended CONNECT reaches the WebSocket side, so that its answer is about
// WebSocket and not that CONNECT is no method of a channel. Any other CONNECT
// is none.
func TestIsUpgrade(t *testing.T) {
	request := func(method, proto string, header ...string) *http.Request {
		r := httptest.NewRequest("GET", "/channels/chat", nil)
		r.Method, r.Proto = method, proto
		for i := 0; i+1 < len(header); i += 2 {
			r.Header[header[i]] = []string{header[i+1]} // as it is: a pseudo-header has no canonical form
		}
		return r
	}
	for _, test := range []struct {
		about string
		r     *http.Request
		want  bool
	}{
		{"HTTP/1.1", request("GET", "HTTP/1.1", "Upgrade", "websocket"), true},
		{"HTTP/1.1, in a list", request("GET", "HTTP/1.1", "Upgrade", "h2c, WebSocket"), true},
		{"HTTP/1.1, lost on its way", request("GET", "HTTP/1.1", "Sec-Websocket-Key", "x"), true},
		{"HTTP/1.1, to something else", request("GET", "HTTP/1.1", "Upgrade", "h2c"), false},
		{"HTTP/2", request("CONNECT", "HTTP/2.0", ":protocol", "websocket"), true},
		{"HTTP/2, something else", request("CONNECT", "HTTP/2.0", ":protocol", "connect-udp"), false},
		{"HTTP/3", request("CONNECT", "websocket"), true},
		{"a tunnel", request("CONNECT", "HTTP/1.1"), false},
	} {
		if got := isUpgrade(test.r); got != test.want {
			t.Errorf("%s: %v, want %v", test.about, got, test.want)
		}
		if !test.want && test.r.Method == http.MethodConnect {
			w := httptest.NewRecorder()
			newTransport(newHub(t, nil, nil), nil).ServeHTTP(w, test.r)
			if w.Code != http.StatusMethodNotAllowed || !strings.Contains(w.Body.String(), ProblemMethod.Type()) {
				t.Errorf("%s is answered %d %s", test.about, w.Code, w.Body)
			}
		}
	}
}
