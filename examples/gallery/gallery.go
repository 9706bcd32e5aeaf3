package gallery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/examples/auction"
	"github.com/godwit-io/godwit/examples/audio"
	"github.com/godwit-io/godwit/examples/chat"
	"github.com/godwit-io/godwit/examples/dashboard"
	"github.com/godwit-io/godwit/examples/delivery"
	"github.com/godwit-io/godwit/examples/feed"
	"github.com/godwit-io/godwit/examples/game"
	"github.com/godwit-io/godwit/examples/inbox"
	"github.com/godwit-io/godwit/examples/scores"
	"github.com/godwit-io/godwit/examples/seats"
	"github.com/godwit-io/godwit/examples/text"
	"github.com/godwit-io/godwit/server"
	"github.com/godwit-io/godwit/server/fixed"
	"github.com/godwit-io/godwit/transport"
)

// Example is one of them.
type Example struct {
	Name   string // its folder, and its path below /examples/
	Title  string
	Lesson string // what it teaches, in a sentence

	// Files are index.html, what it loads, and the source of Run. A screenshot.webp is
	// shown in the gallery.
	Files fs.FS

	// Run is the server of the example: a client like any other, until ctx ends. Nil: the
	// page is all there is.
	Run func(ctx context.Context, c *client.Client) error
}

// Examples are all of them, in the order in which they are shown.
var Examples = []Example{
	{"chat", "Chat", "Rooms, names, history, and who is there, without a server of your own.", chat.Files, nil},
	{"auction", "Live auction", "A back end decides which bids are taken, by answering calls.", auction.Files, auction.Run},
	{"game", "Multiplayer game", "A server with a tick, and pages that draw what lies between two.", game.Files, game.Run},
	{"text", "Collaborative text", "Yjs merges what everybody types, and a channel carries it.", text.Files, nil},
	{"delivery", "Delivery tracking", "Many positions, of which a page gets as many a second as it draws.", delivery.Files, delivery.Run},
	{"scores", "Live scores", "One pattern for many channels, and the newest publication of each to begin with.", scores.Files, scores.Run},
	{"seats", "Seat map", "Many small channels, and a back end that lets one of two have what both want.", seats.Files, seats.Run},
	{"inbox", "Notification inbox", "What was missed, and how far one has read, on all devices.", inbox.Files, inbox.Run},
	{"audio", "Live audio", "Bytes, ten times a second, to many listeners.", audio.Files, audio.Run},
	{"dashboard", "Metrics dashboard", "The history of a channel as the past of a chart.", dashboard.Files, dashboard.Run},
	{"feed", "Blockchain-style feed", "One upstream WebSocket for everybody, and outages that the channel announces.", feed.Files, nil},
}

// Feeds are what Run is to examples with an upstream of their own, by name. They have the server
// follow it, so they run only beside one.
var Feeds = map[string]func(ctx context.Context, c *client.Client, follow func(server.Bridge) error) error{
	"feed": feed.Feed,
}

// Find returns the example of a name.
func Find(name string) (Example, bool) {
	for _, e := range Examples {
		if e.Name == name {
			return e, true
		}
	}
	return Example{}, false
}

// Prefix is where the gallery is served.
const Prefix = "/examples/"

// file is what is served at a path.
type file struct {
	*fixed.File
	policy string
}

// Handler serves the gallery at Prefix, and each example below it. Opened is called with an
// example before its page is served, each time and at once: it must not block. Everything
// in the pages is relative to them, so a proxy may serve them below a path of its own. Errors
// are problem documents (RFC 9457).
func Handler(opened func(Example)) http.Handler {
	loaded := sync.OnceValue(load) // most servers show no examples
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		files := loaded()
		f, ok := files[r.URL.Path]
		if !ok {
			if _, isFolder := files[r.URL.Path+"/"]; isFolder {
				http.Redirect(w, r, path.Base(r.URL.Path)+"/", http.StatusMovedPermanently)
				return
			}
			transport.ProblemNotFound.Write(w, "no example has this path; all of them are at "+Prefix)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			transport.ProblemMethod.Write(w, "this can be read with GET or HEAD")
			return
		}
		name := strings.TrimPrefix(r.URL.Path, Prefix)
		if e, ok := Find(strings.TrimSuffix(name, "/")); ok {
			opened(e)
		}
		fixed.SetPolicy(w.Header(), f.policy)
		f.ServeHTTP(w, r)
	})
}

//go:embed index.html example.css
var own embed.FS

var page = template.Must(template.ParseFS(own, "index.html"))

// load reads all files by the path each is served at. What could go wrong was decided when
// the program was built, so it panics.
func load() map[string]file {
	files := map[string]file{}
	type card struct {
		Example
		Screenshot bool
	}
	var cards []card
	for _, e := range Examples {
		add(files, Prefix+e.Name+"/", e.Files)
		_, hasScreenshot := files[Prefix+e.Name+"/screenshot.webp"]
		cards = append(cards, card{e, hasScreenshot})
	}
	add(files, Prefix, own)
	var index bytes.Buffer
	if err := page.Execute(&index, cards); err != nil {
		panic(err)
	}
	files[Prefix] = newFile("index.html", index.Bytes())
	return files
}

func add(files map[string]file, prefix string, from fs.FS) {
	err := fs.WalkDir(from, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(from, name)
		if err != nil {
			return err
		}
		at := prefix + name
		if path.Base(name) == "index.html" {
			at = strings.TrimSuffix(at, "index.html")
		}
		files[at] = newFile(name, content)
		return nil
	})
	if err != nil {
		panic(err)
	}
}

func newFile(name string, content []byte) file {
	contentType, ok := contentTypes[path.Ext(name)]
	if !ok {
		panic("gallery: no content type for " + name)
	}
	f := file{fixed.New(contentType, content), "default-src 'none'; frame-ancestors 'none'"}
	if path.Ext(name) == ".html" {
		f.policy = policy(content)
	}
	return f
}

// contentTypes is written down because mime.TypeByExtension depends on the machine.
var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".mjs":  "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
	".webp": "image/webp",
	".go":   "text/plain; charset=utf-8",
	".yaml": "text/plain; charset=utf-8",
}

var (
	inlineScript = regexp.MustCompile(`(?s)<script(?: type="module")?>(.*?)</script>`)
	inlineStyle  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
)

// policy is the Content-Security-Policy of a page, which keeps script and style in its one
// file: what may run are those, by their digests, and what this server has.
func policy(page []byte) string {
	return "default-src 'none'; script-src 'self'" + digests(inlineScript, page) + "; style-src 'self'" + digests(inlineStyle, page) +
		"; img-src 'self' data:; media-src 'self' blob:; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" +
		"; require-trusted-types-for 'script'"
}

func digests(element *regexp.Regexp, page []byte) string {
	var b strings.Builder
	for _, m := range element.FindAllSubmatch(page, -1) {
		sum := sha256.Sum256(m[1])
		b.WriteString(" 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'")
	}
	return b.String()
}
