package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

// What is known of how a connection ended.
func TestHowItEnded(t *testing.T) {
	for _, c := range []struct {
		end  transport.End
		err  error
		code uint16
		says string
	}{
		{transport.EndClient, &ws.CloseError{Code: 1006, Err: errors.New("reset")}, 1006, "no close frame"},
		{transport.EndClient, &ws.CloseError{Code: 1005}, 1005, "the client closed it, without a code"},
		{transport.EndClient, &ws.CloseError{Code: 1000}, 1000, "the client closed it"},
		{transport.EndClient, &ws.CloseError{Code: 4000, Reason: "b\x1bye"}, 4000, `the client closed it: "b\x1bye"`},
		{transport.EndClient, nil, 0, "the client left"},
		{transport.EndSlow, &ws.CloseError{Code: 1006, Sent: 1008}, 1008, "the client did not take what was written in time"},
		{transport.EndShutdown, nil, 0, "the server was shutting down"},
		{transport.EndLost, nil, 0, "the history did not hold any more what it had missed, which a WebSocket without envelopes cannot be told"},
		{transport.EndRefused, nil, 0, "it was refused"},
		{transport.EndFailure, nil, 0, "an error of the server or of its broker"},
	} {
		if code, says := howItEnded(c.end, c.err); code != c.code || says != c.says {
			t.Errorf("%s, %v: %d %s, want %d %s", c.end, c.err, code, says, c.code, c.says)
		}
	}
}

// What happens to clients is explained, whatever drives their connections.
func TestExplainsWhatHappened(t *testing.T) {
	key := identity.NewKey()
	eachDriver(t, func(t *testing.T, driver string) {
		c := configured(t, strings.Replace(protected, "%s", identity.HashKey(key), 1))
		c.Driver = driver
		s := start(t, c)
		ann := newToken(t, "ann", time.Hour, `{"subscribe":["chat"]}`)
		dial := func(path string) *ws.Conn {
			t.Helper()
			conn, _, err := ws.Dial(t.Context(), s.url+path, &ws.DialOptions{Header: http.Header{"Authorization": {"Bearer " + ann}}})
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		publish := func() string {
			t.Helper()
			a := s.do(t, http.MethodPost, "/channels/chat", "x", "Authorization", "Bearer "+key)
			var p struct{ Position string }
			if json.Unmarshal([]byte(a.body), &p) != nil || p.Position == "" {
				t.Fatal(a.Status, a.body)
			}
			return p.Position
		}
		// explained asks until the outcome is there: a client sees things before the server notes
		// them. Without a position it is about a new publication each time.
		explained := func(channel, position string, want flight.Outcome, says string) {
			t.Helper()
			eventually(t, func() string {
				at := position
				if at == "" {
					at = publish()
				}
				a := s.do(t, http.MethodGet, "/api/v1/explain?user=ann&channel="+channel+"&position="+at, "", "Authorization", "Bearer "+key)
				var r flight.Report
				if err := json.Unmarshal([]byte(a.body), &r); err != nil || a.StatusCode != http.StatusOK {
					t.Fatal(a.Status, a.body)
				}
				if r.Outcome == want && strings.Contains(r.Text, says) {
					return ""
				}
				return fmt.Sprintf("%s of %s is %s, not %s (%s): %s", position, channel, r.Outcome, want, says, a.body)
			})
		}
		first := publish()
		explained("chat", first, flight.Offline, "Nothing was seen of ann")
		conn := dial("/channels/chat")
		second := publish()
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		explained("chat", second, flight.Given, "was given "+second)
		explained("chat", first, flight.Offline, "it opened at")
		if err := conn.Close(ws.StatusNormal, "bye"); err != nil {
			t.Fatal(err)
		}
		explained("chat", second, flight.Given, `(1000, the client closed it: "bye")`)
		explained("chat", publish(), flight.Ended, "ann has not come back")
		_ = dial("/channels/chat").CloseNow()
		// Until the server knows, publications are handed to a connection that is no more.
		explained("chat", "", flight.Ended, "(1006, no close frame)")

		_, _, err := ws.Dial(t.Context(), s.url+"/channels/secret", &ws.DialOptions{Header: http.Header{"Authorization": {"Bearer " + ann}}})
		if err == nil {
			t.Fatal("ann may subscribe to secret")
		}
		a := s.do(t, http.MethodPost, "/channels/secret", "x", "Authorization", "Bearer "+key)
		var p struct{ Position string }
		if err := json.Unmarshal([]byte(a.body), &p); err != nil {
			t.Fatal(err)
		}
		explained("secret", p.Position, flight.Denied, "was not allowed to subscribe to secret")
		if metrics := s.do(t, http.MethodGet, "/metrics", "", "Authorization", "Bearer "+key).body; !strings.Contains(metrics, "\ngodwit_flight_bytes ") || strings.Contains(metrics, "\ngodwit_flight_events 0\n") {
			t.Error("the metrics do not count events")
		}
	})
}

// With a memory of nothing there is nothing to ask.
func TestNoFlights(t *testing.T) {
	s := start(t, Config{Flight: Flight{Bytes: new(0)}})
	if a := s.do(t, http.MethodGet, "/api/v1/explain?user=ann&channel=a&position=e:1", ""); a.StatusCode != http.StatusNotImplemented {
		t.Errorf("%s %s", a.Status, a.body)
	}
	var wrong *SettingError
	if _, err := New(Config{Flight: Flight{Bytes: new(1000)}}); !errors.As(err, &wrong) || wrong.Key != "flight.bytes" {
		t.Errorf("1000 bytes: %v", err)
	}
}
