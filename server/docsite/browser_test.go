package docsite

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// browserTime bounds every wait in a browser. Nothing here waits that long unless it fails.
const browserTime = 60 * time.Second

// tab is a window of Chromium.
type tab struct {
	t       *testing.T
	ctx     context.Context
	console *chromiumtest.Console
	heard   int // of what was said in the console
}

// open starts Chromium, with one window.
func open(t *testing.T) *tab {
	t.Helper()
	ctx := chromiumtest.Start(t)
	return &tab{t: t, ctx: ctx, console: chromiumtest.Listen(t, ctx)}
}

// quiet fails the test if anything was said in the console of the page at since the last call:
// by the page, or by the browser, of the network and of policies, too.
func (b *tab) quiet(at string) {
	b.t.Helper()
	messages := b.console.Messages()
	for _, m := range messages[b.heard:] {
		b.t.Errorf("the console of %s has %v", at, m)
	}
	b.heard = len(messages)
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(browserTime/3)))
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.querySelector(".bar").innerText`))
		b.t.Fatalf("never came true: %s (%v)\n%s", expression, err, text)
	}
}

func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	result, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("in the browser: %s: %v", expression, err)
	}
	return result
}

// media has the browser say that it shows pages in such a way.
func (b *tab) media(what emulation.SetEmulatedMediaParams) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, what); err != nil {
		b.t.Fatal(err)
	}
}

// size has the window be as wide and high as that.
func size(width, height int64) chromedp.Action[chromedp.Void] {
	return chromedp.EmulateViewport(width, height)
}

// contrast is a function that lists the texts of a page that are too faint on what is behind
// them (WCAG 2.2, 1.4.3: 4.5:1, and 3:1 for large ones).
const contrast = `(() => {
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	const over = (color, below) => {
		canvas.fillStyle = below ? "rgb(" + below.join() + ")" : "#fff";
		canvas.fillRect(0, 0, 1, 1);
		canvas.fillStyle = color;
		canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
	};
	const behind = (e) => e ? over(getComputedStyle(e).backgroundColor, behind(e.parentElement)) : null;
	const light = (rgb) => {
		const [r, g, b] = rgb.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const faint = new Map();
	const known = new Map();
	const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement;
		if (!walker.currentNode.data.trim() || !e.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
		if (known.has(e)) continue;
		known.set(e, true);
		const style = getComputedStyle(e);
		const below = behind(e);
		const [a, b] = [light(over(style.color, below)), light(below)].sort((x, y) => y - x);
		const ratio = (a + 0.05) / (b + 0.05);
		const size = parseFloat(style.fontSize);
		const isLarge = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
		if (ratio < (isLarge ? 3 : 4.5)) faint.set(e.tagName + "." + e.className + " " + ratio.toFixed(2), e.textContent.slice(0, 40));
	}
	return [...faint].map((f) => f.join(": "));
})()`

// TestBrowser opens every page as a phone does, and looks at what cannot be seen in its HTML.
// One browser serves all.
func TestBrowser(t *testing.T) {
	b := open(t)
	web := httptest.NewServer(served())
	t.Cleanup(web.Close)
	site := newSite("", "")

	b.do(size(360, 740))
	b.media(emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	for i, e := range site.contents().order {
		at := Prefix + e.page.name
		b.do(chromedp.Navigate(web.URL + at))
		b.until(`!document.querySelector(".search").hidden`) // the script has run
		if wide := eval[int](b, `document.documentElement.scrollWidth`); wide > 360 {
			t.Errorf("%s is %d wide in a window of 360: %s", at, wide,
				eval[string](b, `[...document.querySelectorAll("article *")].filter(e => e.getBoundingClientRect().right > 360 && !e.closest("pre, .table")).map(e => e.outerHTML.slice(0, 100)).slice(0, 3).join("\n")`))
		}
		if i%8 == 0 { // the colours are those of one style sheet
			for _, theme := range []string{"dark", "light"} {
				for _, faint := range eval[[]string](b, `document.documentElement.dataset.theme = "`+theme+`", `+contrast) {
					t.Errorf("%s, %s: %s", at, theme, faint)
				}
			}
		}
		b.quiet(at)
	}
	picture(b, web.URL+"/docs/channels", "phone-dark")

	t.Run("search", func(t *testing.T) { testSearch(&tab{t: t, ctx: b.ctx}, web.URL) })
	t.Run("keyboard", func(t *testing.T) { testKeyboard(&tab{t: t, ctx: b.ctx}, web.URL) })
	t.Run("wide", func(t *testing.T) { testWide(&tab{t: t, ctx: b.ctx}, web.URL) })
	b.quiet("the site")
}

// picture keeps what a page looks like, if GODWIT_SCREENSHOTS names a folder for that.
func picture(b *tab, url, name string) {
	folder := os.Getenv("GODWIT_SCREENSHOTS")
	if folder == "" {
		return
	}
	b.do(chromedp.Navigate(url))
	b.until(`!document.querySelector(".search").hidden`)
	keep(b, folder, name)
}

func keep(b *tab, folder, name string) {
	b.t.Helper()
	if folder == "" {
		return
	}
	image, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "docs-"+name+".png"), image, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}

const (
	results  = `[...document.querySelectorAll("#results [role=option] a")]`
	selected = `document.querySelector("#results [aria-selected=true]")`
)

// ask types into the search and waits for what it finds.
func (b *tab) ask(question string) {
	b.t.Helper()
	eval[string](b, `document.getElementById("search").value = ""`)
	b.do(chromedp.Focus(chromedp.CSS("#search")), chromedp.KeyEvent(question))
	b.until(fmt.Sprintf("document.getElementById('results').dataset.query === %q", question))
}

// press sends a key as a keyboard does: what the page prevents does not become text.
func (b *tab) press(key string) {
	b.t.Helper()
	for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeKeyDown, input.DispatchKeyEventTypeKeyUp} {
		params := input.DispatchKeyEventParams{Type: kind, Key: key}
		if kind == input.DispatchKeyEventTypeKeyDown {
			params.Text = key
		}
		if _, err := chromedp.Call(b.ctx, input.DispatchKeyEvent, params); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Questions that a reader has, and the page that answers them.
func testSearch(b *tab, url string) {
	b.do(size(1280, 900), chromedp.Navigate(url+"/docs/decisions/"))
	b.until(`!document.querySelector(".search").hidden`)
	for question, want := range map[string]string{
		"Last-Event-ID":          "/docs/channels",
		"webhook signature":      "/docs/webhooks",
		"sessions_per_second":    "/docs/configuration",
		"socket.io":              "/docs/coming-from-socketio",
		"4409":                   "/docs/codes",
		"kill -9":                "/docs/broker-disk",
		"presence":               "/docs/",
		"react":                  "/docs/client-js",
		"certificate from files": "/docs/tls",
		"DEFLATE codec":          "/docs/decisions/",
		"origin-not-allowed":     "/docs/problems",
		"permessage-deflate gws": "/docs/performance",
	} {
		b.ask(question)
		found := eval[[]string](b, results+`.slice(0, 5).map(a => a.href)`)
		if !slices.ContainsFunc(found, func(at string) bool { return strings.HasPrefix(at, url+want) }) {
			b.t.Errorf("%q finds %s, not %s", question, strings.Join(found, " "), want)
		}
		if marks := eval[int](b, `document.querySelectorAll("#results mark").length`); marks == 0 {
			b.t.Errorf("%q is marked nowhere", question)
		}
	}
	keep(b, os.Getenv("GODWIT_SCREENSHOTS"), "search")
	b.ask("zzzzqq <b>")
	b.until(`document.getElementById("results").innerText === "Nothing is found for zzzzqq <b>." && ` + results + `.length === 0`)
}

// Everything can be done without a mouse.
func testKeyboard(b *tab, url string) {
	b.do(size(1280, 900), chromedp.Navigate(url+"/docs/decisions/"))
	b.until(`!document.querySelector(".search").hidden`)
	b.press("/")
	b.until(`document.activeElement.id === "search" && document.activeElement.value === ""`)
	b.do(chromedp.KeyEvent("presence"))
	b.until(results + `.length > 2 && ` + selected + `?.id === "result-0"`)
	b.do(chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(kb.ArrowUp))
	b.until(selected + `.id === "result-1" && document.activeElement.getAttribute("aria-activedescendant") === "result-1"`)
	want := eval[string](b, selected+`.querySelector("a").href`)
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.getElementById("results").hidden && document.activeElement.id === "search" && document.activeElement.value === "presence"`)
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	b.until(selected + `?.id === "result-0"`)
	if !strings.HasPrefix(want, url) || want == url+"/docs/decisions/" {
		b.t.Fatalf("the second result leads to %s", want)
	}
	b.do(chromedp.KeyEvent(kb.ArrowDown))
	if _, err := chromedp.Run(b.ctx, chromedp.WaitEvent(cdppage.LoadEventFired, nil, chromedp.KeyEvent(kb.Enter))); err != nil {
		b.t.Fatal(err)
	}
	if got := eval[string](b, "location.href"); got != want {
		b.t.Errorf("Enter leads to %s, want %s", got, want)
	}

	// From the beginning of a page the first key leads past what is on every page.
	b.do(chromedp.Navigate(url + "/docs/channels"))
	b.until(`!document.querySelector(".search").hidden`)
	b.do(chromedp.KeyEvent(kb.Tab))
	b.until(`document.activeElement.className === "skip" && document.activeElement.getBoundingClientRect().top >= 0`)
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`location.hash === "#main"`)
	// A block wider than its column can be reached, to be scrolled.
	b.until(`[...document.querySelectorAll("article pre, .table")].every(e => (e.scrollWidth > e.clientWidth) === (e.tabIndex === 0))`)
	if n := eval[int](b, `document.querySelectorAll("article pre[tabindex], .table[tabindex]").length`); n == 0 {
		b.t.Error("nothing on the page is wide: the test looks at nothing")
	}
}

// A wide window has the pages and what is on one beside it, code names this server, and the theme is kept.
func testWide(b *tab, url string) {
	b.do(size(1440, 900), chromedp.Navigate(url+"/docs/everyone-hears-everyone"))
	b.until(`!document.querySelector(".search").hidden`)
	if !eval[bool](b, `[".pages", ".on-page"].every(s => document.querySelector(s).checkVisibility()) && !document.querySelector(".short").checkVisibility() && document.documentElement.scrollWidth <= 1440`) {
		b.t.Error("a wide window has not three columns")
	}
	host := strings.TrimPrefix(url, "http://")
	if text := eval[string](b, `[...document.querySelectorAll("article pre")].map(e => e.textContent).join()`); strings.Contains(text, "127.0.0.1:8000") || !strings.Contains(text, " http://"+host+"/channels/") {
		b.t.Errorf("code does not name this server, %s", host)
	}
	if n := eval[int](b, `document.querySelectorAll("article pre").length - document.querySelectorAll("article .copy").length`); n != 0 {
		b.t.Errorf("%d blocks of code have no button to copy them", n)
	}
	before := eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do(chromedp.Click(chromedp.CSS("[data-testid=theme-toggle]")))
	b.until(fmt.Sprintf("getComputedStyle(document.body).backgroundColor !== %q", before))
	after := eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.do(chromedp.Navigate(eval[string](b, `document.querySelector(".around .next").href`)))
	b.until(`!document.querySelector(".search").hidden`)
	if got := eval[string](b, `getComputedStyle(document.body).backgroundColor`); got != after {
		b.t.Errorf("the theme that was chosen is not kept: %s, want %s", got, after)
	}
	keep(b, os.Getenv("GODWIT_SCREENSHOTS"), "wide")
	b.media(emulation.SetEmulatedMediaParams{Media: "print"})
	if eval[bool](b, `[".bar", ".pages", ".around", ".copy"].some(s => document.querySelector(s)?.checkVisibility())`) || !eval[bool](b, `document.querySelector("article").checkVisibility()`) {
		b.t.Error("on paper there is more than the text, or less")
	}
}
