package identity_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// issuer is a server of a set of keys that does what it is told.
type issuer struct {
	*httptest.Server
	requests atomic.Int64
	mu       sync.Mutex
	answer   http.HandlerFunc
}

func newIssuer(t testing.TB, answer http.HandlerFunc) *issuer {
	i := &issuer{answer: answer}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.requests.Add(1)
		i.mu.Lock()
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) now(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

func says(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(b) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// clock is a clock that is set.
type clock struct{ at atomic.Int64 }

func newClock() *clock { c := new(clock); c.at.Store(noon.UnixNano()); return c }

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

func withSet(t testing.TB, url string, o *identity.Options) *identity.Identities {
	t.Helper()
	o.Issuers = []identity.Issuer{{JWKSURL: url}}
	return newIdentities(t, o)
}

func signedBy(t testing.TB, kid string, over map[string]any) head {
	key := map[string]any{"a": edKey(), "b": otherKey()}[kid[:1]]
	return bearer(sign(t, "EdDSA", key, map[string]any{"kid": kid}, valid(over)))
}

// Keys are fetched before anybody needs them, and a token of a key that was added
// since has them fetched again.
func TestRotation(t *testing.T) {
	i := newIssuer(t, says(jwks(jwk(edKey(), "a", nil))))
	ids := withSet(t, i.URL, &identity.Options{})
	old := signedBy(t, "a", nil)
	first := user(t, ids, old, "ann")
	i.now(says(jwks(jwk(edKey(), "a", nil), jwk(otherKey(), "b", nil))))
	user(t, ids, signedBy(t, "b", nil), "ann")
	if n := i.requests.Load(); n != 2 {
		t.Errorf("%d requests", n)
	}
	if id := user(t, ids, old, "ann"); id != first {
		t.Error("a token was verified again although its key is still there")
	}
	// A key that is taken away takes along what it has verified.
	i.now(says(jwks(jwk(otherKey(), "b", nil))))
	refused(t, ids, signedBy(t, "a2", nil), access.Unauthenticated, "a key that is not known here")
	refused(t, ids, old, access.Unauthenticated, "a key that is not known here")
	user(t, ids, signedBy(t, "b", nil), "ann")
}

// However many tokens of unknown keys come, the issuer hears of it three times and
// then once in ten seconds.
func TestUnknownKeysAreBounded(t *testing.T) {
	i := newIssuer(t, says(jwks(jwk(edKey(), "a", nil))))
	clock := newClock()
	ids := withSet(t, i.URL, &identity.Options{Now: clock.now})
	user(t, ids, signedBy(t, "a", nil), "ann")
	for n := range 20 {
		refused(t, ids, signedBy(t, "b", map[string]any{"n": n}), access.Unauthenticated, "a key that is not known here")
	}
	if n := i.requests.Load(); n != 1+3 {
		t.Errorf("%d requests", n)
	}
	clock.advance(10 * time.Second)
	for n := range 20 {
		refused(t, ids, signedBy(t, "b", map[string]any{"m": n}), access.Unauthenticated, "a key that is not known here")
	}
	if n := i.requests.Load(); n != 1+3+1 {
		t.Errorf("%d requests", n)
	}
	// Neither does a token whose algorithm no fetched key can have.
	clock.advance(time.Hour)
	refused(t, ids, bearer(sign(t, "HS256", secret, map[string]any{"kid": "z"}, valid(map[string]any{"exp": noon.Add(2 * time.Hour).Unix()}))), access.Unauthenticated, "not known here")
	if n := i.requests.Load(); n != 1+3+1 {
		t.Errorf("%d requests", n)
	}
}

// A server that lies, breaks off, redirects, sends too much or nothing, when keys
// are needed for the first time: the client is told to come back.
func TestNoSet(t *testing.T) {
	huge := append(jwks(jwk(edKey(), "a", nil)), bytes.Repeat([]byte(" "), 600<<10)...)
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = z.Write(huge)
		_ = z.Close()
	}
	other := newIssuer(t, says(jwks(jwk(edKey(), "a", nil))))
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"an error":     {status(500), "its status is 500 and not 200"},
		"not there":    {status(404), "its status is 404 and not 200"},
		"nothing":      {status(200), "it is no JSON Web Key Set"},
		"no content":   {status(204), "its status is 204 and not 200"},
		"a page":       {says([]byte("<!doctype html><html>hush")), "it is no JSON Web Key Set, which is an object with a list \\\"keys\\\"; it is text/html"},
		"no key":       {says([]byte(`{"keys":[]}`)), "the set has no key"},
		"keys for all": {says(jwks(jwk(secret, "a", nil))), "no key of the set can verify tokens (key 1: it is a secret, and everybody can fetch it)"},
		"huge":         {says(huge), "it is longer than 524288 bytes"},
		"a bomb":       {bomb, "it is longer than 524288 bytes"},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"keys":[`)
		}, "its content breaks off"},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
		"is slow":  {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "it took longer than 500ms"},
		"drips": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "{")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "it took longer than 500ms"},
		"redirects to a file":  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "file:///etc/passwd", 302) }, "redirects from http to"},
		"redirects in circles": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", 302) }, "it was redirected more than 3 times"},
		"redirects away":       {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "http://issuer.invalid/", 302) }, "it redirects from this machine to another with http"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := newIssuer(t, c.answer)
			log := new(logged)
			timeout := patience
			if strings.Contains(c.want, "500ms") {
				timeout = time.Second / 2
			}
			ids := withSet(t, i.URL+"/?token=hush", &identity.Options{Logger: log.logger(), FetchTimeout: timeout})
			refused(t, ids, signedBy(t, "a", nil), access.Unavailable, "the keys that would verify the token cannot be fetched now")
			if got := log.String(); !strings.Contains(got, "level=WARN") || !strings.Contains(got, c.want) || strings.Contains(got, "hush") {
				t.Errorf("got %s want %s", got, c.want)
			}
			if f := ids.Check(t.Context(), strings.TrimPrefix(signedBy(t, "a", nil).Get("Authorization"), "Bearer "), noon); f.Identity != nil || !strings.HasPrefix(f.Detail, "the set of tokens[0] cannot be fetched: ") {
				t.Errorf("%+v", f)
			}
			// Once it is well, so is everything. A redirect is nothing wrong in itself.
			i.now(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, 307) })
			user(t, ids, signedBy(t, "a", nil), "ann")
			if !strings.Contains(log.String(), "can be fetched again") {
				t.Error(log.String())
			}
		})
	}
	t.Run("is down", func(t *testing.T) {
		i := newIssuer(t, status(200))
		i.Close()
		refused(t, withSet(t, i.URL, &identity.Options{}), signedBy(t, "a", nil), access.Unavailable, "cannot be fetched now")
	})
}

// While its server fails, the last set counts.
func TestLastSetCounts(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"fails": status(503), "lies": says([]byte(`{"keys":[]}`)), "garbage": says([]byte("\x00\xff")),
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t, says(jwks(jwk(edKey(), "a", nil))))
			ids := withSet(t, i.URL, &identity.Options{})
			user(t, ids, signedBy(t, "a", nil), "ann")
			i.now(answer)
			refused(t, ids, signedBy(t, "b", nil), access.Unavailable, "cannot be fetched now")
			user(t, ids, signedBy(t, "a", map[string]any{"n": 1}), "ann")
			user(t, ids, signedBy(t, "a", nil), "ann")
		})
	}
}

// Keys of a slow server hold up no client that needs none of them, and are fetched once for
// all waiters.
func TestSlowServer(t *testing.T) {
	release := make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
			_, _ = w.Write(jwks(jwk(edKey(), "a", nil)))
		case <-r.Context().Done():
		}
	})
	ids := newIdentities(t, &identity.Options{FetchTimeout: patience, WorkersMax: 1, Issuers: []identity.Issuer{
		{Secret: secret}, {JWKSURL: i.URL}, {PEM: publicPEM(p256Key())},
	}})
	var waiting []<-chan outcome
	for n := range 50 {
		waiting = append(waiting, begin(ids, signedBy(t, "a", map[string]any{"n": n / 2})))
	}
	user(t, ids, bearer(sign(t, "HS256", secret, nil, valid(nil))), "ann")
	user(t, ids, bearer(sign(t, "ES256", p256Key(), nil, valid(nil))), "ann")
	close(release)
	for _, came := range waiting {
		if o := <-came; o.err != nil || o.id.User != "ann" {
			t.Errorf("%v, %v", o.id, o.err)
		}
	}
	if n := i.requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// Close refuses the waiters, and waits for what goes on.
func TestCloseWhileWaiting(t *testing.T) {
	i := newIssuer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ids := withSet(t, i.URL, &identity.Options{FetchTimeout: patience})
	came := begin(ids, signedBy(t, "a", nil))
	ids.Close()
	var refusal *access.Refusal
	if o := <-came; !errors.As(o.err, &refusal) || refusal.Cause != access.Unavailable {
		t.Errorf("%v, %v", o.id, o.err)
	}
	refused(t, ids, signedBy(t, "a", nil), access.Unavailable, "the server is stopping")
}

// A queue that is full refuses, and takes again what it can.
func TestQueueIsBounded(t *testing.T) {
	release := make(chan struct{})
	i := newIssuer(t, func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write(jwks(jwk(edKey(), "a", nil)))
	})
	one := signedBy(t, "a", map[string]any{"n": 1})
	size := len(one.Get("Authorization")) - len("Bearer ") + 512
	ids := withSet(t, i.URL, &identity.Options{FetchTimeout: patience, QueueBytesMax: 2 * size})
	first, second := begin(ids, one), begin(ids, signedBy(t, "a", map[string]any{"n": 2}))
	refused(t, ids, signedBy(t, "a", map[string]any{"n": 3}), access.Unavailable, "too many tokens wait")
	same := begin(ids, one) // takes no place
	close(release)
	for _, came := range []<-chan outcome{first, second, same} {
		if o := <-came; o.err != nil {
			t.Error(o.err)
		}
	}
	user(t, ids, signedBy(t, "a", map[string]any{"n": 3}), "ann")
}

// transport answers requests without a network.
type transport func() (*http.Response, error)

func (f transport) RoundTrip(*http.Request) (*http.Response, error) { return f() }

func response(code int, b []byte, fields http.Header) *http.Response {
	return &http.Response{StatusCode: code, Header: fields, Body: io.NopCloser(bytes.NewReader(b))}
}

// When a set is fetched again: after the interval, sooner if the server says so, and
// more and more slowly while it fails.
func TestRefresh(t *testing.T) {
	set := jwks(jwk(edKey(), "a", nil))
	for name, c := range map[string]struct {
		cache string
		fails int // how many of the first fail
		want  []time.Duration
	}{
		"as a rule":        {"", 0, []time.Duration{0, 15 * time.Minute, 30 * time.Minute}},
		"server says less": {"public, max-age=300", 0, []time.Duration{0, 5 * time.Minute, 10 * time.Minute}},
		"server says more": {"max-age=86400", 0, []time.Duration{0, 15 * time.Minute, 30 * time.Minute}},
		"no time":          {"Max-Age=0", 0, []time.Duration{0, time.Minute, 2 * time.Minute}},
		"nonsense":         {"max-age=soon, max-age=-5, max-age=99999999999999999999", 0, []time.Duration{0, 15 * time.Minute, 30 * time.Minute}},
		"fails": {"", 8, []time.Duration{
			0, 1 * time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 31 * time.Second, 63 * time.Second, 123 * time.Second, 183 * time.Second, 183*time.Second + 15*time.Minute,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var at []time.Duration
				all := make(chan struct{})
				ids, err := identity.New(&identity.Options{
					Logger:  new(logged).logger(),
					Issuers: []identity.Issuer{{JWKSURL: "https://issuer.example/keys"}},
					HTTPClient: &http.Client{Transport: transport(func() (*http.Response, error) {
						if at = append(at, time.Since(start)); len(at) == len(c.want) {
							close(all)
						}
						if len(at) <= c.fails {
							return nil, errors.New("no network")
						}
						return response(200, set, http.Header{"Cache-Control": {c.cache}}), nil
					})},
				})
				if err != nil {
					t.Fatal(err)
				}
				<-all
				ids.Close()
				for n, want := range c.want {
					if at[n] != want {
						t.Errorf("fetch %d was after %v, want %v", n, at[n], want)
					}
				}
			})
		})
	}
}

// A server that is down is asked for each token that needs it, at a bounded rate, and
// as soon as it is back the keys are there.
func TestServerComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		isUp := false
		ids, err := identity.New(&identity.Options{
			Logger:  new(logged).logger(),
			Issuers: []identity.Issuer{{JWKSURL: "https://issuer.example/keys", AllowWithoutExpiry: true}},
			HTTPClient: &http.Client{Transport: transport(func() (*http.Response, error) {
				if !isUp {
					return nil, errors.New("no network")
				}
				return response(200, jwks(jwk(edKey(), "a", nil)), nil), nil
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer ids.Close()
		r := signedBy(t, "a", map[string]any{"exp": nil, "iat": nil})
		refused(t, ids, r, access.Unavailable, "cannot be fetched now")
		isUp = true
		user(t, ids, r, "ann")
	})
}

// Identities that take others' place have their keys and revocations.
func TestFrom(t *testing.T) {
	i := newIssuer(t, says(jwks(jwk(edKey(), "a", nil))))
	old := withSet(t, i.URL, &identity.Options{})
	user(t, old, signedBy(t, "a", nil), "ann")
	i.now(status(500))
	ids := withSet(t, i.URL, &identity.Options{From: old})
	user(t, ids, signedBy(t, "a", nil), "ann")
	if err := old.Revoke(identity.Revocation{User: "ann"}); err != nil {
		t.Fatal(err)
	}
	refused(t, ids, signedBy(t, "a", nil), access.Unauthenticated, "the token was revoked")
	old.Close()
	user(t, ids, signedBy(t, "a", map[string]any{"sub": "bob"}), "bob")
	// The set of another URL is not taken over.
	other := withSet(t, i.URL+"/other", &identity.Options{From: ids})
	refused(t, other, signedBy(t, "a", map[string]any{"sub": "bob"}), access.Unavailable, "cannot be fetched now")
}

// A key that one saw go, and the one in its place saw come back, is like any other.
func TestKeyThatComesBack(t *testing.T) {
	both := jwks(jwk(edKey(), "a", nil), jwk(otherKey(), "b", nil))
	i := newIssuer(t, says(both))
	old := withSet(t, i.URL, &identity.Options{})
	user(t, old, signedBy(t, "a", nil), "ann")
	i.now(status(500))
	ids := withSet(t, i.URL, &identity.Options{From: old})
	refused(t, ids, signedBy(t, "a2", nil), access.Unavailable, "cannot be fetched now")
	i.now(says(jwks(jwk(otherKey(), "b", nil))))
	refused(t, old, signedBy(t, "a3", nil), access.Unauthenticated, "a key that is not known here")
	i.now(says(both))
	refused(t, ids, signedBy(t, "a4", nil), access.Unauthenticated, "a key that is not known here")
	r := signedBy(t, "a", map[string]any{"n": 1})
	if user(t, ids, r, "ann") != user(t, ids, r, "ann") {
		t.Error("what it verifies is not remembered")
	}
}
