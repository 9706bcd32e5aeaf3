package interop

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// TestClientTabs: thirty tabs have one connection, and closing any of them, the one that has
// it, too, loses nothing.
func TestClientTabs(t *testing.T) {
	w := newClientWorld(t)
	const many = 30
	tabs := w.windows(many)
	for _, tab := range tabs {
		tab.until("window.ready && godwit.state === 'open'")
	}
	if n := w.network.opened(); n != 1 {
		t.Errorf("%d tabs have %d connections", many, n)
	}
	w.publish(10)
	for _, tab := range tabs {
		tab.has(0, 10)
	}
	// A publication of any tab, with its position, and a late subscription with a history.
	position := eval[string](tabs[7], `godwit.channel("other").publish("from a tab")`)
	if got := eval[string](tabs[8], `new Promise((done) => godwit.channel("other", { last: 1 }).on("message", (m) => done(m.position + m.data)))`); got != position+"from a tab" {
		t.Errorf("another tab has read %s, not what was published at %s", got, position)
	}
	if got := eval[string](tabs[9], `godwit.rpc("nobody/knows").catch((e) => e.problem)`); got != "unknown-method" {
		t.Errorf("a call of a tab ended with %s", got)
	}
	for round := range 4 {
		leader := w.leader(tabs)
		closing := leader
		if round == 2 {
			closing = (leader + 1) % len(tabs) // one of the others
		}
		w.publish(5)
		tabs[closing].close()
		tabs = slices.Delete(tabs, closing, closing+1)
		w.publish(5)
		for _, tab := range tabs {
			tab.has(0, w.published)
		}
	}
	if n := w.network.opened(); n != 4 {
		t.Errorf("there were %d connections, and not one for each tab that had it", n)
	}
	// The session is still the one of before: nobody has come or gone.
	members := body(t, get(t, http.DefaultClient, "http://"+w.host+"/presence/news"), http.StatusOK)
	if !strings.Contains(members, `"count":1`) {
		t.Errorf("the members of the channel are %s", members)
	}
}

// TestClientFrozenTab: a tab that is frozen gives the connection away, and one that does not
// answer loses it. Neither misses anything when it is back. It is not one of the parallel tests: a tab
// that has to wait for the processor looks like one that does not answer.
func TestClientFrozenTab(t *testing.T) {
	w := newClientWorld(t)
	open := w.person()
	tabs := []*clientTab{open(""), open("")}
	for _, tab := range tabs {
		tab.until("window.ready && godwit.state === 'open'")
	}
	w.publish(5)
	for _, tab := range tabs {
		tab.has(0, 5)
	}
	leader := w.leader(tabs)
	frozen, other := tabs[leader], tabs[1-leader]
	frozen.freeze(true)
	w.publish(5)
	other.has(0, 10)
	if eval[bool](other, "godwit.isShared") {
		t.Error("the other tab has all, and not the connection")
	}
	frozen.freeze(false)
	frozen.has(0, 10)
	frozen.until("godwit.isShared && godwit.state === 'open'")

	// It hears and is not heard: what a page looks like that hangs.
	eval[string](other, `BroadcastChannel.prototype.postMessage = () => {}, ""`)
	w.publish(5)
	frozen.has(0, 15)
	if eval[bool](frozen, "godwit.isShared") {
		t.Error("a tab that did not answer has the connection still")
	}
}

// TestClientTabsApart: tabs of different users, and those that do not want to, share nothing.
func TestClientTabsApart(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	open := w.person()
	for i, options := range []string{`{"tabs":false,"transports":["websocket"]}`, `{"tabs":false,"transports":["websocket"]}`, `{"tabs":"ann","transports":["websocket"]}`, `{"tabs":"bob","transports":["websocket"]}`} {
		tab := open(url.QueryEscape(options))
		tab.until("window.ready && godwit.state === 'open' && !godwit.isShared")
		if n := w.network.opened(); n != i+1 {
			t.Errorf("%d tabs have %d connections", i+1, n)
		}
	}
	open(url.QueryEscape(`{"tabs":"bob","transports":["websocket"]}`)).until("window.ready && godwit.isShared")
}

// TestClientBackForward: a page that the browser keeps for the back button goes on where it was.
func TestClientBackForward(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	chromium := chromiumtest.Start(t, chromedp.Flag("disable-back-forward-cache", false))
	tab := openClientTab(t, chromium, w.site.URL+"/#")
	tab.until("window.ready && godwit.state === 'open'")
	w.publish(5)
	tab.has(0, 5)
	// Between the pages nothing can be asked, so the page tells.
	eval[string](tab, `addEventListener("pageshow", async ({ persisted }) => {
		while (seen.at(-1) !== "9") await new Promise((done) => news.on("message", done, { once: true }))
		fetch("/report", { method: "POST", body: JSON.stringify({ persisted, seen, gaps }) })
	}), setTimeout(() => (location.href = "/back")), ""`)
	if got, _ := w.site.reports.next(); got != "away" {
		t.Fatalf("the page tells %s before it is left", got)
	}
	w.publish(5)
	close(w.site.goBack)
	got, _ := w.site.reports.next()
	if want := `{"persisted":true,"seen":["0","1","2","3","4","5","6","7","8","9"],"gaps":[]}`; got != want {
		t.Errorf("the page tells %s, want %s", got, want)
	}
}

// TestClientInChromium: connections of a page are cut in every way, and its server is killed
// and started again. What a history has is not missed, and what it has not is told.
func TestClientInChromium(t *testing.T) {
	t.Parallel()
	site := newClientSite(t)
	host, process := serveForClient(t, "--origin", site.URL)
	w := &clientWorld{t: t, host: host, site: site, network: newCutter(t, host), chromium: chromiumtest.Shared(t)}
	site.host, site.connect = host, "http://"+w.network.host
	tab := w.person()("")
	tab.until("window.ready && godwit.state === 'open'")
	for _, way := range []string{"drop", "reset", "half-close", "stall"} {
		w.publish(5)
		if w.network.cut(way) == 0 {
			t.Errorf("nothing was there to %s", way)
		}
		w.publish(5)
		tab.has(0, w.published)
	}

	// Killed, and another in its place: the histories in memory are gone, and a gap says so.
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	w.network.cut("drop")
	tab.until("godwit.state === 'waiting' || godwit.state === 'connecting'")
	sent := eval[string](tab, `window.sent = Promise.all([1, 2, 3].map((n) => godwit.channel("sent").publish(n))), godwit.state`)
	if sent == "open" {
		t.Error("it is open without a server")
	}
	host, _ = serveForClient(t, "--origin", site.URL)
	w.host = host
	w.network.to(host)
	tab.until("gaps.length === 1 && gaps[0].reason === 'lost'")
	w.publish(5)
	tab.until(fmt.Sprintf("seen.at(-1) === %q && seen.length === %d", strconv.Itoa(w.published-1), w.published))
	if n := eval[int](tab, `sent.then((positions) => new Set(positions).size)`); n != 3 {
		t.Errorf("of three publications made without a server %d were done", n)
	}
	page := body(t, get(t, http.DefaultClient, "http://"+host+"/channels/sent?last=10", "Accept", "application/json"), http.StatusOK)
	if n := strings.Count(page, `"data"`); n != 3 {
		t.Errorf("they were done %d times: %s", n, page)
	}
}
