package interop

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

var chromiumNames = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// startChromium returns a context to open windows in. The program ends with the test.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	path := program(t, chromiumNames...)
	ctx, stop, err := runChromium(t.Context(), path, t.TempDir())
	t.Cleanup(stop)
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// runChromium starts a program with a folder of its own. stop ends it and waits for it.
func runChromium(ctx context.Context, path, dir string, more ...chromedp.ExecAllocatorOption) (_ context.Context, stop func(), err error) {
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(slices.Concat(chromedp.DefaultExecAllocatorOptions[:], more),
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // tests run as root in containers, where the sandbox cannot
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("ignore-certificate-errors", true), // the proxies' are made for the test
		chromedp.UserDataDir(dir),
	)...)
	ctx, cancelWindow := chromedp.NewContext(ctx)
	stop = func() {
		_ = chromedp.Cancel(ctx)
		cancelWindow()
		cancel()
	}
	if err := chromedp.Do(ctx); err != nil {
		return ctx, stop, fmt.Errorf("cannot start %s: %w", path, err)
	}
	return ctx, stop, nil
}

// shared is a Chromium for all tests whose pages have nothing to do with each other:
// each opens windows with a context of browsing of their own.
var shared struct {
	once sync.Once
	ctx  context.Context
	stop func() // nil if it was not started
	err  error
}

func sharedChromium(t *testing.T) context.Context {
	t.Helper()
	path := program(t, chromiumNames...)
	shared.once.Do(func() {
		dir, err := os.MkdirTemp("", "godwit-interop-chromium-")
		if err != nil {
			shared.err = err
			return
		}
		var stop func()
		shared.ctx, stop, shared.err = runChromium(background, path, dir)
		shared.stop = func() {
			stop()
			_ = os.RemoveAll(dir)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.ctx
}

// stopSharedChromium ends it when all tests have.
func stopSharedChromium() {
	if shared.stop != nil {
		shared.stop()
	}
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
