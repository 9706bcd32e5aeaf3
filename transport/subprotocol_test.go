package transport

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// What a WebSocket sends as text is text, unless it said that it is JSON: by a
// subprotocol, or in its URL, from where browsers need no answer.
func TestPublishesJSON(t *testing.T) {
	for name, serve := range map[string]func(testing.TB, *hub.Hub, Options) *venue{
		"goroutines": serveOnGoroutines, "behind net/http": serveBehindHTTP, "one loop": serveOnOneLoop,
	} {
		t.Run(name, func(t *testing.T) {
			v := serve(t, newHub(t, nil, nil), Options{Logger: slog.New(slog.DiscardHandler)})
			defer v.close()
			for _, c := range []struct {
				offered []string
				query   string
				agreed  string
				isJSON  bool
			}{
				{nil, "", "", false},
				{nil, "&json=0", "", false},
				{nil, "&json=1", "", true},
				{[]string{"json"}, "", "json", true},
				{[]string{"text"}, "", "text", false},
				{[]string{"other", "text", "json"}, "", "json", true},
				{[]string{"text"}, "&json=1", "text", true},
				{[]string{"other"}, "", "", false}, // this client goes on without
				{[]string{"other"}, "&json=1", "", true},
				{[]string{"JSON"}, "", "", false}, // names are compared exactly (RFC 6455 §4.1)
			} {
				conn, _, err := ws.Dial(t.Context(), v.url+"/channels/chat?envelope=1"+c.query, &ws.DialOptions{Subprotocols: c.offered})
				if err != nil {
					t.Errorf("%q%s: %v", c.offered, c.query, err)
					continue
				}
				if got := conn.Subprotocol(); got != c.agreed {
					t.Errorf("%q%s: agreed on %q, want %q", c.offered, c.query, got, c.agreed)
				}
				// A value that is published comes back as it is, and so does a string.
				if err := conn.Write(t.Context(), ws.MessageText, []byte(`{"a":[1,2]}`)); err != nil {
					t.Fatal(err)
				}
				_, message, err := conn.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var envelope struct{ Data json.RawMessage }
				if err := json.Unmarshal(message, &envelope); err != nil {
					t.Fatalf("%v: %s", err, message)
				}
				if isJSON := string(envelope.Data) == `{"a":[1,2]}`; isJSON != c.isJSON {
					t.Errorf("%q%s: it comes back as %s", c.offered, c.query, envelope.Data)
				}
				if err := conn.Write(t.Context(), ws.MessageBinary, []byte(`{`)); err != nil {
					t.Fatal(err)
				}
				if _, message, err := conn.Read(t.Context()); err != nil || !strings.Contains(string(message), `"data_base64":"ew=="`) {
					t.Errorf("%q%s: bytes come back as %s, %v", c.offered, c.query, message, err)
				}

				if err := conn.Write(t.Context(), ws.MessageText, []byte(`hello`)); err != nil {
					t.Fatal(err)
				}
				_, message, err = conn.Read(t.Context())
				switch {
				case !c.isJSON && (err != nil || !strings.Contains(string(message), `"data":"hello"`)):
					t.Errorf("%q%s: text comes back as %s, %v", c.offered, c.query, message, err)
				case c.isJSON && (ws.CloseStatus(err) != wire.CloseInvalidPayload || !strings.Contains(err.Error(), "one valid JSON value")):
					t.Errorf("%q%s: what is no JSON is answered with %s, %v", c.offered, c.query, message, err)
				}
				_ = conn.CloseNow()
			}
		})
	}
}
