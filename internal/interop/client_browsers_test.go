package interop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// tourKinds are where a tour begins: in a page, in each kind of worker, and in three frames
// that share a connection.
var tourKinds = []string{"page", "dedicated", "shared", "service", "frames"}

// tourPage goes on one tour after another.
const tourPage = `<!doctype html><title>tour</title><body><script type="module">
	for (const kind of %s) {
		const script = "/browser.mjs?runtime=" + kind + "&" + location.search.slice(1)
		const failed = (error) => fetch("/report", { method: "POST", body: "failed " + (error.message ?? error) })
		if (kind === "dedicated") new Worker(script, { type: "module" }).onerror = failed
		else if (kind === "shared") new SharedWorker(script, { type: "module" }).onerror = failed
		else if (kind === "service") navigator.serviceWorker.register(script, { type: "module" }).catch(failed)
		else import(script).catch(failed)
		await fetch("/next") // is answered when it has told
	}
</script>`

// framePage is one of several that share a connection.
const framePage = `<!doctype html><title>frame</title><script type="module">
	import { Godwit } from "/dist/index.js"
	window.godwit = new Godwit(new URLSearchParams(location.search).get("url"), { transports: ["websocket"] })
	window.news = godwit.channel("frames")
	window.seen = []
	news.on("message", ({ data }) => seen.push(data))
	window.ready = new Promise((begun) => news.on("subscribed", begun, { once: true }))
</script>`

// A tourSite serves what browser.mjs needs, and takes its reports.
type tourSite struct {
	*httptest.Server
	reports *inbox[string]
	next    chan struct{} // one for each report
}

func newTourSite(t *testing.T) *tourSite {
	t.Helper()
	kinds, err := json.Marshal(tourKinds)
	if err != nil {
		t.Fatal(err)
	}
	site := &tourSite{reports: newInbox[string](), next: make(chan struct{}, 2*len(tourKinds))}
	dist := http.StripPrefix("/dist/", http.FileServer(http.Dir("../../clients/js/dist")))
	site.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/report":
			text, _ := io.ReadAll(r.Body)
			site.reports.put(string(text))
			site.next <- struct{}{}
		case path == "/next":
			select {
			case <-site.next:
			case <-r.Context().Done():
			}
		case path == "/tour.mjs", path == "/browser.mjs":
			w.Header().Set("Content-Type", "text/javascript")
			http.ServeFile(w, r, filepath.Join("testdata/runtimes", filepath.Base(path)))
		case strings.HasPrefix(path, "/dist/"):
			w.Header().Set("Content-Type", "text/javascript")
			dist.ServeHTTP(w, r)
		case path == "/frame":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprint(w, framePage)
		case path == "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			fmt.Fprintf(w, tourPage, kinds)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(site.Close)
	return site
}

// newTour is a page that goes on the tour of TestClientRuntimes in every way that a browser has.
func newTour(t *testing.T) (site *tourSite, page string) {
	t.Helper()
	site = newTourSite(t)
	host, _ := serveForClient(t, "--origin", site.URL)
	network := newCutter(t, host)
	query := url.Values{"url": {"http://" + network.host}, "cutter": {newCuttingSite(t, network)}}
	return site, site.URL + "/?" + query.Encode()
}

// check waits for what all of them tell.
func (site *tourSite) check(t *testing.T) {
	t.Helper()
	for _, kind := range tourKinds {
		want := `done {"runtime":"` + kind + `","transport":"websocket"}`
		if kind == "frames" {
			want = `done {"runtime":"frames","leaders":1,"after":1}`
		}
		if got, _ := site.reports.next(); got != want {
			t.Errorf("%s: it tells %.2000q, want %s", kind, got, want)
		}
	}
}

// TestClientInWorkers: the tour in a page of Chromium, and in each kind of worker that it has.
func TestClientInWorkers(t *testing.T) {
	t.Parallel()
	chromium := chromiumtest.Shared(t)
	site, page := newTour(t)
	openClientTab(t, chromium, page)
	site.check(t)
}

// TestClientInFirefox: the same in Firefox. Nothing drives it: the page tells by itself.
func TestClientInFirefox(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Firefox is started through a launcher there")
	}
	firefox := program(t, "firefox-esr", "firefox")
	site, page := newTour(t)
	profile := t.TempDir()
	// No welcome pages, updates or reports: nothing but the page that is asked for.
	preferences := `user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("toolkit.telemetry.reportingpolicy.firstRun", false);
user_pref("app.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("app.normandy.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:9");
`
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(firefox, "--headless", "--no-remote", "--profile", profile, page)
	cmd.Env = append(os.Environ(), "HOME="+profile, "MOZ_CRASHREPORTER_DISABLE=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	site.check(t)
}
