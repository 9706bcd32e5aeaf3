package server

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A page that is refused says so in the log, with what would admit it, and once.
func TestRefusalsAreLogged(t *testing.T) {
	const origin = "http://localhost:5173"
	for _, driver := range []string{driverEngine, driverGoroutine} {
		for _, c := range []struct {
			name, method, path, body string
			header                   []string
			want                     string
			status                   int
		}{
			{"an event stream", http.MethodGet, "/channels/chat", "", []string{"Origin", origin, "Accept", "text/event-stream"}, "--origin " + origin, http.StatusForbidden},
			{"a publication", http.MethodPost, "/channels/chat", "x", []string{"Origin", origin}, "--origin " + origin, http.StatusForbidden},
			{"a WebSocket", http.MethodGet, "/channels/chat", "", []string{"Origin", origin, "Connection", "Upgrade", "Upgrade", "websocket",
				"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="}, "--origin " + origin, http.StatusForbidden},
			{"a host", http.MethodGet, "/", "", []string{"Host", "dev.example"}, "--origin http://dev.example", http.StatusMisdirectedRequest},
		} {
			t.Run(driver+"/"+c.name, func(t *testing.T) {
				s := start(t, Config{Driver: driver})
				for range 3 {
					if a := s.do(t, c.method, c.path, c.body, c.header...); a.StatusCode != c.status {
						t.Errorf("%s %s", a.Status, a.body)
					}
				}
				if err := s.stop(); err != nil {
					t.Error(err)
				}
				if got := strings.Count(s.log.String(), c.want); got != 1 {
					t.Errorf("%q stands %d times in\n%s", c.want, got, s.log.String())
				}
			})
		}
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(logBuffer)
		r := &refusals{log: log.logger()}
		tell := func() int {
			before := strings.Count(log.String(), "\n")
			for i := range 10 * warningsMax {
				r.warnOrigin(fmt.Sprintf("https://%d.example", i), "host")
			}
			return strings.Count(log.String(), "\n") - before
		}
		if got := tell(); got != warningsMax {
			t.Errorf("%d lines, want %d", got, warningsMax)
		}
		time.Sleep(warnAgainAfter)
		if got := tell(); got != warningsMax {
			t.Errorf("%d lines after a while, want %d", got, warningsMax)
		}
	})
}
