package interop

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// sessionPage is the page of docs/protocol.md, as its reader copies it.
func sessionPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n```html\n")
	page, _, ended := strings.Cut(rest, "\n```\n")
	if !found || !ended {
		t.Fatal("docs/protocol.md has no page")
	}
	return page
}

// TestSessionPage: thirty lines by hand speak the protocol in a browser, and come back
// after the server was killed.
func TestSessionPage(t *testing.T) {
	t.Parallel()
	skipShort(t)
	page := sessionPage(t)
	const written = `"ws://localhost:8000/connect"`
	if n := strings.Count(page, "\n") + 1; n > 36 || !strings.Contains(page, written) {
		t.Fatalf("the page has %d lines, or another address than the one to replace", n)
	}
	var host string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html>", strings.Replace(page, written, `"ws://`+host+`/connect"`, 1))
	}))
	defer site.Close()
	chromium := chromiumtest.Shared(t)
	host, process := launchGodwit(t, 15*time.Second, "--origin", site.URL)
	publish(t, http.DefaultClient, "http://"+host+"/channels/chat", "before")
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(site.URL)); err != nil {
		t.Fatal("in the browser:", err)
	}
	shows := func(text string) {
		t.Helper()
		// The log is looked at by the page itself, so nothing waits for a clock here.
		script := fmt.Sprintf(`new Promise((done) => {
			const look = () => document.getElementById("log").textContent.includes(%q) && done(document.getElementById("log").textContent)
			new MutationObserver(look).observe(document.getElementById("log"), { childList: true, characterData: true, subtree: true })
			look()
		})`, text)
		within, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if _, err := chromedp.Run(within, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise)); err != nil {
			have, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.getElementById("log").textContent`))
			t.Fatalf("waiting for %q: %v; the page has %q", text, err, have)
		}
	}
	shows(`"before"`)
	publish(t, http.DefaultClient, "http://"+host+"/channels/chat", "live")
	shows(`"live"`)

	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	for { // until the address is free
		conn, err := net.Dial("tcp", host)
		if err != nil {
			break
		}
		conn.Close()
	}
	launchGodwit(t, 15*time.Second, "--origin", site.URL, "--listen", host)
	publish(t, http.DefaultClient, "http://"+host+"/channels/chat", "after")
	shows("missed something: lost") // another history has begun
	shows(`"after"`)
}
