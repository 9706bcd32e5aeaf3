package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/godwit-io/godwit/ws"
)

// pie opens a WebSocket of PieSocket at a path and query.
func pie(t *testing.T, s *running, path string, header ...string) *ws.Conn {
	t.Helper()
	o := &ws.DialOptions{Header: http.Header{}}
	for i := 0; i < len(header); i += 2 {
		o.Header.Set(header[i], header[i+1])
	}
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// shopApps are two tenants whose secrets stand in files.
func shopApps(t *testing.T) []App {
	t.Helper()
	dir := t.TempDir()
	secret := func(name string) Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("the secret of the "+name+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return Secret{"file:" + path}
	}
	return []App{
		{ID: "1", Key: "shop-key", Secret: secret("shop"), Prefix: "shop/"},
		{ID: "2", Key: "news-key", Secret: secret("news"), Prefix: "news/"},
	}
}

func signFor(t *testing.T, secret, channel, user string) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": channel, "exp": time.Now().Add(time.Hour).Unix(), "user": user}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A loopback server without configuration has an app for development, and one that is
// protected, or has its protocols off, has none.
func TestDevelopmentApp(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		if !s.DevelopmentApp() {
			t.Fatal("there is none")
		}
		c := pie(t, s, "/v4/chat?api_key=app-key&notify_self=1")
		expectText(t, "connected", hears(t, c), `{"event":"system::connected"}`)
		expectText(t, "itself", says(t, c, `{"event":"hi","data":1}`), `{"event":"hi","data":1}`)
		s.do(t, "POST", "/channels/chat", "by curl")
		expectText(t, "curl", hears(t, c), "by curl")
		a := s.do(t, "POST", "/api/publish", `{"key":"app-key","secret":"app-secret","channelId":"chat","message":"by a back end"}`)
		if a.StatusCode != 200 || a.body != "{\"success\":true}\n" {
			t.Errorf("publishing: %s %s", a.Status, a.body)
		}
		expectText(t, "the back end", hears(t, c), "by a back end")
		if a := s.do(t, "POST", "/api/publish", `{}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a page elsewhere: %s", a.Status)
		}
		metrics := s.do(t, "GET", "/metrics", "").body
		for _, line := range []string{`godwit_connections{transport="piesocket"} 1`, `godwit_app_connections{app="app"} 1`, `godwit_app_publications_total{app="app"} 2`} {
			if !strings.Contains(metrics, line) {
				t.Errorf("metrics have no %s", line)
			}
		}
		expectText(t, "the end", s.stopBeside(t, c), "closed 1001")
	})
	for name, c := range map[string]Config{
		"protected": {Tokens: []TokenIssuer{{Secret: Secret{"0123456789012345678901234567890123456789"}}}},
		"off":       {Pusher: Pusher{Enabled: new(false)}, PieSocket: PieSocket{Enabled: new(false)}},
	} {
		s := start(t, c)
		if s.DevelopmentApp() || len(s.apps.All()) != 0 {
			t.Errorf("%s: there is one", name)
		}
		if a := s.do(t, "GET", "/v3/chat?api_key=app-key", ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, a.Status)
		}
		if a := s.do(t, "POST", "/api/publish", `{"key":"app-key","secret":"app-secret","channelId":"chat","message":1}`); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", name, a.Status)
		}
	}
}

// The host guard holds for protocols of others, too.
func TestHostGuardOfOtherProtocols(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		for _, path := range []string{"/v3/chat?api_key=app-key", "/api/publish"} {
			if a := s.do(t, "GET", path, "", "Host", "evil.example"); a.StatusCode != http.StatusMisdirectedRequest {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
	})
}

// Apps protect a server: what nobody is granted is not open, and a key opens what is its
// app's and nothing else.
func TestAppsProtect(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver, Apps: shopApps(t), Hooks: Hooks{}})
		shop := pie(t, s, "/v4/room?api_key=shop-key&notify_self=1")
		expectText(t, "connected", hears(t, shop), "connected")
		news := pie(t, s, "/v4/room?api_key=news-key")
		expectText(t, "connected", hears(t, news), "connected")
		for _, path := range []string{"/channels/shop/room", "/presence/shop/room", "/channels/shop/private-room"} {
			if a := s.do(t, "GET", path, ""); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%s: %s", path, a.Status)
			}
		}
		// A token of the server and a cookie count for nothing there.
		odd := pie(t, s, "/v4/room?api_key=shop-key&token=junk", "Authorization", "Bearer junk")
		expectText(t, "with a token", hears(t, odd), "connected")

		expectText(t, "its own", says(t, shop, "one"), "one")
		expectText(t, "its own", says(t, news, `{"event":"system::get_members","data":{"channel":"room"}}`), `"count":1`)

		// A private channel needs the secret of its own app.
		private := pie(t, s, "/v3/private-room?api_key=shop-key&notify_self=1&jwt="+signFor(t, "the secret of the shop", "private-room", "ann"))
		expectText(t, "private", says(t, private, `{"event":"x","data":1}`), `{"event":"x","data":1}`)
		wrong := pie(t, s, "/v3/private-room?api_key=shop-key&jwt="+signFor(t, "the secret of the news", "private-room", "ann"))
		expectText(t, "the secret of another app", hears(t, wrong), "Authentication failed")

		// What the user has done is revoked with the user.
		page, err := s.hub.History(t.Context(), "shop/private-room", noQuery)
		if err != nil || len(page.Publications) != 1 || page.Publications[0].Attributes.User != "shop/ann" {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

// A reload takes other apps, and clients whose key is gone lose their connections; the
// others stay, and so do the counts.
func TestReloadApps(t *testing.T) {
	t.Parallel()
	eachDriver(t, func(t *testing.T, driver string) {
		t.Parallel()
		c := Config{Driver: driver, Apps: shopApps(t)}
		s := start(t, c)
		shop := pie(t, s, "/v4/private-room?api_key=shop-key&notify_self=1&jwt="+signFor(t, "the secret of the shop", "private-room", "ann"))
		expectText(t, "connected", hears(t, shop), "connected")
		news := pie(t, s, "/v3/room?api_key=news-key")

		again := s.Config()
		again.Apps = append([]App{}, c.Apps...)
		again.Apps[0].Limits.Connections = 1
		again.Apps[1].Key = "other-key"
		needs, err := s.Reload(t.Context(), again)
		if err != nil || len(needs) != 0 {
			t.Fatal(needs, err)
		}
		expectText(t, "the key is gone", hears(t, news), "does not count any more")
		expectText(t, "it goes on", says(t, shop, "still here"), "still here")
		if n := s.apps.ByID("1").Stats(); n.Connections != 1 || n.Published != 1 {
			t.Errorf("%+v", n)
		}
		if s.apps.ByID("1").Enter() {
			t.Error("the app takes one more client than its new limit")
		}
		if !testing.Short() { // such a client is held for seconds before it is told
			full := pie(t, s, "/v3/room?api_key=shop-key")
			expectText(t, "the limit is new", hears(t, full), "closed 4429")
		}
		other := pie(t, s, "/v4/room?api_key=other-key")
		expectText(t, "the new key", hears(t, other), "connected")

		again.Apps[0].Prefix = "news/"
		if _, err := s.Reload(t.Context(), again); err == nil || !strings.Contains(err.Error(), "apps[1].prefix") {
			t.Errorf("apps with the same channels: %v", err)
		}
		expectText(t, "nothing has changed", says(t, shop, "once more"), "once more")

		again.Apps = nil
		if _, err := s.Reload(t.Context(), again); err != nil {
			t.Fatal(err) // on loopback it may be open
		}
		expectText(t, "all keys are gone", hears(t, shop), "does not count any more")
		if a := s.do(t, "GET", "/channels/chat", ""); a.StatusCode != http.StatusOK {
			t.Errorf("a channel of the open server: %s", a.Status)
		}
	})
}

// The secret of an app that cannot be had is found at the start.
func TestAppSecret(t *testing.T) {
	for name, c := range map[string]struct {
		secret, want string
	}{
		"not set": {"env:GODWIT_TEST_NO_SUCH_SECRET", "apps[0].secret: the variable GODWIT_TEST_NO_SUCH_SECRET is not set"},
		"short":   {"too-short", "apps[0].secret: it has 9 bytes and could be guessed; at least 10 are needed"},
	} {
		_, err := New(Config{Apps: []App{{ID: "a", Key: "k", Secret: Secret{c.secret}}}})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// A connection above the limit of the server is told so, at the paths of others, too.
func TestOverLimitOfOtherProtocols(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver, Limits: Limits{Connections: 1}})
		c := pie(t, s, "/v4/room?api_key=app-key")
		expectText(t, "connected", hears(t, c), "connected")
		for _, path := range []string{"/v3/room?api_key=app-key", "/api/publish"} {
			a := s.do(t, "GET", path, "")
			var problem struct{ Status int }
			if a.StatusCode != http.StatusServiceUnavailable || json.Unmarshal([]byte(a.body), &problem) != nil || problem.Status != 503 {
				t.Errorf("%s: %s %s", path, a.Status, a.body)
			}
		}
	})
}

// Hooks are asked nothing about who a client with a key is, and about what it does.
func TestHooksAndKeys(t *testing.T) {
	asked := make(chan string, 16)
	application := newApplication(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		fmt.Fprint(w, `{"allow":{}}`)
	})
	s := start(t, Config{Apps: shopApps(t), Hooks: Hooks{
		Connect: ConnectHook{URL: application + "/connect"}, Publish: ChannelHook{URL: application + "/publish"},
		Secrets: []Secret{{"0123456789012345678901234567890123456789"}}, AllowPrivate: true,
	}})
	c := pie(t, s, "/v4/room?api_key=shop-key&notify_self=1")
	expectText(t, "connected", hears(t, c), "connected")
	expectText(t, "published", says(t, c, "hello"), "hello")
	if got := <-asked; got != "/publish" || len(asked) != 0 {
		t.Errorf("asked %s, and %d more", got, len(asked))
	}
}

func newApplication(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := &http.Server{Handler: handle}
	listeners, err := listen(t.Context(), Config{Listen: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(listeners[0]) }()
	t.Cleanup(func() { _ = s.Shutdown(context.Background()) })
	return "http://" + listeners[0].Addr().String()
}
