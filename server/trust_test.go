package server

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/ws"
)

const tokenSecret = "a secret of at least thirty-two bytes"

// newToken makes one of user, that lasts for ttl.
func newToken(t *testing.T, user string, ttl time.Duration, grants string) string {
	t.Helper()
	var g access.Grants
	if err := json.Unmarshal([]byte(grants), &g); err != nil {
		t.Fatal(err)
	}
	signer, err := identity.NewSigner([]byte(tokenSecret), "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := signer.Sign(&identity.Claims{User: user, Grants: g, Expires: time.Now().Add(ttl)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// configured is the Config of a file, with a log of the test.
func configured(t *testing.T, file string) Config {
	t.Helper()
	t.Setenv("TOKEN_SECRET", tokenSecret)
	t.Setenv("HOOK_SECRET", "whsec_"+strings.Repeat("c2VjcmV0", 6))
	path := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const protected = `
listen: 127.0.0.1:0
demo: false
tokens:
  - secret: env:TOKEN_SECRET
    cookie: session
keys:
  - name: shop
    hash: %s
    grants: {publish: ["**"], manage: ["**"]}
anonymous:
  subscribe: ["public/**"]
channels:
  - match: "lobby"
    allow: [publish]
  - match: "scores/**"
    history: {count: 2}
    last_value: true
    presence: false
`

// Every kind of client, at a server that is configured as the documents say, whatever
// drives its connections.
func TestAProtectedServer(t *testing.T) {
	key := identity.NewKey()
	for _, driver := range []string{driverEngine, driverGoroutine} {
		t.Run(driver, func(t *testing.T) {
			c := configured(t, fmt.Sprintf(protected, identity.HashKey(key)))
			if driver == driverEngine && defaultDriver() != driverEngine {
				t.Skip("there are no event loops on this system")
			}
			c.Driver = driver
			s := start(t, c)
			ann := newToken(t, "ann", time.Hour, `{"subscribe":["inbox/{user}","scores/*"],"publish":["inbox/*"],"history":["scores/*"],"presence":["**"]}`)
			old := newToken(t, "ann", -time.Hour, `{"subscribe":["**"]}`)
			for _, row := range []struct {
				about, method, path, accept, field, value string
				want                                      string // status, and a part of the content
			}{
				{"nobody subscribes", "GET", "/channels/public/a", "text/event-stream", "", "", "200 event: position"},
				{"nobody subscribes elsewhere", "GET", "/channels/a", "application/x-ndjson", "", "", `401 this needs the grant subscribe on channel \"a\", and there is no token`},
				{"nobody reads a page", "GET", "/channels/public/a", "", "", "", "401 this needs the grant history"},
				{"nobody publishes in the lobby", "POST", "/channels/lobby", "", "", "", "201 position"},
				{"nobody publishes elsewhere", "POST", "/channels/public/a", "", "", "", "401 this needs the grant publish"},
				{"ann publishes", "POST", "/channels/inbox/bob", "", "Authorization", "Bearer " + ann, "201 position"},
				{"ann subscribes", "GET", "/channels/inbox/ann", "text/event-stream", "Authorization", "Bearer " + ann, "200 event: position"},
				{"ann subscribes by query", "GET", "/channels/inbox/ann?token=" + ann, "text/event-stream", "", "", "200 event: position"},
				{"ann subscribes by cookie", "GET", "/channels/inbox/ann", "text/event-stream", "Cookie", "session=" + ann, "200 event: position"},
				{"ann in the mail of bob", "GET", "/channels/inbox/bob", "text/event-stream", "Authorization", "Bearer " + ann, "403 this needs the grant subscribe"},
				{"ann and who is there", "GET", "/presence/inbox/ann", "", "Authorization", "Bearer " + ann, `200 "connections":[`},
				{"ann and who must not be known", "GET", "/presence/scores/a", "", "Authorization", "Bearer " + ann, "403 not shown"},
				{"an old token", "GET", "/channels/public/a", "text/event-stream", "Authorization", "Bearer " + old, "401 expired"},
				{"nonsense", "GET", "/channels/public/a", "text/event-stream", "Authorization", "Bearer x.y.z", "401 "},
				{"the shop", "POST", "/channels/anything/at/all", "", "Authorization", "Bearer " + key, "201 position"},
				{"the shop by Basic", "GET", "/channels/anything/at/all", "", "Authorization", basic("shop", key), `200 "data":"x"`},
				{"another key", "POST", "/channels/a", "", "Authorization", "Bearer " + identity.NewKey(), "401 "},
			} {
				status, content := ask(t, s, row.method, row.path, "Accept", row.accept, row.field, row.value)
				code, part, _ := strings.Cut(row.want, " ")
				if fmt.Sprint(status) != code || !strings.Contains(content, part) {
					t.Errorf("%s: %d %s, want %s", row.about, status, content, row.want)
				}
				if strings.Contains(content, ann) || strings.Contains(content, key) {
					t.Errorf("%s: a credential is in the answer: %s", row.about, content)
				}
			}
			for _, secret := range []string{ann, old, key, tokenSecret} {
				if strings.Contains(s.log.String(), secret) {
					t.Errorf("a secret is in the log: %s", s.log)
				}
			}
		})
	}
}

func basic(user, password string) string {
	r := &http.Request{Header: make(http.Header)}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

// ask makes a request, and reads its answer or the beginning of an answer that goes on.
func ask(t *testing.T, s *running, method, path string, fields ...string) (int, string) {
	t.Helper()
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("x")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i+1] != "" {
			r.Header.Set(fields[i], fields[i+1])
		}
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(content)
	}
	in := bufio.NewScanner(response.Body)
	var content strings.Builder
	for in.Scan() && !strings.HasPrefix(in.Text(), "data:") {
		content.WriteString(in.Text() + "\n")
	}
	return response.StatusCode, content.String()
}

// A WebSocket has its token in a subprotocol, and gets the one that it means.
func TestTokensAsSubprotocols(t *testing.T) {
	s := start(t, configured(t, fmt.Sprintf(protected, identity.HashKey(identity.NewKey()))))
	ann := newToken(t, "ann", time.Hour, `{"subscribe":["chat"],"publish":["chat"]}`)
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/channels/chat?envelope=1", &ws.DialOptions{
		Subprotocols: []string{"json", identity.SubprotocolPrefix + ann},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if got := conn.Subprotocol(); got != "json" {
		t.Errorf("the subprotocol is %q", got)
	}
	if err := conn.Write(t.Context(), ws.MessageText, []byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	_, data, err := conn.Read(t.Context())
	if err != nil || !strings.HasSuffix(string(data), `"user":"ann","data":{"a":1}}`) {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestPoliciesOfTheConfiguration(t *testing.T) {
	key := identity.NewKey()
	s := start(t, configured(t, fmt.Sprintf(protected, identity.HashKey(key))))
	for range 3 {
		ask(t, s, "POST", "/channels/scores/a", "Authorization", "Bearer "+key)
	}
	_, page := ask(t, s, "GET", "/channels/scores/a", "Authorization", "Bearer "+key)
	if n := strings.Count(page, `"data":"x"`); n != 2 {
		t.Errorf("the channel holds %d publications, want 2: %s", n, page)
	}
}

// A reload changes who may do what while clients are there; one that cannot be does
// nothing at all.
func TestReload(t *testing.T) {
	key := identity.NewKey()
	hash := identity.HashKey(key)
	s := start(t, configured(t, fmt.Sprintf(protected, hash)))
	try := func(want int) {
		t.Helper()
		if got, content := ask(t, s, "GET", "/channels/news", "Accept", "text/event-stream"); got != want {
			t.Errorf("an anonymous client gets %d %s, want %d", got, content, want)
		}
	}
	try(401)
	next := configured(t, strings.Replace(fmt.Sprintf(protected, hash), "public/**", "news", 1)+"heartbeat: 20s\n")
	needs, err := s.Reload(t.Context(), next)
	if err != nil || len(needs) != 1 || needs[0] != "heartbeat" {
		t.Errorf("reload needs %q, %v", needs, err)
	}
	try(200)
	if got := s.Config(); got.Anonymous.String() != "subscribe on news" || got.Heartbeat != DefaultHeartbeat {
		t.Errorf("the configuration is %v, %v", got.Anonymous, got.Heartbeat)
	}
	bad := next
	bad.Anonymous = new(access.Grants)
	bad.Tokens = []TokenIssuer{{Secret: Secret{"env:NOT_SET_ANYWHERE"}}}
	if _, err := s.Reload(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "tokens[0].secret: the variable NOT_SET_ANYWHERE is not set") {
		t.Errorf("a secret that is not there: %v", err)
	}
	try(200)
	open := next
	open.Listen = []string{"0.0.0.0:0"}
	open.Tokens, open.Keys, open.Anonymous = nil, nil, nil
	if _, err := s.Reload(t.Context(), open); err == nil || !strings.Contains(err.Error(), "everybody") {
		t.Errorf("a configuration that opens the server: %v", err)
	}
	try(200)
	if log := s.log.String(); !strings.Contains(log, `msg=reloaded changed=anonymous needs_restart=heartbeat`) {
		t.Errorf("the log is %s", log)
	}
}

// The server API is for back ends with a key: it asks for the same grants, and what it
// does is seen by clients.
func TestTheAPIOfAServer(t *testing.T) {
	key := identity.NewKey()
	s := start(t, configured(t, fmt.Sprintf(protected, identity.HashKey(key))))
	ann := newToken(t, "ann", time.Hour, `{"subscribe":["chat","inbox/{user}"]}`)
	call := func(method, path, body, credential string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		if credential != "" {
			r.Header.Set("Authorization", "Bearer "+credential)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		content, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(content)
	}
	expect := func(code int, part, method, path, body, credential string) {
		t.Helper()
		if got, content := call(method, path, body, credential); got != code || !strings.Contains(content, part) {
			t.Errorf("%s %s: %d %s, want %d %q", method, path, got, content, code, part)
		}
	}
	conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(s.url, "http")+"/channels/chat?envelope=1&token="+ann, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	publication := `{"channel":"chat","data":{"n":1},"event":"joke","key":"k"}`
	expect(401, "unauthorized", "POST", "/api/v1/publish", publication, "")
	expect(403, "publish", "POST", "/api/v1/publish", publication, ann)
	expect(201, "position", "POST", "/api/v1/publish", publication, key)
	if _, data, err := conn.Read(t.Context()); err != nil || !strings.HasSuffix(string(data), `"event":"joke","key":"k","data":{"n":1}}`) {
		t.Errorf("the subscriber got %s, %v", data, err)
	}
	expect(200, `"ann"`, "GET", "/api/v1/sessions?user=ann", "", key)
	expect(200, `"chat"`, "GET", "/api/v1/channels?match=*", "", key)
	expect(200, `has no grant to publish`, "GET", "/api/v1/explain?token="+ann+"&action=publish&channel=chat", "", key)
	expect(200, "openapi", "GET", "/api/v1/openapi.json", "", "")
	expect(200, "<html", "GET", "/docs/api", "", "")
	expect(200, "", "POST", "/api/v1/revocations", `{"user":"ann"}`, key)
	_, _, err = conn.Read(t.Context())
	if ws.CloseStatus(err) != 4401 {
		t.Errorf("a revoked session ended with %v", err)
	}
	expect(401, "revoked", "GET", "/channels/chat?token="+ann, "", "")
}
