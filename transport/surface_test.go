package transport

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws/handshake"
)

// step is a request of a golden dialogue.
type step struct {
	about  string
	method string
	path   string
	header fields
	body   string
}

// volatile is what differs from run to run, and what takes its place.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`"id":"[a-z0-9]+"`), `"id":"ID"`},
	{regexp.MustCompile(`Content-Length: \d+`), "Content-Length: N"}, // as long as the volatile parts
	{regexp.MustCompile(`x{100,}|k{100,}`), "…"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "HOST"},
}

// normalise replaces the volatile parts. The epoch is that of the site's broker.
func (s *site) normalise(text string) string {
	text = strings.ReplaceAll(text, s.epoch(), "EPOCH")
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// epoch is the epoch of the broker, which is the same for every channel.
func (s *site) epoch() string {
	s.t.Helper()
	page, err := s.hub.History(s.t.Context(), "epoch", hub.Query{Last: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	return page.Position.Epoch
}

// dialogue is a response as a text: the status, the header, the body.
func dialogue(response *http.Response, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "< %s\n", response.Status)
	names := make([]string, 0, len(response.Header))
	for name := range response.Header {
		if name != "Date" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range response.Header[name] {
			fmt.Fprintf(&b, "< %s: %s\n", name, value)
		}
	}
	if response.Close {
		b.WriteString("< (the connection is closed)\n")
	}
	if body != "" {
		b.WriteString(body)
		if !strings.HasSuffix(body, "\n") {
			b.WriteString("(no line end)\n")
		}
	}
	return b.String()
}

func (s *site) play(steps []step) string {
	s.t.Helper()
	epoch := s.epoch()
	if epoch == "" {
		s.t.Fatal("the broker has no epoch")
	}
	var b strings.Builder
	for _, step := range steps {
		expand := func(text string) string { return strings.ReplaceAll(text, "EPOCH", epoch) }
		header := slices.Clone(step.header)
		for i := range header {
			header[i] = expand(header[i])
		}
		response, body := s.do(step.method, expand(step.path), header, step.body)
		fmt.Fprintf(&b, "# %s\n> %s %s\n", step.about, step.method, step.path)
		for i := 0; i+1 < len(step.header); i += 2 {
			fmt.Fprintf(&b, "> %s: %s\n", step.header[i], step.header[i+1])
		}
		if step.body != "" {
			if len(step.body) > 80 {
				fmt.Fprintf(&b, "> (%d bytes)\n", len(step.body))
			} else {
				fmt.Fprintf(&b, "> %q\n", step.body)
			}
		}
		b.WriteString(dialogue(response, body) + "\n")
	}
	return s.normalise(b.String())
}

func TestPublishDialogue(t *testing.T) {
	s := newSite(t, siteOptions{transport: Options{BodyBytesMax: 100}})
	kind := func(contentType string) fields { return fields{"Content-Type", contentType} }
	golden.Compare(t, "testdata/publish.txt", s.play([]step{
		{"what curl -d sends is text, verbatim", "POST", "/channels/chat", kind("application/x-www-form-urlencoded"), "a=1&b=%20"},
		{"the same that is no text", "POST", "/channels/chat", kind("application/x-www-form-urlencoded"), "\xff"},
		{"text", "POST", "/channels/chat", kind("text/plain"), "hello"},
		{"text with its charset", "POST", "/channels/chat", kind("text/markdown; charset=UTF-8"), "héllo"},
		{"JSON", "POST", "/channels/chat", kind("application/json"), "{ \"a\": 1 }"},
		{"a kind of JSON", "POST", "/channels/chat", kind("application/activity+json"), "[1]"},
		{"bytes", "POST", "/channels/chat", kind("image/png"), "\x89PNG"},
		{"no type", "POST", "/channels/chat", nil, "\x00"},
		{"no body", "POST", "/channels/chat", kind("text/plain"), ""},
		{"a name with segments and escapes", "POST", "/channels/match/42/caf%C3%A9%20au%20lait", kind("text/plain"), "1:0"},
		{"what was published", "GET", "/channels/chat", nil, ""},
		{"where it was published", "GET", "/channels/match/42/caf%C3%A9%20au%20lait", nil, ""},
		{"a key", "POST", "/channels/keyed", fields{"Content-Type", "text/plain", "Idempotency-Key", "one"}, "first"},
		{"the same key", "POST", "/channels/keyed", fields{"Content-Type", "text/plain", "Idempotency-Key", "one"}, "second"},
		{"the same key in another channel", "POST", "/channels/keyed/2", fields{"Content-Type", "text/plain", "Idempotency-Key", "one"}, "third"},
		{"published once", "GET", "/channels/keyed", nil, ""},
		{"empty key", "POST", "/channels/keyed", fields{"Idempotency-Key", ""}, "x"},
		{"two keys", "POST", "/channels/keyed", fields{"Idempotency-Key", "a", "Idempotency-Key", "b"}, "x"},
		{"long key", "POST", "/channels/keyed", fields{"Idempotency-Key", strings.Repeat("k", 256)}, "x"},
		{"exactly the limit", "POST", "/channels/limit", kind("text/plain"), strings.Repeat("x", 100)},
		{"one byte more", "POST", "/channels/limit", kind("text/plain"), strings.Repeat("x", 101)},
		{"text that is not UTF-8", "POST", "/channels/chat", kind("text/plain"), "\xff"},
		{"text in another charset", "POST", "/channels/chat", kind("text/plain; charset=iso-8859-1"), "x"},
		{"JSON that is none", "POST", "/channels/chat", kind("application/json"), "{"},
		{"JSON twice", "POST", "/channels/chat", kind("application/json"), "1 2"},
		{"JSON that is not UTF-8", "POST", "/channels/chat", kind("application/json"), "\"\xff\""},
		{"JSON that is empty", "POST", "/channels/chat", kind("application/json"), ""},
		{"a type that cannot be parsed", "POST", "/channels/chat", kind("text" + "/"), "x"},
		{"two types", "POST", "/channels/chat", fields{"Content-Type", "text/plain", "Content-Type", "image/png"}, "x"},
		{"a content encoding", "POST", "/channels/chat", fields{"Content-Encoding", "gzip"}, "x"},
		{"the identity encoding", "POST", "/channels/encoded", fields{"Content-Encoding", "identity"}, "x"},
	}))
}

func TestNameDialogue(t *testing.T) {
	s := newSite(t, siteOptions{})
	var steps []step
	for _, path := range []string{
		"/channels/", "/channels", "/channels//", "/channels/a//b", "/channels/a/", "/channels//a",
		"/channels/a/*", "/channels/**", "/channels/a/../b", "/channels/.", "/channels/%2e%2e/b",
		"/channels/a%2Fb", "/channels/a%2fb", "/channels/a%00b", "/channels/a%0Ab", "/channels/a%7Fb", "/channels/%C2%85", "/channels/%FF",
		"/channels/" + strings.Repeat("x", 256), "/presence/", "/presence", "/presence/a//b", "/presence/a/*",
	} {
		steps = append(steps, step{"a bad name", "GET", path, nil, ""})
	}
	steps = append(steps,
		step{"publishing to a bad name", "POST", "/channels/a/*", nil, "x"},
		step{"the longest name", "GET", "/channels/" + strings.Repeat("x", 255), nil, ""},
		step{"a name that looks like a parameter", "GET", "/channels/a%3Flast=1", nil, ""},
		step{"neither channels nor presence", "GET", "/elsewhere", nil, ""},
	)
	golden.Compare(t, "testdata/names.txt", s.play(steps))
}

func TestPageDialogue(t *testing.T) {
	s := newSite(t, siteOptions{
		transport: Options{PageLimit: 3, PageLimitMax: 4},
		hub:       hub.Options{Retention: hub.Retention{Count: 6, Age: hub.DefaultRetentionAge}},
	})
	for i := range 8 { // 1 and 2 are gone
		s.publish("chat", hub.Text, fmt.Sprint(i+1))
	}
	golden.Compare(t, "testdata/page.txt", s.play([]step{
		{"the newest, as many as a page holds", "GET", "/channels/chat", nil, ""},
		{"JSON by name", "GET", "/channels/chat?last=1", fields{"Accept", "application/json"}, ""},
		{"the newest two", "GET", "/channels/chat?last=2", nil, ""},
		{"the newest five, more than a page may hold: the oldest of them first", "GET", "/channels/chat?last=5", nil, ""},
		{"the newest five, two at a time", "GET", "/channels/chat?last=5&limit=2", nil, ""},
		{"and on", "GET", "/channels/chat?since=EPOCH:5&limit=2", nil, ""},
		{"none, for the position", "GET", "/channels/chat?last=0", nil, ""},
		{"a limit above the maximum", "GET", "/channels/chat?limit=1000", nil, ""},
		{"since, a page", "GET", "/channels/chat?since=EPOCH:4", nil, ""},
		{"since the newest", "GET", "/channels/chat?since=EPOCH:8", nil, ""},
		{"since what is just still there", "GET", "/channels/chat?since=EPOCH:2&limit=1", nil, ""},
		{"since what is gone", "GET", "/channels/chat?since=EPOCH:1&limit=1", nil, ""},
		{"since another epoch", "GET", "/channels/chat?since=other:8&limit=1", nil, ""},
		{"a channel nobody has used", "GET", "/channels/empty", nil, ""},
		{"HEAD", "HEAD", "/channels/chat", nil, ""},
		{"HEAD of a stream", "HEAD", "/channels/chat", fields{"Accept", "text/event-stream"}, ""},
		{"bad position", "GET", "/channels/chat?since=8", nil, ""},
		{"since and last", "GET", "/channels/chat?since=EPOCH:4&last=1", nil, ""},
		{"twice", "GET", "/channels/chat?last=1&last=2", nil, ""},
		{"not a number", "GET", "/channels/chat?limit=all", nil, ""},
		{"not a query", "GET", "/channels/chat?since=%zz", nil, ""},
		{"unknown parameters are ignored", "GET", "/channels/chat?_=1&last=0", nil, ""},
		{"a bad position for a stream", "GET", "/channels/chat?since=8", fields{"Accept", "text/event-stream"}, ""},
		{"a body", "GET", "/channels/chat", nil, "hello"},
		{"nothing acceptable", "GET", "/channels/chat", fields{"Accept", "text/html"}, ""},
		{"wrong method", "PUT", "/channels/chat", nil, "x"},
		{"no method at all", "BREW", "/channels/chat", nil, ""},
		{"presence of nobody", "GET", "/presence/chat", nil, ""},
		{"a count of presence", "GET", "/presence/chat?count=1", nil, ""},
		{"presence by user", "GET", "/presence/chat?by=user&limit=1000&count=0", nil, ""},
		{"presence, limit", "GET", "/presence/chat?limit=1001", nil, ""},
		{"presence, by", "GET", "/presence/chat?by=me", nil, ""},
		{"presence, cursor", "GET", "/presence/chat?cursor=x", nil, ""},
		{"presence, HEAD", "HEAD", "/presence/chat", nil, ""},
		{"presence, wrong method", "POST", "/presence/chat", nil, "x"},
	}))
}

// Credentials go to pages that are known one by one, and to nobody unless that is
// configured.
func TestCredentials(t *testing.T) {
	const field = "Access-Control-Allow-Credentials"
	for _, c := range []struct {
		patterns []string
		allowed  bool
		origin   string
		want     string
	}{
		{[]string{"https://app.example.com"}, true, "https://app.example.com", "true"},
		{[]string{"https://app.example.com"}, false, "https://app.example.com", ""},
		{[]string{"https://app.example.com"}, true, "https://evil.example", ""},
		{[]string{"https://*.example.com"}, true, "https://app.example.com", ""},
		{[]string{"*"}, true, "https://app.example.com", ""},
		{[]string{"null"}, true, "null", ""},
	} {
		origins, err := handshake.ParseOrigins(c.patterns)
		if err != nil {
			t.Fatal(err)
		}
		s := newSite(t, siteOptions{transport: Options{Origins: origins, Credentials: c.allowed}})
		read, _ := s.do("GET", "/channels/chat?last=0", fields{"Origin", c.origin}, "")
		preflight, _ := s.do("OPTIONS", "/channels/chat", fields{"Origin", c.origin, "Access-Control-Request-Method", "POST"}, "")
		publication, _ := s.do("POST", "/channels/chat", fields{"Origin", c.origin}, "x")
		presence, _ := s.do("GET", "/presence/chat", fields{"Origin", c.origin}, "")
		for what, response := range map[string]*http.Response{"read": read, "preflight": preflight, "publication": publication, "presence": presence} {
			if got := strings.Join(response.Header.Values(field), ", "); got != c.want {
				t.Errorf("%v, %v, %s: %s of a %s is %q", c.patterns, c.allowed, c.origin, field, what, got)
			}
		}
	}
}

func TestOriginDialogue(t *testing.T) {
	origins, err := handshake.ParseOrigins([]string{"https://app.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, siteOptions{transport: Options{Origins: origins}})
	self := s.server.URL
	const good, bad = "https://app.example.com", "https://app.example.com.evil.net"
	var upgrade = fields{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	golden.Compare(t, "testdata/origins.txt", s.play([]step{
		{"a page of a listed origin reads", "GET", "/channels/chat?last=0", fields{"Origin", good}, ""},
		{"a page of this origin reads", "GET", "/channels/chat?last=0", fields{"Origin", self}, ""},
		{"a page of another origin reads, and is not shown the answer", "GET", "/channels/chat?last=0", fields{"Origin", bad}, ""},
		{"no page publishes", "POST", "/channels/chat", nil, "x"},
		{"a page of this origin publishes", "POST", "/channels/chat", fields{"Origin", self, "Sec-Fetch-Site", "same-origin"}, "x"},
		{"as a proxy that renames the host makes it look", "POST", "/channels/chat", fields{"Origin", bad, "Sec-Fetch-Site", "same-origin"}, "x"},
		{"an old browser on a page of this origin publishes", "POST", "/channels/chat", fields{"Origin", self}, "x"},
		{"a page of a listed origin publishes", "POST", "/channels/chat", fields{"Origin", good, "Sec-Fetch-Site", "cross-site"}, "x"},
		{"a page of another origin publishes", "POST", "/channels/chat", fields{"Origin", bad, "Sec-Fetch-Site", "cross-site"}, "x"},
		{"a page of a sibling site publishes", "POST", "/channels/chat", fields{"Origin", bad, "Sec-Fetch-Site", "same-site"}, "x"},
		{"an old browser on a page of another origin publishes", "POST", "/channels/chat", fields{"Origin", bad}, "x"},
		{"a page without an origin publishes", "POST", "/channels/chat", fields{"Origin", "null"}, "x"},
		{"a browser that hides the origin publishes", "POST", "/channels/chat", fields{"Sec-Fetch-Site", "cross-site"}, "x"},
		{"two origins", "POST", "/channels/chat", fields{"Origin", good, "Origin", good}, "x"},
		{"preflight from a listed origin", "OPTIONS", "/channels/chat", fields{"Origin", good, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "idempotency-key"}, ""},
		{"preflight for presence", "OPTIONS", "/presence/chat", fields{"Origin", good, "Access-Control-Request-Method", "GET"}, ""},
		{"preflight from another origin", "OPTIONS", "/channels/chat", fields{"Origin", bad, "Access-Control-Request-Method", "POST"}, ""},
		{"OPTIONS that is no preflight", "OPTIONS", "/channels/chat", nil, ""},
		{"an upgrade from another origin", "GET", "/channels/chat", append(fields{"Origin", bad}, upgrade...), ""},
		{"and nobody was seen", "GET", "/presence/chat", nil, ""},
	}))
}

func TestUpgradeDialogue(t *testing.T) {
	s := newSite(t, siteOptions{})
	with := func(name, value string) fields {
		header := fields{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
		for i := 0; i < len(header); i += 2 {
			if header[i] == name {
				header[i+1] = value
				return header
			}
		}
		return append(header, name, value)
	}
	golden.Compare(t, "testdata/upgrade.txt", s.play([]step{
		{"another version", "GET", "/channels/chat", with("Sec-WebSocket-Version", "8"), ""},
		{"a bad key", "GET", "/channels/chat", with("Sec-WebSocket-Key", "short"), ""},
		{"an Upgrade that a proxy ate", "GET", "/channels/chat", fields{"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}, ""},
		{"a Connection that a proxy ate", "GET", "/channels/chat", with("Connection", "keep-alive"), ""},
		{"POST", "POST", "/channels/chat", with("Upgrade", "websocket"), ""},
		{"a bad name", "GET", "/channels/a//b", with("Upgrade", "websocket"), ""},
		{"a bad position", "GET", "/channels/chat?since=8", with("Upgrade", "websocket"), ""},
		{"a bad parameter", "GET", "/channels/chat?self=no", with("Upgrade", "websocket"), ""},
		{"an upgrade to something else is none", "GET", "/channels/chat?last=0", fields{"Connection", "Upgrade", "Upgrade", "h2c"}, ""},
	}))
	s.expectGone()
}
