package chromiumtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(chromiumtest.Main(m)) }

// evaluate says what an expression is in a window.
func evaluate[T any](t *testing.T, window context.Context, expression string) T {
	t.Helper()
	v, err := chromedp.Run(window, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// newSite has an empty page, and nothing else.
func newSite(t *testing.T) string {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path != "/" {
			w.WriteHeader(http.StatusNotFound)
		}
		fmt.Fprint(w, `<!doctype html><title>page</title><link rel="icon" href="data:,">`)
	}))
	t.Cleanup(site.Close)
	return site.URL
}

func open(t *testing.T, chromium context.Context, url string) context.Context {
	t.Helper()
	window, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(window, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return window
}

// Everything that developers would see is noted, with where it comes from, in its order.
func TestConsole(t *testing.T) {
	url := newSite(t)
	window := open(t, chromiumtest.Shared(t), url)
	console := chromiumtest.Listen(t, window)
	evaluate[int](t, window, `console.log("said", 1, null, undefined, [2]), 0`)
	evaluate[int](t, window, `console.error("complained"), 0`)
	evaluate[int](t, window, `new Promise((done) => { setTimeout(() => { setTimeout(() => done(0)); throw new RangeError("thrown") }) })`)
	evaluate[int](t, window, `fetch("/missing").then((r) => r.status)`)
	got := console.Messages()
	if len(got) == 4 {
		got[2].Text = got[2].Text[:len("Uncaught RangeError: thrown")] // without where
	}
	want := []chromiumtest.Message{
		{Source: chromiumtest.Script, Text: "said 1 null undefined Array(1)"},
		{Source: chromiumtest.Script, IsError: true, Text: "complained"},
		{Source: chromiumtest.Exception, IsError: true, Text: "Uncaught RangeError: thrown"},
		{Source: chromiumtest.Network, IsError: true, Text: "Failed to load resource: the server responded with a status of 404 (Not Found) " + url + "/missing"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the console has\n%q\nwant\n%q", got, want)
	}
}

// All tests have one program, in which windows of different people know nothing of each other.
func TestShared(t *testing.T) {
	url := newSite(t)
	first, second := open(t, chromiumtest.Shared(t), url), open(t, chromiumtest.Shared(t), url)
	evaluate[string](t, first, `localStorage.kept = "by one"`)
	if kept := evaluate[string](t, first, `localStorage.kept`); kept != "by one" {
		t.Errorf("a window has kept %q", kept)
	}
	if kept := evaluate[string](t, second, `localStorage.kept ?? "nothing"`); kept != "nothing" {
		t.Errorf("another person's window has %q", kept)
	}
	if chromiumtest.Shared(t) != chromiumtest.Shared(t) {
		t.Error("there is another program for each call")
	}
}

// A test may have a program with options of its own.
func TestStart(t *testing.T) {
	window := open(t, chromiumtest.Start(t, chromedp.UserAgent("somebody else")), newSite(t))
	if agent := evaluate[string](t, window, "navigator.userAgent"); agent != "somebody else" {
		t.Errorf("the program says that it is %s", agent)
	}
}
