package interop

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// clientPage reads the channel "news" and keeps what comes. It is of another origin than the
// server, as most pages are.
const clientPage = `<!doctype html><title>client</title>
<script type="module">
	const { Godwit } = await import(%q)
	const options = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}")
	window.godwit = new Godwit(%q, options)
	window.seen = []
	window.gaps = []
	window.states = []
	window.long = 0
	new PerformanceObserver((list) => { for (const e of list.getEntries()) window.long = Math.max(window.long, e.duration) }).observe({ type: "longtask" })
	const began = performance.now()
	godwit.on("open", () => (window.took ??= performance.now() - began))
	godwit.on("state", (state) => states.push(state + " " + godwit.transport))
	window.news = godwit.channel("news")
	news.on("message", ({ data }) => seen.push(data))
	news.on("gap", (gap) => gaps.push(gap))
	news.on("error", (error) => states.push("error " + error.message))
	await new Promise((begun) => news.on("subscribed", begun, { once: true }))
	window.ready = true
</script>`

// clientSite serves clientPage, whose client goes through network.
type clientSite struct {
	*httptest.Server
	host, connect string
	goBack        chan struct{}  // closed when /back may go back
	reports       *inbox[string] // what pages tell
}

func newClientSite(t *testing.T) *clientSite {
	t.Helper()
	s := &clientSite{goBack: make(chan struct{}), reports: newInbox[string]()}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch r.URL.Path {
		case "/blank":
			fmt.Fprint(w, "<!doctype html>")
		case "/back":
			fmt.Fprint(w, `<!doctype html><script>onload = () => fetch("/go").then(() => history.back())</script>`)
		case "/go":
			s.reports.put("away")
			select {
			case <-s.goBack:
			case <-r.Context().Done():
			}
		case "/report":
			text, _ := io.ReadAll(r.Body)
			s.reports.put(string(text))
		default:
			fmt.Fprintf(w, clientPage, "http://"+s.host+"/client.mjs", s.connect)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

// clientTab is a tab with clientPage in it.
type clientTab struct {
	t      *testing.T
	ctx    context.Context
	cancel context.CancelFunc
	number int // of a window that another tab has opened, which is that of ctx; else 0
}

// here is an expression to be evaluated in the tab, as one for its ctx.
func (tab *clientTab) here(expression string) string {
	if tab.number == 0 {
		return expression
	}
	return fmt.Sprintf("windows[%d].eval(%q)", tab.number, expression)
}

func openClientTab(t *testing.T, chromium context.Context, url string, o ...chromedp.ContextOption) *clientTab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, o...)
	t.Cleanup(cancel)
	tab := &clientTab{t: t, ctx: ctx, cancel: cancel}
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal("in the browser:", err)
	}
	return tab
}

// eval evaluates an expression, which may be a promise.
func eval[T any](tab *clientTab, expression string) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](tab.here(expression), chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("in the browser, %s: %v", expression, err)
	}
	return value
}

// until waits until an expression is true.
func (tab *clientTab) until(expression string) {
	tab.t.Helper()
	poll := chromedp.Poll[bool](tab.here(expression), chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	if _, err := chromedp.Run(tab.ctx, poll); err != nil {
		state, _ := chromedp.Run(tab.ctx, chromedp.Evaluate[string](tab.here(`JSON.stringify({ states, state: godwit.state, shared: godwit.isShared, seen: seen.length, gaps, error: godwit.error?.message })`)))
		tab.t.Fatalf("never came true: %s (%v); %s", expression, err, state)
	}
}

// has waits until the tab has the numbers from first to before end, and fails if it has
// others, or one twice.
func (tab *clientTab) has(first, end int) {
	tab.t.Helper()
	tab.until(fmt.Sprintf("seen.at(-1) === %q", strconv.Itoa(end-1)))
	want := make([]string, 0, end-first)
	for n := first; n < end; n++ {
		want = append(want, strconv.Itoa(n))
	}
	if got := eval[[]string](tab, "seen"); !slices.Equal(got, want) {
		tab.t.Errorf("it has seen %d messages, from %v, and not %d from %d", len(got), got[:min(3, len(got))], len(want), first)
	}
	if gaps := eval[string](tab, "JSON.stringify(gaps)"); gaps != "[]" {
		tab.t.Errorf("it was told of gaps: %s", gaps)
	}
}

// freeze has the tab frozen, as Chromium does with what nobody looks at.
func (tab *clientTab) freeze(frozen bool) {
	tab.t.Helper()
	state := cdppage.SetWebLifecycleStateStateActive
	if frozen {
		state = cdppage.SetWebLifecycleStateStateFrozen
	}
	if _, err := chromedp.Call(tab.ctx, cdppage.SetWebLifecycleState, cdppage.SetWebLifecycleStateParams{State: state}); err != nil {
		tab.t.Fatal(err)
	}
}

// close closes the tab as its user does.
func (tab *clientTab) close() {
	tab.t.Helper()
	if tab.number > 0 {
		eval[string](&clientTab{t: tab.t, ctx: tab.ctx}, fmt.Sprintf("windows[%d].close(), ''", tab.number))
		return
	}
	if err := chromedp.Cancel(tab.ctx); err != nil {
		tab.t.Fatal(err)
	}
	tab.cancel()
}

// clientWorld is a server, a network in which it can be cut off, and pages.
type clientWorld struct {
	t         *testing.T
	host      string
	network   *cutter
	site      *clientSite
	chromium  context.Context
	published int
}

func newClientWorld(t *testing.T) *clientWorld {
	t.Helper()
	skipShort(t)
	site := newClientSite(t)
	host, _ := serveForClient(t, "--origin", site.URL)
	w := &clientWorld{t: t, host: host, site: site, network: newCutter(t, host), chromium: chromiumtest.Shared(t)}
	site.host, site.connect = host, "http://"+w.network.host
	return w
}

// publish publishes the next n numbers.
func (w *clientWorld) publish(n int) {
	w.t.Helper()
	for range n {
		publish(w.t, http.DefaultClient, "http://"+w.host+"/channels/news", strconv.Itoa(w.published))
		w.published++
	}
}

// person is somebody with a browser of their own, who opens tabs.
func (w *clientWorld) person() (open func(options string) *clientTab) {
	w.t.Helper()
	// This window is only there to have others beside it: with it the person ends.
	first := openClientTab(w.t, w.chromium, "about:blank", chromedp.WithNewBrowserContext())
	return func(options string) *clientTab {
		w.t.Helper()
		return openClientTab(w.t, first.ctx, w.site.URL+"/#"+options)
	}
}

// onlyWebSocket are options of a page whose connections are counted: on a busy machine another
// transport may be tried beside a WebSocket that is slow to open.
var onlyWebSocket = url.QueryEscape(`{"transports":["websocket"]}`)

// windows opens tabs from a page, which is quicker.
func (w *clientWorld) windows(count int) (tabs []*clientTab) {
	w.t.Helper()
	first := openClientTab(w.t, w.chromium, w.site.URL+"/blank", chromedp.WithNewBrowserContext())
	eval[string](first, fmt.Sprintf(`window.windows = [window, ...Array.from({ length: %d }, () => window.open(%q))], ""`, count, w.site.URL+"/#"+onlyWebSocket))
	for number := 1; number <= count; number++ {
		tabs = append(tabs, &clientTab{t: w.t, ctx: first.ctx, number: number})
	}
	return tabs
}

// leader is the tab among tabs that has the connection.
func (w *clientWorld) leader(tabs []*clientTab) int {
	w.t.Helper()
	leader := -1
	for i, tab := range tabs {
		if !eval[bool](tab, "godwit.isShared") {
			if leader >= 0 {
				w.t.Errorf("tabs %d and %d have both a connection", leader, i)
			}
			leader = i
		}
	}
	if leader < 0 {
		w.t.Fatal("no tab has the connection")
	}
	return leader
}
