package interop

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/examples/gallery"
	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// plays are what the tests do with the page of each example, by its name. They are given a
// window that shows the page, and may open more of it.
var plays = map[string]func(t *testing.T, w *window){
	"audio":     playAudio,
	"auction":   playAuction,
	"chat":      playChat,
	"dashboard": playDashboard,
	"delivery":  playDelivery,
	"feed":      playFeed,
	"game":      playGame,
	"inbox":     playInbox,
	"scores":    playScores,
	"seats":     playSeats,
	"text":      playText,
}

// TestGallery plays all examples against one server that is started as the README says.
// GODWIT_SCREENSHOTS has it make the pictures of the gallery anew.
func TestGallery(t *testing.T) {
	t.Parallel()
	skipShort(t)
	chromium := chromiumtest.Shared(t)
	host := serveGodwit(t, patience)
	t.Run("index", func(t *testing.T) {
		w := openWindow(t, chromium, host, "")
		w.until(t, `[...document.querySelectorAll("[data-testid=examples]")].length === 1`)
		w.do(t, chromedp.Click(chromedp.CSS("[data-testid=examples]")), chromedp.WaitVisible(chromedp.CSS("main.gallery")))
		for _, e := range gallery.Examples {
			w.until(t, `[...document.querySelectorAll("h2")].some((h) => h.textContent === "`+e.Title+`")`)
		}
	})
	for _, e := range gallery.Examples {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			play := plays[e.Name]
			if play == nil {
				t.Fatal("nothing plays this example: add it to plays")
			}
			w := openWindow(t, chromium, host, "examples/"+e.Name+"/")
			play(t, w)
			w.picture(t, e.Name)
		})
	}
}

// window is a page of the server in a profile of its own: another person's.
type window struct {
	example
	chromium context.Context
	path     string
}

// openWindow opens a page. Whatever its console complains about fails the test.
func openWindow(t *testing.T, chromium context.Context, host, path string) *window {
	t.Helper()
	w := &window{example: example{host: host}, chromium: chromium, path: path}
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	w.ctx = ctx
	console := chromiumtest.Listen(t, ctx)
	t.Cleanup(func() {
		for _, m := range console.Messages() {
			if m.IsError && m.Source != chromiumtest.Script {
				t.Errorf("the console has %v", m)
			}
		}
	})
	w.do(t, chromedp.Navigate("http://"+host+"/"+path))
	return w
}

// another opens the page for another person.
func (w *window) another(t *testing.T) *window {
	t.Helper()
	return openWindow(t, w.chromium, w.host, w.path)
}

// value is what an expression of JavaScript gives.
func (w *window) value(t *testing.T, expression string) string {
	t.Helper()
	v, err := chromedp.Run(w.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		t.Fatalf("in the browser: %v", err)
	}
	return v
}

// picture makes the picture of an example for the gallery, if GODWIT_SCREENSHOTS is set.
func (w *window) picture(t *testing.T, name string) {
	if os.Getenv("GODWIT_SCREENSHOTS") == "" {
		return
	}
	w.do(t, chromedp.EmulateViewport(800, 500))
	quality := int64(75)
	shot, err := chromedp.Run(w.ctx, func(ctx context.Context, target *chromedp.Target) (cdppage.CaptureScreenshotResult, error) {
		return cdp.Call(ctx, target, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Format: cdppage.CaptureScreenshotFormatWebp, Quality: &quality})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(examples, name, "screenshot.webp"), shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestGalleryIsWhole: each example is played, and has a README.
func TestGalleryIsWhole(t *testing.T) {
	t.Parallel()
	for name := range plays {
		if !slices.ContainsFunc(gallery.Examples, func(e gallery.Example) bool { return e.Name == name }) {
			t.Errorf("there is no example %q", name)
		}
	}
	for _, e := range gallery.Examples {
		if _, err := os.Stat(filepath.Join(examples, e.Name, "README.md")); err != nil {
			t.Error(err)
		}
	}
}
