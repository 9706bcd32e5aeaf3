package welcome

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"path"
	"regexp"
	"time"

	"github.com/godwit-io/godwit/transport"
)

//go:embed assets
var assets embed.FS

// prefix is where the page finds what it loads; the page itself is at "/".
const prefix = "/welcome/"

// policy is the Content-Security-Policy of everything served here. connect-src names
// the WebSocket schemes because not every browser counts them as 'self'.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; " +
	"connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'"

// contentTypes is written down because mime.TypeByExtension depends on the machine,
// and a browser does not run a module script of the wrong type.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Handler serves the page at / and what it loads under /welcome/. Any other path is
// not found. Errors are problem documents (RFC 9457). The page says version, of the
// program, and links to the examples where hasGallery says that they are served.
//
// Everything in the page is relative to it, so a proxy may serve it below a path of
// its own, if that path ends in a slash and the proxy takes it away.
//
// Every answer carries an ETag and must be revalidated before it is used again, so a
// new version of the server never meets the scripts of an old one. The Handler is
// safe for concurrent use and keeps no state.
func Handler(version string, hasGallery func() bool) http.Handler {
	served, without := load(version)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, ok := served[r.URL.Path]
		if r.URL.Path == "/" && !hasGallery() {
			a = without
		}
		if !ok {
			transport.ProblemNotFound.Write(w, "nothing is served at this path; channels are at /channels/NAME, and / shows some")
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			transport.ProblemMethod.Write(w, "this can be read with GET or HEAD; to publish, POST to /channels/NAME")
			return
		}
		h := w.Header()
		h.Set("Content-Type", a.contentType)
		h.Set("ETag", a.etag)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// The ETag says it all: a time would be that of the build, and lie.
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
	})
}

// asset is one embedded file, ready to be served.
type asset struct {
	contentType string
	etag        string
	content     []byte
}

// load reads the embedded files by the path each is served at, and the page as it is
// without the examples. What could go wrong was decided when the program was built, so
// it panics.
func load(version string) (served map[string]asset, without asset) {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	served = make(map[string]asset, len(entries))
	for _, entry := range entries {
		content, err := assets.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		contentType, ok := contentTypes[path.Ext(entry.Name())]
		if !ok {
			panic(fmt.Sprintf("welcome: no content type for %s", entry.Name()))
		}
		if entry.Name() != "index.html" {
			served[prefix+entry.Name()] = newAsset(contentType, content)
			continue
		}
		content = bytes.ReplaceAll(content, []byte("{{version}}"), []byte(html.EscapeString(version)))
		served["/"] = newAsset(contentType, content)
		without = newAsset(contentType, examples.ReplaceAll(content, nil))
	}
	return served, without
}

// examples matches what the page says of the examples.
var examples = regexp.MustCompile(`(?s)[ \t]*<!-- examples -->.*?<!-- /examples -->\n`)

func newAsset(contentType string, content []byte) asset {
	sum := sha256.Sum256(content)
	return asset{contentType: contentType, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, content: content}
}
