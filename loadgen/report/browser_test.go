package report_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/loadgen/report"
)

// browserTime bounds every wait in a browser. Nothing here waits that long
// unless it fails.
const browserTime = 60 * time.Second

// The page as people see it, light and dark, wide and narrow. GODWIT_SCREENSHOTS
// names a folder to keep pictures in.
func TestBrowserLooks(t *testing.T) {
	chromium := chromiumtest.Start(t)
	file := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := report.HTML(f, searched()); err != nil {
		t.Fatal(err)
	}
	f.Close()
	address := (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String()

	backgrounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 768, 360} {
			ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
			t.Cleanup(cancel)
			ctx, cancel = context.WithTimeout(ctx, browserTime)
			t.Cleanup(cancel)
			console := chromiumtest.Listen(t, ctx)
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)); err != nil {
				t.Fatal(err)
			}
			eval := func(expression string) float64 {
				v, err := chromedp.Run(ctx, chromedp.Evaluate[float64](expression))
				if err != nil {
					t.Fatalf("%s: %v", expression, err)
				}
				return v
			}
			if over := eval("document.documentElement.scrollWidth"); over > float64(width) {
				t.Errorf("%s at %d: the page is %v wide", scheme, width, over)
			}
			if n := eval("[...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().height > 100).length"); n != 7 {
				t.Errorf("%s at %d: %v charts can be seen, want 7", scheme, width, n)
			}
			// Labels in a chart keep clear of its edge, and the text is legible.
			if n := eval("[...document.querySelectorAll('svg text')].filter(x => { const t = x.getBoundingClientRect(), s = x.ownerSVGElement.getBoundingClientRect(); return t.left < s.left - 1 || t.right > s.right + 1 || t.height < 9 }).length"); n > 0 {
				t.Errorf("%s at %d: %v labels are cut or too small", scheme, width, n)
			}
			background, err := chromedp.Run(ctx, chromedp.Evaluate[string]("getComputedStyle(document.body).backgroundColor"))
			if err != nil {
				t.Fatal(err)
			}
			backgrounds[scheme] = background
			if dir := os.Getenv("GODWIT_SCREENSHOTS"); dir != "" {
				picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("bench-%s-%d.png", scheme, width)), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range console.Messages() {
				t.Errorf("%s at %d: the console has %v", scheme, width, m)
			}
		}
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("light and dark look the same: %v", backgrounds)
	}
}
