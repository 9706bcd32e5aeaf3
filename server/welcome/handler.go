package welcome

import (
	"embed"
	"fmt"
	"html"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/godwit-io/godwit/server/fixed"
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
// program, and links to source, the address below which a code host has its files, and to
// the examples where hasGallery says that they are served.
//
// Everything in the page is relative to it, so a proxy may serve it below a path of
// its own, if that path ends in a slash and the proxy takes it away.
//
// Every answer carries an ETag and must be revalidated before it is used again. The
// Handler is safe for concurrent use.
func Handler(version, source string, hasGallery func() bool) http.Handler {
	served, without := load(version, source)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := served[r.URL.Path]
		if r.URL.Path == "/" && !hasGallery() {
			file = without
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
		fixed.SetPolicy(w.Header(), policy)
		file.ServeHTTP(w, r)
	})
}

// load reads the embedded files by the path each is served at, and the page as it is
// without the examples. What could go wrong was decided when the program was built, so
// it panics.
func load(version, source string) (served map[string]*fixed.File, without *fixed.File) {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	fill := strings.NewReplacer("{{version}}", html.EscapeString(version), "{{source}}", html.EscapeString(source))
	served = make(map[string]*fixed.File, len(entries))
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
			served[prefix+entry.Name()] = fixed.New(contentType, content)
			continue
		}
		content = []byte(fill.Replace(string(content)))
		served["/"] = fixed.New(contentType, content)
		without = fixed.New(contentType, examples.ReplaceAll(content, nil))
	}
	return served, without
}

// examples matches what the page says of the examples.
var examples = regexp.MustCompile(`(?s)[ \t]*<!-- examples -->.*?<!-- /examples -->\n`)
