package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// Whatever can be read as a call is one that the hub takes, but for its length.
func FuzzReadCall(f *testing.F) {
	for _, body := range []string{`{}`, `{"data":"x"}`, `{"data":[1, null],"timeout":1.5}`, `{"data":"x","type":"json"}`, `{"data_base64":"AAEC"}`, `{"timeout":1e300}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, fault := readCall(body)
		if fault != nil {
			return
		}
		if c.Timeout < 0 || c.Timeout > callTimeoutMax*time.Second || c.Kind == hub.JSON && !json.Valid(c.Data) || c.Kind == hub.Text && !utf8.Valid(c.Data) {
			t.Fatalf("%q is %+v", body, c)
		}
	})
}

func TestCallOfAMethod(t *testing.T) {
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixtureOn(t, broker, &hub.Options{Logger: slog.New(slog.DiscardHandler)}, nil)
	f.let("caller", `{"call":["math/*","one","none","gone","late","busy","fail","not/now"]}`)
	var asked hub.IncomingCall
	handle := func(pattern string, answer hub.Answer, err error) {
		t.Helper()
		if _, handleErr := f.hub.Handle(pattern, func(_ context.Context, c *hub.IncomingCall) (hub.Answer, error) {
			asked = *c
			return answer, err
		}); handleErr != nil {
			t.Fatal(handleErr)
		}
	}
	handle("math/text", hub.Answer{Data: []byte("a\"b")}, nil)
	handle("math/json", hub.Answer{Kind: hub.JSON, Data: []byte(`{"a": "b"}`)}, nil)
	handle("math/bytes", hub.Answer{Kind: hub.Binary, Data: []byte{0, 1, 2}}, nil)
	handle("math/error", hub.Answer{}, &hub.CallError{Type: "by_zero", Title: "Division by zero", Data: []byte(`{"at": 3}`)})
	handle("one", hub.Answer{}, nil)
	handle("busy", hub.Answer{}, hub.ErrTooManyCalls)
	handle("fail", hub.Answer{}, errors.New("secret detail"))
	handle("not/now", hub.Answer{}, &access.Refusal{Cause: access.Unavailable, Reason: "the application does not answer at present", RetryAfter: time.Second})
	for _, row := range []struct{ method, body, want, data string }{
		{"math/text", `{"data":"x"}`, `{"type":"text","data":"a\"b"}`, "x"},
		{"math%2Fjson", `{"data":[1, 2],"timeout":1.5}`, `{"type":"json","data":{"a":"b"}}`, "[1, 2]"},
		{"math/json", `{"data":"x","type":"json"}`, `{"type":"json","data":{"a":"b"}}`, `"x"`},
		{"math/bytes", `{"data_base64":"eHk="}`, `{"data_base64":"AAEC"}`, "xy"},
		{"math/error", `{}`, `{"error":{"type":"by_zero","title":"Division by zero","data":{"at":3}}}`, ""},
		{"one", `{}`, `{"type":"text","data":""}`, ""},
	} {
		a := f.do("caller", "POST", "call/"+row.method, row.body).is(200)
		if a.body != row.want+"\n" || string(asked.Data) != row.data {
			t.Errorf("%s %s is asked with %q and answers %s, want %q and %s", row.method, row.body, asked.Data, a.body, row.data, row.want)
		}
	}
	for _, row := range []struct {
		method, body string
		status       int
		says         string
	}{
		{"none", `{}`, 404, "unknown-method"},
		{"busy", `{}`, 429, "too-many-calls"},
		{"fail", `{}`, 502, "call-failed"},
		{"not/now", `{}`, 503, ""},
		{"math/add//x", `{}`, 400, "bad-parameter"},
		{"math/*", `{}`, 400, "bad-parameter"},
		{"secret", `{}`, 403, "forbidden"},
		{"one", `{`, 400, "not-json"},
		{"one", `{"data":1,"data_base64":"AA=="}`, 400, "bad-field"},
		{"one", `{"type":"json"}`, 400, "bad-field"},
		{"one", `{"timeout":0}`, 400, "bad-field"},
		{"one", `{"timeout":"1"}`, 400, "bad-field"},
		{"one", `{"timeout":1e9}`, 400, "bad-field"},
		{"one", `{"channel":"a"}`, 400, "bad-field"},
		{"one", `{"data":"` + strings.Repeat("a", 65<<10) + `"}`, 413, "body-too-large"},
	} {
		a := f.do("caller", "POST", "call/"+row.method, row.body)
		if a.is(row.status, row.says); strings.Contains(a.body, "secret detail") {
			t.Errorf("%s tells %s", row.method, a.body)
		}
	}
	f.do("", "POST", "call/one", `{}`).is(401, "unauthorized")
	f.do("root", "POST", "call/one", `{}`).is(403, "forbidden") // manage does not include it
	f.do("caller", "GET", "call/one", "").is(405, "method-not-allowed")

	// A session that is to answer, and does not in time, or leaves.
	s := f.session(nil, "a")
	s.Register(0, "late", hub.RegisterOptions{})
	f.do("caller", "POST", "call/late", `{"timeout":0.01}`).is(504, "call-timeout")
	given, left := make(chan struct{}, 1), make(chan struct{})
	other, err := f.hub.Connect("test", func() {
		select {
		case given <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	other.Register(0, "gone", hub.RegisterOptions{})
	go func() {
		defer close(left)
		<-given
		other.Close()
	}()
	f.do("caller", "POST", "call/gone", `{}`).is(502, "answerer-gone")
	<-left
}
