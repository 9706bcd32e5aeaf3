package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// key is a back end with grants, which are JSON.
func key(t testing.TB, name, grants string) *access.Identity {
	t.Helper()
	id := &access.Identity{Kind: access.Key, Name: name}
	if err := json.Unmarshal([]byte(grants), &id.Grants); err != nil {
		t.Fatal(err)
	}
	return id
}

// fixture is a server with the API and nothing else.
type fixture struct {
	t    testing.TB
	hub  *hub.Hub
	api  *API
	http *httptest.Server
	root *access.Identity

	mu  sync.Mutex // guards what follows
	who map[string]*access.Identity
	log bytes.Buffer
}

// newFixture returns a server to which the bearer of "root" may do everything.
func newFixture(t testing.TB, change func(*Options)) *fixture {
	t.Helper()
	broker, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return newFixtureOn(t, broker, nil, change)
}

func newFixtureOn(t testing.TB, broker hub.Broker, ho *hub.Options, change func(*Options)) *fixture {
	t.Helper()
	h, err := hub.New(broker, ho)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, hub: h, root: key(t, "root", `{"manage":["**"],"publish":["**"]}`)}
	f.who = map[string]*access.Identity{"root": f.root}
	o := &Options{Hub: h, Identify: f.identify, IdentifyToken: f.identifyToken, Logger: slog.New(slog.NewTextHandler(f, nil))}
	if change != nil {
		change(o)
	}
	made, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	f.api = made
	f.http = httptest.NewServer(f.api)
	t.Cleanup(func() {
		f.http.Close()
		_ = h.Close() // ErrClosed when the test did it
	})
	return f
}

// Write is the log.
func (f *fixture) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(p)
}

func (f *fixture) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *fixture) identify(r *http.Request) (*access.Identity, error) {
	name, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, nil
	}
	return f.identifyToken(r.Context(), name)
}

func (f *fixture) identifyToken(_ context.Context, name string) (*access.Identity, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch name {
	case "late":
		return nil, &access.Refusal{Cause: access.Unavailable, Reason: "the keys cannot be had now"}
	case "broken":
		return nil, errors.New("secret detail")
	}
	if id := f.who[name]; id != nil {
		return id, nil
	}
	return nil, &access.Refusal{Cause: access.Unauthenticated, Reason: "the token is not known"}
}

// let gives the bearer of name grants.
func (f *fixture) let(name, grants string) {
	f.t.Helper()
	f.know(name, key(f.t, name, grants))
}

// know makes name the token of id.
func (f *fixture) know(name string, id *access.Identity) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.who[name] = id
}

// session opens one with subscriptions.
func (f *fixture) session(id *access.Identity, channels ...string) *hub.Session {
	f.t.Helper()
	s, err := f.hub.ConnectAs(id, "test", nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(s.Close)
	for _, name := range channels {
		s.Subscribe(0, name, hub.SubscribeOptions{})
	}
	return s
}

func (f *fixture) publish(channel string, data ...string) {
	f.t.Helper()
	for _, d := range data {
		if _, _, err := f.hub.Publish(f.t.Context(), hub.Message{Channel: channel, Data: []byte(d)}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// history is what a channel holds.
func (f *fixture) history(channel string) []*hub.Publication {
	f.t.Helper()
	page, err := f.hub.History(f.t.Context(), channel, hub.Query{})
	if err != nil {
		f.t.Fatal(err)
	}
	return page.Publications
}

// answered is an answer.
type answered struct {
	t      testing.TB
	status int
	header http.Header
	body   string
}

// as unmarshals the body.
func (a answered) as(v any) {
	a.t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		a.t.Fatalf("%v: %s", err, a.body)
	}
}

// problem is the name of the problem that the answer is, with its detail.
func (a answered) problem() string {
	var p struct{ Type, Title, Detail string }
	if json.Unmarshal([]byte(a.body), &p) != nil {
		return ""
	}
	return strings.TrimPrefix(p.Type, "https://godwit.io/problems/") + ": " + p.Detail
}

// is checks the status, and that the problem, if there is to be one, says something.
func (a answered) is(status int, says ...string) answered {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, s := range says {
		if !strings.Contains(a.problem(), s) {
			a.t.Errorf("%q does not say %q", a.problem(), s)
		}
	}
	return a
}

// do makes a request and checks the answer against the description of the API. A
// body is JSON unless fields say otherwise.
func (f *fixture) do(who, method, path, body string, fields ...string) answered {
	f.t.Helper()
	a, err := f.try(who, method, path, body, fields...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (f *fixture) try(who, method, path, body string, fields ...string) (answered, error) {
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.http.URL+"/api/v1/"+path, content)
	if err != nil {
		return answered{}, err
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if who != "" {
		r.Header.Set("Authorization", "Bearer "+who)
	}
	for i := 0; i < len(fields); i += 2 {
		if r.Header.Set(fields[i], fields[i+1]); fields[i+1] == "" {
			r.Header.Del(fields[i])
		}
	}
	response, err := f.http.Client().Do(r)
	if err != nil {
		return answered{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return answered{}, err
	}
	a := answered{f.t, response.StatusCode, response.Header, string(b)}
	return a, f.validate(r, a)
}

// described is openapi.json as the library reads it.
var described = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background(), openapi3.IsOpenAPI31OrLater())
})

// validate checks an answer against the description. A request without an operation
// may only get a problem.
func (f *fixture) validate(r *http.Request, a answered) error {
	doc, err := described()
	if err != nil {
		return err
	}
	if a.header.Get("X-Content-Type-Options") != "nosniff" && a.status != http.StatusNoContent {
		return errors.New("no X-Content-Type-Options")
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), Prefix)
	i := slices.IndexFunc(routes, func(rt route) bool { _, _, ok := rt.match(path); return ok })
	if i < 0 || r.Method == http.MethodHead {
		return nil
	}
	item := doc.Paths.Value("/" + routes[i].path)
	method := r.Method
	operation := item.GetOperation(method)
	if operation == nil { // what every operation may answer
		method = routes[i].method
		operation = item.GetOperation(method)
	}
	o := &openapi3filter.Options{IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc}
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: r, Options: o,
			Route: &routers.Route{Spec: doc, Path: item.Ref, PathItem: item, Method: method, Operation: operation},
		},
		Status: a.status, Header: a.header, Options: o,
	}
	input.SetBodyBytes([]byte(a.body))
	if err := openapi3filter.ValidateResponse(context.Background(), input); err != nil {
		return fmt.Errorf("the answer is not as openapi.json says: %w\n%d %s", err, a.status, a.body)
	}
	return nil
}

func escaped(s string) string { return url.PathEscape(s) }
