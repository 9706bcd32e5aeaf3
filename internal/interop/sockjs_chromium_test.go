package interop

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/ws/handshake"
)

// The transports that the client has in Chromium, in pages of the server's origin and of
// another one. Those in a frame are for other origins only.
var (
	sockJSTransports      = []string{"websocket", "xhr-streaming", "eventsource", "xhr-polling", "jsonp-polling"}
	sockJSTransportsCross = append([]string{"iframe-eventsource", "iframe-xhr-polling"}, sockJSTransports...)
)

// A page sends numbered messages and every character there is, by each transport that the
// unmodified client has in Chromium. A page of an origin that is not admitted can use none.
func TestSockJSInChromium(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	npm := program(t, "npm")
	dir := t.TempDir()
	if err := installNode(npm, dir, "sockjs"); err != nil {
		missing(t, err.Error())
	}
	read := func(path ...string) []byte {
		b, err := os.ReadFile(filepath.Join(path...))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	client := read(dir, "node_modules", "sockjs-client", "dist", "sockjs.min.js")
	script := string(read("testdata", "sockjs", "page.js"))
	origins, err := handshake.ParseOrigins([]string{"http://127.0.0.1:*"})
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(`<!doctype html><title>SockJS</title><script src="/sockjs.min.js"></script>`))
		case "/sockjs.min.js":
			w.Header().Set("Content-Type", "text/javascript")
			_, _ = w.Write(client)
		default:
			http.NotFound(w, r)
		}
	})
	for _, driver := range []string{"loops", "goroutines"} {
		host := serveSockJS(t, driver, page, &sockjs.Options{
			Base: "/echo", Transports: sockjs.AllTransports(), Origins: origins, SockJSURL: "/sockjs.min.js",
		})
		server := "http://localhost:" + host[strings.LastIndexByte(host, ':')+1:]
		visit := func(t *testing.T, origin string) func(transport string, messages int) string {
			ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
			t.Cleanup(cancel)
			if err := chromedp.Do(ctx, chromedp.Navigate(origin), chromedp.Evaluate[chromedp.Void](script)); err != nil {
				t.Fatalf("in the browser: %v", err)
			}
			return func(transport string, messages int) string {
				ctx, cancel := context.WithTimeout(ctx, patience)
				defer cancel()
				said, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf("talk(%q, %q, %d)", server+"/echo", transport, messages), chromedp.EvalAwaitPromise))
				if err != nil {
					return err.Error()
				}
				return said
			}
		}
		t.Run(driver+" same origin", func(t *testing.T) {
			talk := visit(t, server)
			for _, transport := range sockJSTransports {
				if said := talk(transport, 10_000); said != "ok" {
					t.Errorf("%s: %s", transport, said)
				}
			}
		})
		t.Run(driver+" another origin", func(t *testing.T) {
			talk := visit(t, "http://"+host)
			for _, transport := range sockJSTransportsCross {
				if said := talk(transport, 10_000); said != "ok" {
					t.Errorf("%s: %s", transport, said)
				}
			}
		})
		t.Run(driver+" foreign origin", func(t *testing.T) {
			talk := visit(t, strings.Replace(server, "localhost", "foreign.localhost", 1))
			for _, transport := range sockJSTransportsCross {
				if said := talk(transport, 1); !strings.Contains(said, "closed after 0 messages: 1002") {
					t.Errorf("%s: %s", transport, said)
				}
			}
		})
	}
}
