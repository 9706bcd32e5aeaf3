package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/ws"
)

// socket opens a WebSocket with envelopes.
func socket(t *testing.T, s *running, channel, credential string) *ws.Conn {
	t.Helper()
	o := &ws.DialOptions{Header: http.Header{}}
	if credential != "" {
		o.Header.Set("Authorization", "Bearer "+credential)
	}
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/channels/"+channel+"?envelope=1", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// says publishes over a WebSocket and returns what comes next: a publication, an error,
// or how it ended.
func says(t *testing.T, conn *ws.Conn, text string) string {
	t.Helper()
	_ = conn.Write(t.Context(), ws.MessageText, []byte(text)) // an error is one of Read, too
	return hears(t, conn)
}

func hears(t *testing.T, conn *ws.Conn) string {
	t.Helper()
	_, data, err := conn.Read(t.Context())
	var closed *ws.CloseError
	switch {
	case errors.As(err, &closed):
		return fmt.Sprintf("closed %d %s", closed.Code, closed.Reason)
	case err != nil:
		t.Fatal(err)
	}
	return string(data)
}

func expectText(t *testing.T, about, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: %s, want %s", about, got, want)
	}
}

const reloaded = `
listen: 127.0.0.1:0
demo: false
tokens:
  - secret: env:TOKEN_SECRET
keys:
  - {name: shop, hash: "%s", grants: {manage: [%s]}}
anonymous:
  subscribe: [%s]
  publish: [%s]
`

// What a new configuration denies is denied to clients that are there already, from the
// moment on in which the reload has returned; what it allows goes on.
func TestReloadHoldsForThoseWhoAreThere(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		key, other := identity.NewKey(), identity.NewKey()
		config := func(key, manage, subscribe, publish string) Config {
			c := configured(t, fmt.Sprintf(reloaded, identity.HashKey(key), manage, subscribe, publish))
			c.Driver = driver
			return c
		}
		reload := func(s *running, c Config) {
			t.Helper()
			if _, err := s.Reload(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		s := start(t, config(key, "'**'", "a, b", "a"))
		ann := socket(t, s, "a", newToken(t, "ann", time.Hour, `{"subscribe":["a"],"publish":["a"]}`))
		reader, leaver, shop := socket(t, s, "a", ""), socket(t, s, "b", ""), socket(t, s, "c", key)
		expectText(t, "before", says(t, reader, "one"), `"data":"one"`)
		expectText(t, "before", hears(t, ann), `"data":"one"`)
		expectText(t, "before", says(t, shop, "one"), `"data":"one"`)

		reload(s, config(key, "'c', 'd'", "a", "nothing"))
		expectText(t, "who may publish no more", says(t, reader, "two"), `{"error":{"code":4401,"reason":"this needs the grant publish`)
		expectText(t, "who may subscribe no more", hears(t, leaver), `closed 4401 this needs the grant subscribe`)
		expectText(t, "a key that stays", says(t, shop, "two"), `"data":"two"`)
		expectText(t, "a token", says(t, ann, "three"), `"data":"three"`)
		expectText(t, "who may subscribe still", hears(t, reader), `"data":"three"`)

		reload(s, config(key, "'d'", "a", "a"))
		expectText(t, "a key that is granted less", hears(t, shop), `closed 4403 this needs the grant subscribe`)
		expectText(t, "who may publish again", says(t, reader, "four"), `"data":"four"`)
		expectText(t, "a token", hears(t, ann), `"data":"four"`)

		shop = socket(t, s, "d", key)
		reload(s, config(other, "'d'", "a", "a"))
		expectText(t, "a key that is gone", hears(t, shop), `closed 4401 who you are does not count any more`)
		expectText(t, "a token", says(t, ann, "five"), `"data":"five"`)
	})
}

// A server that was open and is protected now is not open to earlier clients.
func TestReloadProtects(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		conn := socket(t, s, "a", "")
		expectText(t, "before", says(t, conn, "one"), `"data":"one"`)
		c := configured(t, fmt.Sprintf(reloaded, identity.HashKey(identity.NewKey()), "a", "b", "b"))
		c.Driver = driver
		if _, err := s.Reload(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		expectText(t, "after", says(t, conn, "two"), "closed 4401 ")
		if page, err := s.hub.History(t.Context(), "a", noQuery); err != nil || len(page.Publications) != 1 {
			t.Errorf("%d publications, %v", len(page.Publications), err)
		}
	})
}

// A revocation reaches clients of whom the application has not said yet whether they may
// subscribe or publish.
func TestRevocationReachesWhoIsBeingAskedAbout(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		key := identity.NewKey()
		asked, answer := make(chan struct{}, 8), make(chan struct{})
		application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked <- struct{}{}
			<-answer
			io.WriteString(w, `{"allow":{}}`)
		}))
		defer application.Close()
		c := configured(t, fmt.Sprintf(protected, identity.HashKey(key))+fmt.Sprintf(`
hooks:
  allow_private: true
  secrets: [env:HOOK_SECRET]
  subscribe: {url: %q, channels: ["asked/*"]}
  publish: {url: %q, channels: ["asked/*"]}
`, application.URL, application.URL))
		c.Driver = driver
		s := start(t, c)
		ann := newToken(t, "ann", time.Hour, `{}`)
		got := make(chan string, 2)
		go func() {
			conn, response, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/channels/asked/a?token="+ann, nil)
			switch {
			case response != nil && err != nil:
				got <- response.Status
			case err != nil:
				got <- err.Error()
			default:
				defer conn.CloseNow()
				got <- hears(t, conn)
			}
		}()
		go func() {
			code, content := ask(t, s, "POST", "/channels/asked/a", "Authorization", "Bearer "+ann)
			got <- fmt.Sprint(code, " ", content)
		}()
		for range 2 {
			<-asked
		}
		if a := s.do(t, "POST", "/api/v1/revocations", `{"user":"ann"}`, "Authorization", "Bearer "+key, "Content-Type", "application/json"); a.StatusCode != 200 {
			t.Fatal(a.Status, a.body)
		}
		close(answer)
		for range 2 {
			if text := <-got; !strings.HasPrefix(text, "401 ") && !strings.HasPrefix(text, "closed 4401") {
				t.Errorf("who was revoked meanwhile got %s", text)
			}
		}
		if page, err := s.hub.History(t.Context(), "asked/a", noQuery); err != nil || len(page.Publications) != 0 {
			t.Errorf("%d publications, %v", len(page.Publications), err)
		}
	})
}
