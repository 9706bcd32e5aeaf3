package server

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/server/identity"
)

// No credential is in what the server writes, whatever is wrong with a request: neither
// in its log, with everything in it, nor in answers, metrics, the API or what it asks and
// tells the application.
func TestCredentialsAreNotTold(t *testing.T) {
	if testing.Short() {
		t.Skip("it goes through all that is logged")
	}
	eachDriver(t, func(t *testing.T, driver string) {
		var mu sync.Mutex
		var told strings.Builder
		application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			mu.Lock()
			defer mu.Unlock()
			fmt.Fprintf(&told, "%s %s %v %s\n", r.Method, r.URL, r.Header, b)
			if strings.HasSuffix(r.URL.Path, "events") {
				w.WriteHeader(500) // that is logged, too
				return
			}
			io.WriteString(w, `{"allow":{}}`)
		}))
		defer application.Close()
		key := identity.NewKey()
		c := configured(t, fmt.Sprintf(protected, identity.HashKey(key))+fmt.Sprintf(`
hooks:
  allow_private: true
  secrets: [env:HOOK_SECRET]
  connect: {url: "%[1]s/connect", forward: [X-Device]}
  subscribe: {url: "%[1]s/subscribe", channels: ["asked/*"]}
  publish: {url: "%[1]s/publish", channels: ["asked/*"]}
  events: {url: "%[1]s/events", retry: 1s}
`, application.URL))
		c.Driver = driver
		c.DrainTimeout = time.Second
		s := start(t, c)
		token := newToken(t, "ann", time.Hour, `{"subscribe":["a","asked/*"],"publish":["a"],"history":["a"]}`)
		expired := newToken(t, "ann", -time.Hour, `{"subscribe":["a"]}`)
		parts := strings.Split(token, ".")
		forged := parts[0] + "." + parts[1] + "." + strings.Repeat("A", len(parts[2]))
		unknownKey := identity.NewKey()
		const handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		var answers strings.Builder
		send := func(request string) {
			t.Helper()
			nc, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.WriteString(nc, request); err != nil {
				t.Fatal(err)
			}
			_ = nc.(*net.TCPConn).CloseWrite()
			_ = nc.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // streams go on
			b, _ := io.ReadAll(bufio.NewReader(nc))
			answers.Write(b)
		}
		for _, credential := range []string{token, expired, forged, key, unknownKey, "x" + token} {
			for _, place := range []struct{ query, fields string }{
				{"?token=" + credential, ""},
				{"?last=1&%74oken=" + credential + "&since=%zz", ""},
				{"?token=" + credential + "&token=other", ""},
				{"", "Authorization: Bearer " + credential + "\r\n"},
				{"", "Authorization: Digest " + credential + "\r\n"},
				{"", "Authorization: Bearer " + credential + "\r\nAuthorization: Bearer other\r\n"},
				{"", "Sec-WebSocket-Protocol: json, godwit.token." + credential + "\r\n"},
				{"", "Sec-WebSocket-Protocol: godwit.token." + credential + ", godwit.token." + credential + "\r\n"},
				{"", "Sec-WebSocket-Protocol: godwit.token." + credential + "/?\r\n"},
				{"", "Cookie: session=" + credential + "; session=other\r\n"},
				{"?token=" + credential, "Cookie: session=" + credential + "\r\nOrigin: " + s.url + "\r\n"},
				{"?token=" + credential, "Origin: http://elsewhere.example\r\n"},
				{"?token=" + credential, "Accept: text/event-stream\r\nSec-Fetch-Site: same-origin\r\n"},
			} {
				for _, line := range []string{
					"GET /channels/a%s HTTP/1.1", "GET /channels/asked/a%s HTTP/1.1", "GET /presence/a%s HTTP/1.1", "POST /channels/a%s HTTP/1.1",
					"DELETE /channels/a%s HTTP/1.1", "GET /nothing%s HTTP/1.1", "GET /api/v1/info%s HTTP/1.1", "GET /channels/a%s HTTP/3.0", "GET /metrics%s HTTP/1.1",
				} {
					line = fmt.Sprintf(line, place.query)
					host := "Host: " + strings.TrimPrefix(s.url, "http://") + "\r\n"
					if strings.Contains(line, "POST") {
						host += "Content-Length: 0\r\n"
					} else {
						host += "Connection: close\r\n"
					}
					if strings.Contains(line, "/channels/a") && strings.HasPrefix(line, "GET") && strings.Contains(place.fields, "Protocol") {
						host = strings.Replace(host, "Connection: close\r\n", handshake, 1)
					}
					send(line + "\r\n" + host + place.fields + "\r\n")
				}
			}
		}
		for _, path := range []string{"/metrics", "/api/v1/sessions", "/api/v1/info", "/api/v1/channels"} {
			answers.WriteString(s.do(t, "GET", path, "", "Authorization", "Bearer "+key).body)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for place, text := range map[string]string{"the log": s.log.String(), "an answer": answers.String(), "what the application was told": told.String()} {
			if len(text) < 1000 {
				t.Errorf("%s is only %q", place, text)
			}
			for name, secret := range map[string]string{
				"a token": token, "a token's signature": parts[2], "an expired token": expired, "a forged token": forged,
				"a key": key, "an unknown key": unknownKey, "the secret": tokenSecret, "the hooks' secret": strings.Repeat("c2VjcmV0", 6),
			} {
				if i := strings.Index(text, secret); i >= 0 {
					t.Errorf("%s is in %s: …%.400s", name, place, text[max(0, i-200):])
				}
			}
		}
	})
}
