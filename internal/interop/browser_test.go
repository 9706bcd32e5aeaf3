package interop

import (
	"context"
	"os"
	"testing"

	"github.com/chromedp/chromedp"
)

// page is a window in which cases run.
type page struct{ ctx context.Context }

func openPage(t *testing.T, chromium context.Context, url string) *page {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	script, err := os.ReadFile("testdata/chromium.js")
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.Navigate(url), chromedp.Evaluate[chromedp.Void](string(script))); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return &page{ctx}
}

// run runs the body of an async function and returns what it logged.
func (p *page) run(t *testing.T, script string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[[]string]("run(async ({ log, watch }) => {"+script+"\n})", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return got
}
