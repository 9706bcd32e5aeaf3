package welcome

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/server/fixed"
)

const source = "https://code.example/blob/v1.2.3/"

func TestMain(m *testing.M) { goleak.VerifyTestMain(chromiumtest.Main(clustertest.Main(m))) }

func get(t *testing.T, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	Handler("v1.2.3 <dirty>", source, func() bool { return true }).ServeHTTP(w, r)
	return w.Result()
}

// all are the files that are served, where the examples are.
func all() map[string]*fixed.File {
	served, _ := load("v1.2.3 <dirty>", source)
	return served
}

// TestExamplesWhereTheyAre: the page links to the examples if they are served, and says
// nothing of them otherwise.
func TestExamplesWhereTheyAre(t *testing.T) {
	for _, has := range []bool{true, false} {
		w := httptest.NewRecorder()
		Handler("v1.2.3", source, func() bool { return has }).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := strings.Contains(w.Body.String(), "xamples"); got != has {
			t.Errorf("served: %t; the page says so: %t", has, got)
		}
	}
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestServesEveryAssetWithItsType(t *testing.T) {
	served := all()
	for at, a := range served {
		res := get(t, "GET", at, nil)
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET %s: status %d, want 200", at, res.StatusCode)
		}
		if got := body(t, res); got != string(a.Content()) || got == "" {
			t.Errorf("GET %s: %d bytes, want the %d of the file", at, len(got), len(a.Content()))
		}
		if res.Header.Get("Content-Security-Policy") == "" {
			t.Errorf("GET %s: no Content-Security-Policy", at)
		}
	}
	for at, want := range map[string]string{
		"/":                  "text/html; charset=utf-8",
		"/welcome/main.js":   "text/javascript; charset=utf-8",
		"/welcome/base.css":  "text/css; charset=utf-8",
		"/welcome/mark.svg":  "image/svg+xml",
		"/welcome/theme.js":  "text/javascript; charset=utf-8",
		"/?utm_source=print": "text/html; charset=utf-8",
	} {
		if got := get(t, "GET", at, nil).Header.Get("Content-Type"); got != want {
			t.Errorf("GET %s: type %q, want %q", at, got, want)
		}
	}
}

// The page must work without a network: whatever one file names, another of them is.
func TestEveryReferenceIsServed(t *testing.T) {
	served := all()
	named := regexp.MustCompile(`(?:src|href)="(welcome/[^"]*)"|from "\./([^"]*)"`)
	reached := map[string]bool{"/": true}
	for at, a := range served {
		for _, match := range named.FindAllStringSubmatch(string(a.Content()), -1) {
			target := "/" + match[1]
			if target == "/" {
				target = prefix + match[2]
			}
			if _, ok := served[target]; !ok {
				t.Errorf("%s names %s, which is not served", at, target)
			}
			reached[target] = true
		}
	}
	for at := range served {
		if !reached[at] {
			t.Errorf("%s is served and nothing names it", at)
		}
	}
}

// A strict policy is worth nothing if the page needs exceptions from it.
func TestPageObeysItsPolicy(t *testing.T) {
	for _, directive := range []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self' ws: wss:",
		"base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	} {
		policy := get(t, "GET", "/", nil).Header.Get("Content-Security-Policy")
		if !strings.Contains("; "+policy+";", "; "+directive+";") {
			t.Errorf("policy %q lacks %q", policy, directive)
		}
	}
	forbidden := map[string]*regexp.Regexp{
		"an inline script":        regexp.MustCompile(`<script(?:\s+type="module")?\s*>`),
		"an inline style":         regexp.MustCompile(`<style|\sstyle=`),
		"an inline event handler": regexp.MustCompile(`<[^>]*\son[a-z]+=`),
		"HTML made of text":       regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(`),
		"another host":            regexp.MustCompile(`<(?:link|script|img|iframe)[^>]*(?:src|href)=["']?(?:https?:)?//|url\(["']?(?:https?:)?//`),
		"a path of the host":      regexp.MustCompile(`(?:src|href)="/`),
	}
	for at, a := range all() {
		for what, pattern := range forbidden {
			if found := pattern.Find(a.Content()); found != nil {
				t.Errorf("%s has %s: %s", at, what, found)
			}
		}
	}
}

func TestRevalidation(t *testing.T) {
	first := get(t, "GET", "/welcome/live.js", nil)
	etag := first.Header.Get("ETag")
	if !regexp.MustCompile(`^"[\w-]{16}"$`).MatchString(etag) {
		t.Fatalf("ETag %q is not a strong one of 16 characters", etag)
	}
	if got := first.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q, want no-cache", got)
	}
	if got := get(t, "GET", "/welcome/code.js", nil).Header.Get("ETag"); got == etag {
		t.Errorf("two files share the ETag %s", etag)
	}
	for _, c := range []struct {
		name, ifNoneMatch string
		want              int
	}{
		{"the same", etag, http.StatusNotModified},
		{"weakened by a proxy", "W/" + etag, http.StatusNotModified},
		{"in a list", `"other", ` + etag, http.StatusNotModified},
		{"any", "*", http.StatusNotModified},
		{"another", `"other"`, http.StatusOK},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			res := get(t, method, "/welcome/live.js", http.Header{"If-None-Match": {c.ifNoneMatch}})
			if res.StatusCode != c.want {
				t.Errorf("%s, %s: status %d, want %d", method, c.name, res.StatusCode, c.want)
			}
			if got := res.Header.Get("ETag"); got != etag {
				t.Errorf("%s, %s: ETag %q, want %q", method, c.name, got, etag)
			}
			if got := body(t, res); c.want == http.StatusNotModified && got != "" {
				t.Errorf("%s, %s: a 304 with a body of %d bytes", method, c.name, len(got))
			}
		}
	}
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	full, head := get(t, "GET", "/", nil), get(t, "HEAD", "/", nil)
	if head.StatusCode != http.StatusOK {
		t.Errorf("status %d, want 200", head.StatusCode)
	}
	if got := body(t, head); got != "" {
		t.Errorf("a body of %d bytes", len(got))
	}
	for _, name := range []string{"Content-Type", "Content-Length", "ETag", "Content-Security-Policy"} {
		if got, want := head.Header.Get(name), full.Header.Get(name); got != want || want == "" {
			t.Errorf("%s %q, want %q as in GET", name, got, want)
		}
	}
}

func TestProblems(t *testing.T) {
	for _, c := range []struct {
		method, target string
		status         int
		problem, allow string
	}{
		{"GET", "/welcome/", 404, "not-found", ""},
		{"GET", "/welcome/index.html", 404, "not-found", ""},
		{"GET", "/welcome/nothing.js", 404, "not-found", ""},
		{"GET", "/welcome/assets/main.js", 404, "not-found", ""},
		{"GET", "/welcome/../handler.go", 404, "not-found", ""},
		{"GET", "/welcome/%2e%2e/handler.go", 404, "not-found", ""},
		{"GET", "/welcome", 404, "not-found", ""},
		{"POST", "/nothing", 404, "not-found", ""},
		{"POST", "/", 405, "method-not-allowed", "GET, HEAD"},
		{"PUT", "/welcome/main.js", 405, "method-not-allowed", "GET, HEAD"},
		{"DELETE", "/", 405, "method-not-allowed", "GET, HEAD"},
		{"OPTIONS", "/", 405, "method-not-allowed", "GET, HEAD"},
	} {
		res := get(t, c.method, c.target, nil)
		var problem struct {
			Type   string
			Status int
		}
		if err := json.Unmarshal([]byte(body(t, res)), &problem); err != nil {
			t.Errorf("%s %s: the body is not JSON: %v", c.method, c.target, err)
		}
		if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s %s: type %q", c.method, c.target, got)
		}
		if res.StatusCode != c.status || problem.Status != c.status || path.Base(problem.Type) != c.problem {
			t.Errorf("%s %s: status %d, problem %+v, want %d %s", c.method, c.target, res.StatusCode, problem, c.status, c.problem)
		}
		if got := res.Header.Get("Allow"); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.target, got, c.allow)
		}
	}
}

// The page says what program it is of, and where more is to be read.
func TestAbout(t *testing.T) {
	page := body(t, get(t, "GET", "/", nil))
	for _, want := range []string{
		"Godwit v1.2.3 &lt;dirty&gt;<", `href="https://code.example/blob/v1.2.3/README.md"`, `href="https://code.example/blob/v1.2.3/LICENSE"`, "Apache-2.0", `href="docs/"`, `href="docs/client-js"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "{{") {
		t.Error("something is left to be filled in")
	}
}

// Other people's tests and scripts find their way by these.
func TestHooks(t *testing.T) {
	page := body(t, get(t, "GET", "/", nil))
	for _, id := range []string{
		"chat-left", "chat-left-name", "chat-left-input", "chat-left-send", "chat-left-log",
		"chat-right", "chat-right-name", "chat-right-input", "chat-right-send", "chat-right-log",
		"board", "board-cursors", "board-clear", "chart", "chart-quiet", "status", "theme-toggle",
	} {
		if n := strings.Count(page, `data-testid="`+id+`"`); n != 1 {
			t.Errorf("data-testid %q is there %d times, want once", id, n)
		}
	}
	for _, card := range []string{"chat", "board", "chart"} {
		if !strings.Contains(page, `data-card="`+card+`"`) {
			t.Errorf("no card %q, so no transport-%s and status-%s either", card, card, card)
		}
	}
}
