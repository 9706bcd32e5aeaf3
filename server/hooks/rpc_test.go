package hooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// callMethod has the application answer a call, and waits.
func callMethod(h *Hooks, r CallRequest) (answer hub.Answer, err error) {
	done := make(chan struct{})
	h.Call(r, func(a hub.Answer, e error) {
		answer, err = a, e
		close(done) // panics if it is called twice
	})
	<-done
	return answer, err
}

func TestCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"data":{ "sum": 3 }}`))
		r := newRecord()
		h := a.start(t, Options{RPC: &Question{}, Observer: r.observer()})
		if got := h.Methods(); len(got) != 1 || got[0] != "**" || h.Asks() {
			t.Errorf("answers %q, decides: %v", got, h.Asks())
		}
		data := []byte("[1, 2]")
		answer, err := callMethod(h, CallRequest{
			Session: "s1", User: "ann", Info: `{"n": 1}`, Method: "math/add", Kind: hub.JSON, Data: data, Timeout: 1500 * time.Millisecond,
		})
		if err != nil || answer.Kind != hub.JSON || string(answer.Data) != `{ "sum": 3 }` {
			t.Errorf("%+v, %v", answer, err)
		}
		got := a.requests()[0]
		want := `{"type":"rpc","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s1","user":"ann","info":{"n":1},"method":"math/add","timeout_ms":1500,"kind":"json","data":[1,2]}}`
		if string(got.body) != want {
			t.Errorf("asked\n%s, want\n%s", got.body, want)
		}
		verifySignature(t, got, testSecret)
		if fmt.Sprint(r.answered) != "map[rpc answered:1]" {
			t.Errorf("observed %v", r.answered)
		}
	})
}

func TestMethodsOfRPC(t *testing.T) {
	var patterns []access.Pattern
	for _, text := range []string{"math/*", "pay"} {
		p, err := access.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	h := runApplication(t, hang).start(t, Options{RPC: &Question{Channels: patterns}})
	if got := fmt.Sprint(h.Methods()); got != "[math/* pay]" {
		t.Error(got)
	}
	var none *Hooks
	if _, err := callMethod(none, CallRequest{}); err != hub.ErrNoMethod || none.Methods() != nil {
		t.Error(err)
	}
	p, err := access.ParsePattern("a/{user}")
	if err != nil {
		t.Fatal(err)
	}
	var wrong *OptionError
	if _, err := New(&Options{RPC: &Question{URL: testURL, Channels: []access.Pattern{p}}}); !errors.As(err, &wrong) || wrong.Option != "RPC.Channels" {
		t.Error(err)
	}
}

func TestAnswersToCalls(t *testing.T) {
	for _, row := range []struct {
		answer string
		kind   hub.Kind
		want   hub.Answer
	}{
		{`{}`, hub.Text, hub.Answer{}},
		{`{}`, hub.JSON, hub.Answer{Kind: hub.JSON, Data: []byte("null")}},
		{`{"error":null,"data":"a"}`, hub.Text, hub.Answer{Data: []byte("a")}},
		{`{"data":"a"}`, hub.Binary, hub.Answer{Data: []byte("a")}},
		{`{"data":"a"}`, hub.JSON, hub.Answer{Kind: hub.JSON, Data: []byte(`"a"`)}},
		{`{"data":null}`, hub.Text, hub.Answer{Kind: hub.JSON, Data: []byte("null")}},
		{`{"data_base64":"_-8"}`, hub.JSON, hub.Answer{Kind: hub.Binary, Data: []byte{0xff, 0xef}}},
	} {
		got, err := readCall([]byte(row.answer), row.kind)
		if err != nil || got.Kind != row.want.Kind || string(got.Data) != string(row.want.Data) {
			t.Errorf("%s: %+v, %v; want %+v", row.answer, got, err, row.want)
		}
	}
	_, err := readCall([]byte(`{"error":{"type":"no_funds","title":"No funds","detail":"3 missing","data":{"missing":3}}}`), hub.Text)
	var failed *hub.CallError
	if !errors.As(err, &failed) || failed.Type != "no_funds" || failed.Title != "No funds" || failed.Detail != "3 missing" || string(failed.Data) != `{"missing":3}` {
		t.Errorf("%+v", err)
	}
	for answer, want := range map[string]string{
		``:                                  "no JSON object",
		`[]`:                                "no JSON object",
		`{"allow":{}}`:                      `has the member "allow"; known are ["data" "data_base64" "error"]`,
		`{"data":1,"data":2}`:               `has "data" twice`,
		`{"data":1,"data_base64":"AA=="}`:   "it has more than one of",
		`{"data":1,"error":{"type":"a"}}`:   "it has more than one of",
		`{"data_base64":"a","error":{}}`:    "it has more than one of",
		`{"data_base64":"a*"}`:              "data_base64 is not base64",
		`{"data_base64":1}`:                 "data_base64 is no string",
		`{"error":"no"}`:                    `"error" is no JSON object`,
		`{"error":{}}`:                      "it has no type",
		`{"error":{"type":1}}`:              "error.type is no string",
		`{"error":{"type":"a","title":[]}}`: "error.title is no string",
		`{"error":{"type":"a\nb"}}`:         "control character",
		`{"error":{"type":"a","code":1}}`:   `"error" has the member "code"`,
		"{\"data\":\"\xff\"}":               "it is not UTF-8",
		`{"error":{"type":"` + strings.Repeat("a", 256) + `"}}`: "256 bytes long",
	} {
		a, err := readCall([]byte(answer), hub.Text)
		if err == nil || errors.As(err, &failed) || a.Data != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %+v, %v; want %q", answer, a, err, want)
		}
	}
}

// Whatever is read of an answer is something that a caller can be given.
func FuzzReadCall(f *testing.F) {
	for _, answer := range []string{`{}`, `{"data":"a"}`, `{"data":{"a":[1,null]}}`, `{"data_base64":"AAEC"}`, `{"error":{"type":"a","title":"b","detail":"c","data":null}}`, `{"error":{}}`} {
		f.Add([]byte(answer), uint8(hub.JSON))
	}
	f.Fuzz(func(t *testing.T, body []byte, kind uint8) {
		asked := hub.Kind(kind % 3)
		a, err := readCall(body, asked)
		var failed *hub.CallError
		switch {
		case errors.As(err, &failed):
			if err := failed.Check(); err != nil {
				t.Fatalf("%q: %v", body, err)
			}
		case err != nil:
			if a.Data != nil {
				t.Fatalf("%q: %+v with %v", body, a, err)
			}
		case a.Kind == hub.JSON && !json.Valid(a.Data), a.Kind != hub.Binary && !utf8.Valid(a.Data), asked == hub.JSON && a.Kind == hub.Text:
			t.Fatalf("%q: %+v", body, a)
		}
	})
}

func TestCallsThatFail(t *testing.T) {
	for name, row := range map[string]struct {
		handler http.HandlerFunc
		want    error
		seen    string
	}{
		"its own error": {say(`{"error":{"type":"a"}}`), &hub.CallError{Type: "a"}, "rpc error"},
		"no sense":      {say(`{"allow":{}}`), hub.ErrAnswererFailed, "rpc failed"},
		"a status":      {func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, hub.ErrAnswererFailed, "rpc failed"},
		"created":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); _, _ = io.WriteString(w, `{}`) }, nil, "rpc answered"},
		"nothing":       {hang, hub.ErrCallTimeout, "rpc failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRecord()
				h := runApplication(t, row.handler).start(t, Options{RPC: &Question{}, Observer: r.observer()})
				_, err := callMethod(h, CallRequest{Method: "a"})
				if fmt.Sprint(err) != fmt.Sprint(row.want) {
					t.Errorf("%v, want %v", err, row.want)
				}
				if fmt.Sprint(r.answered) != "map["+row.seen+":1]" {
					t.Errorf("observed %v", r.answered)
				}
			})
		})
	}
}

// Callers who do not wait end their requests, leave their places to others, and do
// not open the breaker.
func TestCanceledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, hang)
		r := newRecord()
		h := a.start(t, Options{RPC: &Question{}, Concurrency: 2, WaitingMax: 3, Observer: r.observer()})
		outcomes := make(chan error, 100)
		for round := range 10 {
			var cancels []func()
			for range 5 {
				synctest.Wait() // two run, and the others wait
				cancels = append(cancels, h.Call(CallRequest{Method: "a"}, func(_ hub.Answer, err error) { outcomes <- err }))
			}
			synctest.Wait()
			if s := h.Stats().RPC; s.Running != 2 || s.Waiting != 3 || s.Open {
				t.Fatalf("round %d: %+v", round, s)
			}
			for _, cancel := range cancels[2:] {
				cancel()
			}
			if s := h.Stats().RPC; s.Waiting != 0 {
				t.Fatalf("round %d: %+v still wait", round, s)
			}
			for _, cancel := range cancels {
				cancel()
			}
			synctest.Wait()
			for range 5 {
				if err := <-outcomes; err != hub.ErrCanceled {
					t.Fatal(err)
				}
			}
			if s := h.Stats().RPC; s != (QuestionStats{}) {
				t.Fatalf("round %d: %+v", round, s)
			}
		}
		if n := len(a.requests()); n != 20 || fmt.Sprint(r.answered) != "map[rpc canceled:50]" {
			t.Errorf("%d requests, observed %v", n, r.answered)
		}
	})
}

// While the application does not answer, callers learn at once that it was not asked.
func TestCallsThatAreNotAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, hang)
		h := a.start(t, Options{RPC: &Question{}})
		outcomes := make(chan error, breakerAsked)
		for range breakerAsked {
			h.Call(CallRequest{Method: "a"}, func(_ hub.Answer, err error) { outcomes <- err })
		}
		for range breakerAsked {
			if err := <-outcomes; err != hub.ErrCallTimeout {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		_, err := callMethod(h, CallRequest{Method: "a"})
		if got := refusal(t, err); got.Cause != access.Unavailable || got.RetryAfter == 0 {
			t.Errorf("%+v", got)
		}
		if n := len(a.requests()); n != breakerAsked {
			t.Errorf("%d requests", n)
		}
	})
}
