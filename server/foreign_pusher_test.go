package server

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

var socketIDs = regexp.MustCompile(`\d+\.\d+`)

// Clients and back ends of Pusher are served where there are apps, on both drivers, and
// the endpoint that signs for everybody only with the app for development.
func TestPusher(t *testing.T) {
	eachDriver(t, func(t *testing.T, driver string) {
		s := start(t, Config{Driver: driver})
		c := pie(t, s, "/app/app-key?protocol=7&client=js")
		established := hears(t, c)
		expectText(t, "connected", established, "pusher:connection_established")
		expectText(t, "subscribed", says(t, c, `{"event":"pusher:subscribe","data":{"channel":"news"}}`), "subscription_succeeded")
		s.do(t, "POST", "/channels/news?event=deal", `{"price":1}`, "Content-Type", "application/json")
		expectText(t, "curl", hears(t, c), `{"event":"deal","channel":"news","data":"{\"price\":1}"}`)

		expectText(t, "without a signature", says(t, c, `{"event":"pusher:subscribe","data":{"channel":"private-x"}}`), "AuthError")
		expectText(t, "why", hears(t, c), "pusher:error")
		form := url.Values{"socket_id": {socketIDs.FindString(established)}, "channel_name": {"private-x"}}.Encode()
		signed := s.do(t, "POST", "/pusher/auth", form, "Content-Type", "application/x-www-form-urlencoded")
		if signed.StatusCode != 200 {
			t.Fatalf("the endpoint: %s %s", signed.Status, signed.body)
		}
		auth := regexp.MustCompile(`app-key:[0-9a-f]+`).FindString(signed.body)
		expectText(t, "with a signature", says(t, c, `{"event":"pusher:subscribe","data":{"channel":"private-x","auth":"`+auth+`"}}`), "subscription_succeeded")
		if a := s.do(t, "GET", "/channels/private-x", ""); a.StatusCode != http.StatusForbidden && a.StatusCode != http.StatusUnauthorized {
			t.Errorf("a private channel for everybody: %s", a.Status)
		}
		if a := s.do(t, "GET", "/apps/app/channels", ""); a.StatusCode != http.StatusUnauthorized || !strings.Contains(a.body, "auth_key") {
			t.Errorf("the API without a signature: %s %s", a.Status, a.body)
		}
		if a := s.do(t, "POST", "/pusher/app/app-key/1/abcdefgh/xhr?protocol=7", ""); a.StatusCode != 200 || a.body != "o\n" {
			t.Errorf("the fallback: %s %q", a.Status, a.body)
		}
		if a := s.do(t, "GET", "/metrics", ""); !strings.Contains(a.body, `godwit_connections{transport="pusher"}`) {
			t.Error("metrics have no connections of Pusher")
		}
		expectText(t, "the end", s.stopBeside(t, c), "closed 4100")
	})
}

// Nobody's secret but that of the app for development signs what anybody asks for.
func TestPusherSignsForNobodyElse(t *testing.T) {
	s := start(t, Config{Apps: shopApps(t)})
	for _, path := range []string{"/pusher/auth", "/pusher/user-auth"} {
		if a := s.do(t, "POST", path, "socket_id=1.2&channel_name=private-x", "Content-Type", "application/x-www-form-urlencoded"); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s %s", path, a.Status, a.body)
		}
	}
}

// A protocol that is switched off is not there.
func TestPusherSwitchedOff(t *testing.T) {
	off := start(t, Config{Pusher: Pusher{Enabled: new(false)}})
	alone := start(t, Config{Pusher: Pusher{Fallback: new(false), PathPrefix: "/live"}})
	for path, s := range map[string]*running{"/apps/app/channels": off, "/pusher/auth": off, "/pusher/app/app-key/1/abcdefgh/xhr": alone} {
		if a := s.do(t, "POST", path, ""); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	expectText(t, "behind a prefix", hears(t, pie(t, alone, "/live/app/app-key?protocol=7")), "connection_established")
}
