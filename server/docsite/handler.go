package docsite

import (
	"embed"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/server/fixed"
	"github.com/godwit-io/godwit/transport"
)

//go:embed assets
var assets embed.FS

// Prefix is where the site is.
const Prefix = "/docs/"

// policy is the Content-Security-Policy of everything served here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// contentTypes is written down because mime.TypeByExtension depends on the machine.
var contentTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
}

// Handler serves the site below Prefix. A page is at its name without ".md", its source
// with it: /docs/start and /docs/start.md. Any other path is not found. Errors are problem
// documents (RFC 9457). The site says version, of the program, and links to source, the
// address below which a code host has the files of that version.
//
// Everything is relative, so a proxy may serve the site below a path of its own, together
// with the welcome page, whose colours and theme it has.
//
// Every answer carries an ETag and must be revalidated before it is used again. The
// Handler is safe for concurrent use.
func Handler(version, source string) http.Handler {
	site := sync.OnceValue(func() *site { return newSite(version, source) }) // a server that nobody asks spends nothing
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, isBelow := strings.CutPrefix(r.URL.Path, Prefix)
		file, elsewhere := site().find(name)
		if !isBelow {
			file, elsewhere = nil, "docs/" // without the last slash relative links lead elsewhere
		}
		if file == nil && elsewhere == "" {
			transport.ProblemNotFound.Write(w, "the documentation has no such page; "+Prefix+" lists all that there are")
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			transport.ProblemMethod.Write(w, "this can be read with GET or HEAD")
			return
		}
		fixed.SetPolicy(w.Header(), policy)
		if file == nil {
			w.Header().Set("Location", elsewhere)
			w.Header().Set("Cache-Control", "no-cache")
			w.WriteHeader(http.StatusPermanentRedirect)
			return
		}
		file.ServeHTTP(w, r)
	})
}

// find returns what is served at a name below Prefix: a file, or where to look instead,
// relative to it; or neither.
func (s *site) find(name string) (file *fixed.File, elsewhere string) {
	switch name {
	case "search.json":
		return s.index(), ""
	case "decisions":
		return nil, "decisions/"
	case "README", "decisions/README":
		return nil, "./"
	}
	if asset, ok := strings.CutPrefix(name, "assets/"); ok {
		return s.assets[asset], ""
	}
	if p := s.bySource[name]; p != nil {
		return p.plain(), ""
	}
	if p := s.byName[name]; p != nil {
		return p.html(), ""
	}
	return nil, ""
}

// loadAssets reads the embedded files. What could go wrong was decided when the program was
// built, so it panics.
func loadAssets() map[string]*fixed.File {
	entries, err := assets.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	served := make(map[string]*fixed.File, len(entries))
	for _, entry := range entries {
		contentType, ok := contentTypes[path.Ext(entry.Name())]
		if !ok {
			continue // the template of pages
		}
		content, err := assets.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		served[entry.Name()] = fixed.New(contentType, content)
	}
	return served
}
