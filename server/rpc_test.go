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

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/identity"
)

const answering = `
listen: 127.0.0.1:0
demo: false
tokens:
  - secret: env:TOKEN_SECRET
keys:
  - {name: worker, hash: "%s", grants: {answer: [%s]}}
hooks:
  secrets: [env:HOOK_SECRET]
  allow_private: true
  rpc: {url: "%s", methods: [%s]}
`

// The application answers the methods of the configuration, and of the next one after
// a reload; the others are for clients.
func TestMethodsOfTheConfiguration(t *testing.T) {
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"method":"math/div"`) {
			_, _ = io.WriteString(w, `{"error":{"type":"by_zero"}}`)
			return
		}
		_, _ = io.WriteString(w, `{"data":"from the application"}`)
	}))
	defer application.Close()
	config := func(methods string) Config {
		return configured(t, fmt.Sprintf(answering, identity.HashKey(identity.NewKey()), "'**'", application.URL, methods))
	}
	s := start(t, config("'math/*', 'math/*'"))
	try := func(method, want string) {
		t.Helper()
		a, err := s.hub.Call(t.Context(), nil, hub.Call{Method: method})
		got := string(a.Data)
		var failed *hub.CallError
		switch {
		case errors.As(err, &failed):
			got = failed.Type
		case err != nil:
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", method, got, want)
		}
	}
	try("math/add", "from the application")
	try("math/div", "by_zero")
	try("other", hub.ErrNoMethod.Error())
	if _, err := s.Reload(t.Context(), config("other, 'math/*'")); err != nil {
		t.Fatal(err)
	}
	try("math/add", "from the application")
	try("other", "from the application")
	if _, err := s.Reload(t.Context(), config("other")); err != nil {
		t.Fatal(err)
	}
	try("math/add", hub.ErrNoMethod.Error())
	try("other", "from the application")
	text := exposition(t, s.metrics.calls.total, s.metrics.calls.seconds)
	for name, value := range map[string]string{
		`rpc_calls_total{answerer="webhook",outcome="answered"}`: "4", `rpc_calls_total{answerer="webhook",outcome="error"}`: "1",
		`rpc_calls_total{answerer="none",outcome="no_method"}`: "2", `rpc_calls_total{answerer="session",outcome="answerer_gone"}`: "0",
		`rpc_call_duration_seconds_count{answerer="webhook"}`: "5",
	} {
		if !strings.Contains("\n"+text, "\ngodwit_"+name+" "+value+"\n") {
			t.Errorf("godwit_%s is not %s:\n%s", name, value, text)
		}
	}
}

// Every outcome of a call has a series from the beginning, and no other one comes up.
func TestOutcomesOfCalls(t *testing.T) {
	m := newCallMetrics()
	for _, err := range []error{
		nil, hub.ErrCallTimeout, hub.ErrCanceled, hub.ErrCallerGone, hub.ErrTooManyCalls, hub.ErrAnswererFailed, hub.ErrClosed,
		&hub.CallError{Type: "a"}, &access.Refusal{Cause: access.Unavailable},
	} {
		series := fmt.Sprintf(`godwit_rpc_calls_total{answerer="session",outcome="%s"} 0`, callOutcome(err))
		if text := exposition(t, m.total); !strings.Contains(text, series) {
			t.Errorf("%v: there is no %s", err, series)
		}
	}
}

// A client that may answer a method no more, or whose key is gone, is given no more calls.
func TestRegistrationsAfterAReload(t *testing.T) {
	secret := identity.NewKey()
	key := identity.HashKey(secret)
	config := func(hash, answers string) Config {
		return configured(t, fmt.Sprintf(answering, hash, answers, "http://127.0.0.1:1/", "none"))
	}
	s := start(t, config(key, "'math/*', one"))
	worker := s.guard.Settings().Identities.Check(t.Context(), secret, time.Now()).Identity
	take := func(session *hub.Session) error { // why a registration was ended, or the session
		pushes, err := session.Take(nil)
		for _, p := range pushes {
			if p.Outcome != nil && p.Outcome.Tag == hub.ByServer && p.Outcome.Command == hub.CommandUnregister {
				return p.Outcome.Err
			}
		}
		return err
	}
	register := func(pattern string) (*hub.Session, error) {
		t.Helper()
		session, err := s.hub.ConnectAs(worker, "test", nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(session.Close)
		session.Register(0, pattern, hub.RegisterOptions{})
		return session, take(session)
	}
	var refusal *access.Refusal
	// An edge that forgot to ask, or asked a moment before a reload.
	if _, err := register("math/**"); !errors.As(err, &refusal) || refusal.Cause != access.Denied {
		t.Errorf("registered for what is not granted: %v", err)
	}
	math, err := register("math/*")
	if err != nil {
		t.Fatal(err)
	}
	one, err := register("one")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reload(t.Context(), config(key, "one")); err != nil {
		t.Fatal(err)
	}
	if err := take(math); !errors.As(err, &refusal) || refusal.Cause != access.Denied || math.HasEnded() || !strings.Contains(refusal.Reason, `the grant answer on method "math/*"`) {
		t.Errorf("what is granted no more: %v", err)
	}
	if _, err := one.Take(nil); err != nil {
		t.Errorf("what is granted still: %v", err)
	}
	if _, err := s.Reload(t.Context(), config(identity.HashKey(identity.NewKey()), "elsewhere")); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Take(nil); !errors.As(err, &refusal) {
		t.Errorf("what nobody grants: %v", err)
	}
}
