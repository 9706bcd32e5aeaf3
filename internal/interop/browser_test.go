package interop

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var chromiumNames = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// startChromium returns a context to open windows in.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	path := program(t, chromiumNames...)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests run as root in containers, where the sandbox cannot
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // the proxies' are made for the test
		chromedp.UserDataDir(t.TempDir()),
	)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(func() {
		// Ends the program, and waits for it, before its folder is removed.
		_ = chromedp.Cancel(ctx)
		cancel()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("cannot start %s: %v", path, err)
	}
	return ctx
}

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
