package piesocket

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
)

func TestAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{Apps: apps(t, func(shop *app.App) { shop.PublicationBytesMax = 100 })}, &hub.Options{PublicationBytesMax: 90})
		defer s.hub.Close()
		defer s.end()
		api, err := NewAPI(&Options{Apps: s.apps, Hub: s.hub, BodyBytesMax: 400, Origins: []string{"https://shop.example"}})
		if err != nil {
			t.Fatal(err)
		}
		s.open("A", "/v3/room?api_key=shop-key", "")
		s.open("B", "/v4/7?api_key=shop-key", "")
		s.expect("B", `{"event":"system::connected"}`)
		const good = `"key":"shop-key","secret":"` + secret + `"`
		for _, c := range []struct {
			name, method, path, body string
			status                   int
			answer                   string
			hears                    string // A, or B
		}{
			{"an object", "POST", "/api/publish?src=x&v=3", `{` + good + `,"channelId":"room","message":{"event":"e","data":{"n":1.10}}}`, 200, `{"success":true}`, `A {"event":"e","data":{"n":1.10}}`},
			{"by GET", "GET", "/api/publish", `{` + good + `,"roomId":"room","message":"plain"}`, 200, `{"success":true}`, "A plain"},
			{"version 4", "POST", "/api/v4/publish", `{` + good + `,"roomId":7,"message":"{\"event\":\"e\",\"data\":1}"}`, 200, `{"success":true}`, `B {"event":"e","data":1}`},
			{"a number", "POST", "/api/publish", `{` + good + `,"channelId":"room","message":7}`, 200, `{"success":true}`, "A 7"},
			{"nothing", "POST", "/api/publish", "", 400, `{"error":"the body is not`, ""},
			{"no key", "POST", "/api/publish", `{"channelId":"room","message":1}`, 401, "members of the body", ""},
			{"another secret", "POST", "/api/publish", `{"key":"shop-key","secret":"a secret of the news","channelId":"room","message":1}`, 401, "key and secret", ""},
			{"an app that is off", "POST", "/api/publish", `{"key":"old-key","secret":"a secret of the old","channelId":"room","message":1}`, 401, "key and secret", ""},
			{"no channel", "POST", "/api/publish", `{` + good + `,"message":1}`, 400, "channelId", ""},
			{"channel of others", "POST", "/api/publish", `{` + good + `,"channelId":"../news/room","message":1}`, 400, "channelId", ""},
			{"control characters", "POST", "/api/publish", `{` + good + `,"channelId":"a\u0000","message":1}`, 400, "channelId", ""},
			{"no message", "POST", "/api/publish", `{` + good + `,"channelId":"room"}`, 400, "message is missing", ""},
			{"an event of the server", "POST", "/api/publish", `{` + good + `,"channelId":"room","message":{"event":"system:member_left"}}`, 400, "system:", ""},
			{"too long for the app", "POST", "/api/publish", `{` + good + `,"channelId":"room","message":"` + strings.Repeat("x", 101) + `"}`, 413, "101 bytes", ""},
			{"too long for the hub", "POST", "/api/publish", `{` + good + `,"channelId":"room","message":"` + strings.Repeat("x", 91) + `"}`, 413, "too large", ""},
			{"too long a body", "POST", "/api/publish", strings.Repeat(" ", 401), 413, "400 bytes", ""},
			{"PUT", "PUT", "/api/publish", "{}", 405, "POST", ""},
			{"another path", "POST", "/api/other", "{}", 404, "nothing", ""},
		} {
			r := httptest.NewRequest(c.method, c.path, strings.NewReader(c.body))
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			s.settle()
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) || w.Header().Get("Content-Type") != "application/json" || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
			}
			who, want, _ := strings.Cut(c.hears, " ")
			for _, name := range []string{"A", "B"} {
				if name == who {
					s.expect(name, want)
				} else {
					s.expect(name)
				}
			}
		}

		read := func(path, key, secret string) (int, string) {
			r := httptest.NewRequest("GET", path, nil)
			r.Header.Set("key", key)
			r.Header.Set("secret", secret)
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			return w.Code, strings.TrimSpace(w.Body.String())
		}
		for path, want := range map[string]string{"/api/connections": `{"7":1,"room":1}`, "/api/connections/sum": `{"connections":2}`, "/api/domains": `["https://shop.example"]`} {
			if status, got := read(path, "shop-key", secret); status != 200 || got != want {
				t.Errorf("%s: %d %s, want %s", path, status, got, want)
			}
			if status, got := read(path, "shop-key", "wrong"); status != 401 {
				t.Errorf("%s with another secret: %d %s", path, status, got)
			}
			if status, got := read(path, "shop-key", ""); status != 401 || !strings.Contains(got, "fields of the header") {
				t.Errorf("%s without a secret: %d %s", path, status, got)
			}
		}
		if _, got := read("/api/connections", "news-key", "a secret of the news"); got != "{}" {
			t.Errorf("the news see %s", got)
		}
	})
}

func TestAPIRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, &Options{Apps: apps(t, func(shop *app.App) { shop.PublicationsPerSecond = 1 })}, nil)
		defer s.hub.Close()
		api, err := NewAPI(&Options{Apps: s.apps, Hub: s.hub})
		if err != nil {
			t.Fatal(err)
		}
		post := func(origin string) *httptest.ResponseRecorder {
			r := httptest.NewRequest("POST", "/api/publish", strings.NewReader(`{"key":"shop-key","secret":"`+secret+`","channelId":"room","message":1}`))
			if origin != "" {
				r.Header.Set("Origin", origin)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			return w
		}
		if w := post("https://evil.example"); w.Code != http.StatusForbidden {
			t.Errorf("a page: %d", w.Code)
		}
		if w := post(""); w.Code != http.StatusOK {
			t.Errorf("the first: %d %s", w.Code, w.Body)
		}
		if w := post(""); w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" {
			t.Errorf("the second: %d %v", w.Code, w.Header())
		}
		_ = s.hub.Close()
	})
}

// Printing the fields of an API or a Protocol prints no secret.
func TestNoSecretInLogs(t *testing.T) {
	var log bytes.Buffer
	o := Options{Apps: apps(t, nil)}
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "options", o, "app", *o.Apps.ByID("1"))
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "options", o, "app", *o.Apps.ByID("1"))
	if strings.Contains(log.String(), secret) {
		t.Errorf("the log has it: %s", log.String())
	}
	if _, err := NewAPI(&o); err == nil || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
	_, _ = io.Discard.Write(log.Bytes())
}

func TestNegativeOptions(t *testing.T) {
	for name, o := range map[string]*Options{
		"ChannelsMax": {ChannelsMax: -1}, "BodyBytesMax": {BodyBytesMax: -1}, "ListMax": {ListMax: -12345},
	} {
		o.Apps = apps(t, nil)
		if _, err := NewProtocol(o); err == nil || !strings.Contains(err.Error(), "option "+name+": ") || !strings.Contains(err.Error(), "is negative; 0 is the default") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewProtocol(nil); err == nil {
		t.Error("no apps are needed")
	}
}
