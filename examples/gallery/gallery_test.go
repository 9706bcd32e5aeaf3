package gallery_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/examples/gallery"
)

// TestHandler: an example is opened when its page is asked for and not with what that loads,
// and what is not there is a problem document.
func TestHandler(t *testing.T) {
	var opened []string
	handler := gallery.Handler(func(e gallery.Example) { opened = append(opened, e.Name) })
	for _, test := range []struct {
		method, path string
		status       int
		contentType  string
		opens        []string
	}{
		{"GET", "/examples/", 200, "text/html", nil},
		{"GET", "/examples", 301, "text/html", nil},
		{"GET", "/examples/scores", 301, "text/html", nil},
		{"GET", "/examples/scores/", 200, "text/html", []string{"scores"}},
		{"GET", "/examples/scores/scores.go", 200, "text/plain", nil},
		{"GET", "/examples/scores/screenshot.webp", 200, "image/webp", nil},
		{"GET", "/examples/example.css", 200, "text/css", nil},
		{"GET", "/examples/nothing/", 404, "application/problem+json", nil},
		{"POST", "/examples/scores/", 405, "application/problem+json", nil},
	} {
		opened = nil
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(test.method, test.path, nil))
		if got := w.Header().Get("Content-Type"); w.Code != test.status || !strings.HasPrefix(got, test.contentType) || !slices.Equal(opened, test.opens) {
			t.Errorf("%s %s: %d %s, opened %v", test.method, test.path, w.Code, got, opened)
		}
		if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD" {
			t.Error("it does not say what is allowed")
		}
	}
}

// TestPages: all there is to run in a page is allowed by its digest, and nothing else.
func TestPages(t *testing.T) {
	handler := gallery.Handler(func(gallery.Example) {})
	for _, e := range gallery.Examples {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", gallery.Prefix+e.Name+"/", nil))
		policy, page := w.Header().Get("Content-Security-Policy"), w.Body.String()
		inline := strings.Count(page, "<style>") + strings.Count(page, `<script type="module">`) + strings.Count(page, "<script>")
		if inline == 0 || strings.Count(policy, "'sha256-") != inline || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: %d scripts and styles, and %s", e.Name, inline, policy)
		}
	}
}
