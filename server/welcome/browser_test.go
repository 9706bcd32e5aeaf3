package welcome_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/internal/clustertest"
)

// The page in a real Chromium against the real program. GODWIT_SCREENSHOTS names
// a folder to keep pictures of the page in.

// browserTime bounds every wait in a browser. Nothing here waits that long
// unless it fails.
const browserTime = 60 * time.Second

// tab is a window of its own, so that none is in the background, where browsers
// slow pages down.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open opens url in a new window, as another person would: no other window's
// storage and connections are its. What the page complains about fails the test.
func open(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	return openWith(t, browser, url, chromedp.WithNewBrowserContext())
}

// openBeside opens url in a new window of the same person.
func openBeside(t *testing.T, browser context.Context, url string) *tab {
	t.Helper()
	return openWith(t, browser, url)
}

func openWith(t *testing.T, browser context.Context, url string, o ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, o...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, browserTime)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx}
	console := chromiumtest.Listen(t, ctx)
	t.Cleanup(func() {
		for _, m := range console.Messages() {
			// A server that was stopped on purpose is complained about, too.
			if m.IsError && m.Source != chromiumtest.Network && !strings.Contains(m.Text, "WebSocket connection to") {
				t.Errorf("the console has %v", m)
			}
		}
	})
	b.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(url))
	return b
}

type step = chromedp.Action[chromedp.Void]

func (b *tab) do(steps ...step) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatalf("in the browser: %v", err)
	}
}

// mouse does with the left button what kind says.
func mouse(kind input.DispatchMouseEventType, x, y float64) step {
	return chromedp.MouseEvent(kind, x, y, func(p *input.DispatchMouseEventParams) {
		p.Button, p.ClickCount = input.MouseButtonLeft, 1
	})
}

// until waits for a JavaScript expression to be true.
func (b *tab) until(expression string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(browserTime/3)))
	if err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`document.body.innerText`))
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

func id(name string) chromedp.CSS { return chromedp.CSS("[data-testid=" + name + "]") }

// one is an element by test ID as a JavaScript expression.
func one(name string) string { return "document.querySelector('" + string(id(name)) + "')" }

// has says that an item of a chat log has a text.
func has(pane, text string) string {
	return fmt.Sprintf("[...document.querySelectorAll('[data-testid=chat-%s-log] li[data-position]')].some(li => li.innerText.includes(%q))", pane, text)
}

// live waits until a card is connected over a transport.
func (b *tab) live(card, transport string) {
	b.t.Helper()
	status := one("status-" + card)
	b.until(fmt.Sprintf("%s?.dataset.state === 'open' && %s.dataset.transport === '%s'", status, status, transport))
}

// over has a card use a transport.
func (b *tab) over(card, transport string) {
	b.t.Helper()
	b.do(chromedp.Click(id("transport-"+card) + chromedp.CSS(" input[value="+transport+"]")))
}

func (b *tab) say(pane, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(id("chat-"+pane+"-input"), text+"\r"))
}

// --- the program ---

type godwit struct {
	t    *testing.T
	cmd  *exec.Cmd
	host string
}

var address = regexp.MustCompile(`msg=serving address=(127\.0\.0\.1:\d+)`)

// start runs `godwit serve` and waits until it says where.
func start(t *testing.T, listen string) *godwit {
	t.Helper()
	g := &godwit{t: t, cmd: exec.Command(clustertest.Program(t), "serve", "--listen", listen)}
	out, err := g.cmd.StderrPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.kill)
	lines := bufio.NewScanner(out)
	for g.host == "" && lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			g.host = m[1]
		}
	}
	if g.host == "" {
		t.Fatal("the program does not say where it listens")
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	return g
}

func (g *godwit) kill() {
	if g.cmd.ProcessState == nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	}
}

func (g *godwit) url() string { return "http://" + g.host + "/" }

func (g *godwit) publish(channel, text string) {
	g.t.Helper()
	response, err := http.Post("http://"+g.host+"/channels/"+channel, "text/plain", strings.NewReader(text))
	if err != nil {
		g.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		g.t.Fatalf("publish: %s", response.Status)
	}
}

// --- what a person would do ---

func TestBrowserTwoTabs(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	first, second := open(t, chromium, g.url()), open(t, chromium, g.url())
	for _, b := range []*tab{first, second} {
		for _, card := range []string{"chat", "board", "chart"} {
			b.live(card, "websocket")
		}
	}

	// Typed in one tab, read in both, in both panes.
	first.say("left", "hello from the first tab")
	for _, b := range []*tab{first, second} {
		b.until(has("left", "hello from the first tab"))
		b.until(has("right", "hello from the first tab"))
	}
	second.say("right", "and hello back")
	first.until(has("left", "and hello back"))
	g.publish("chat", "hello from curl")
	first.until(has("left", "hello from curl"))

	// A drawing moves in the other tab, while it is drawn and when it is done.
	var x, y float64
	first.do(chromedp.ScrollIntoView(id("board")))
	box := eval[map[string]float64](first, one("board")+".getBoundingClientRect().toJSON()")
	at := func(u, v float64) { x, y = box["x"]+u*box["width"], box["y"]+v*box["height"] }
	at(0.2, 0.2)
	first.do(mouse(input.DispatchMouseEventTypeMousePressed, x, y))
	own := eval[string](first, one("board")+".dataset.tab")
	cursor := fmt.Sprintf("document.querySelector('.cursor[data-tab=\"%s\"]')", own)
	for i := range 10 {
		at(0.2+0.05*float64(i), 0.2+0.03*float64(i))
		first.do(mouse(input.DispatchMouseEventTypeMouseMoved, x, y))
	}
	second.until(cursor + " !== null && Math.abs(" + cursor + ".dataset.x - 0.65) < 0.02")
	first.do(mouse(input.DispatchMouseEventTypeMouseReleased, x, y))
	second.until(one("board") + ".dataset.strokes === '1'")
	third := open(t, chromium, g.url()) // who comes late sees it too
	third.until(one("board") + ".dataset.strokes === '1'")
	third.until(has("left", "hello from the first tab"))
	third.do(chromedp.Click(id("board-clear")))
	second.until(one("board") + ".dataset.strokes === '0'")

	// The chart advances.
	points := eval[int](second, "+"+one("chart")+".dataset.points")
	second.until(fmt.Sprintf("+%s.dataset.points >= %d", one("chart"), points+5))
}

func TestBrowserEveryTransport(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	b := open(t, chromium, g.url())
	b.live("chat", "websocket")
	want := []string{}
	for i, transport := range []string{"sse", "poll", "websocket", "poll", "sse"} {
		b.over("chat", transport)
		between := fmt.Sprintf("said while switching %d", i)
		g.publish("chat", between)
		b.live("chat", transport)
		b.say("left", fmt.Sprintf("typed over %s %d", transport, i))
		want = append(want, between, fmt.Sprintf("typed over %s %d", transport, i))
		for _, text := range want {
			b.until(has("right", text))
		}
	}
	// Nothing twice.
	got := eval[[]string](b, "[...document.querySelectorAll('[data-testid=chat-right-log] li[data-position]')].map(li => li.dataset.position)")
	if sorted := slices.Compact(slices.Clone(got)); len(sorted) != len(got) || len(got) != len(want) {
		t.Errorf("%d messages were shown for %d: %v", len(got), len(want), got)
	}
}

var allCards = []string{"chat", "board", "chart"}

// The code that is shown does what it is said to do, also with what the page's own
// line for curl publishes.
func TestBrowserSnippets(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	seen := func(text string) string { return fmt.Sprintf("seen.includes(%q)", text) }
	for _, transport := range []string{"websocket", "sse", "poll"} {
		b := open(t, chromium, g.url())
		shown := func(card string) string {
			b.over(card, transport)
			code := eval[string](b, "document.querySelector('[data-card="+card+"] .snippet code').textContent")
			b.over(card, "websocket") // the code needs the connections that a browser has
			return code
		}
		if transport == "websocket" { // the first line of the page is for a console
			line := eval[string](b, "document.querySelector('.lines code').textContent")
			eval[int](b, `var logged = []; ((console) => {`+line+`})({ log: (text) => logged.push(text) }), 0`)
			b.until(`(() => { fetch("channels/chat", { method: "POST", body: "for the console" }); return logged.includes("for the console") })()`)
		}
		code := shown("chat")
		if n := strings.Count(code, "\n"); n != 2 {
			t.Errorf("%s takes %d lines:\n%s", transport, n+1, code)
		}
		eval[int](b, `var seen = [], button = {}; (async (show, input) => {`+code+`
		})((text) => seen.push(text), { value: "typed over `+transport+`" }).catch((e) => seen.push(String(e))), 0`)
		response, err := http.Post(g.url()+"channels/chat", "application/x-www-form-urlencoded", strings.NewReader("hello from curl"))
		if err != nil || response.StatusCode != http.StatusCreated {
			t.Fatal(response, err)
		}
		response.Body.Close()
		b.until(seen("hello from curl"))
		eval[int](b, "button.onclick(), 0")
		b.until(seen("typed over " + transport))

		code = shown("chart")
		eval[int](b, `var plotted = []; (async (plot) => {`+code+`
		})((price) => plotted.push(price)).catch((e) => plotted.push(String(e))), 0`)
		b.until("plotted.length > 1 && plotted.every(Number.isFinite)")

		code = shown("board")
		eval[int](b, `var cursors = [], handlers = {}; (async (showCursor, board, tab) => {`+code+`
		})((cursor) => cursors.push(cursor.tab), handlers, "snippet").catch((e) => cursors.push(String(e))), 0`)
		// Until the module is there, nothing is listened to.
		b.until("handlers.onpointermove !== undefined")
		eval[int](b, `handlers.onpointermove({ x: 0.5, y: 0.5 }), 0`)
		b.until(`cursors.includes("snippet")`)
	}
}

// A proxy may serve the page below a path of its own.
func TestBrowserBelowPath(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	proxy := httptest.NewServer(http.StripPrefix("/below/here", &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", g.host },
		ErrorLog:      stdlog.New(io.Discard, "", 0),
	}))
	t.Cleanup(func() {
		proxy.CloseClientConnections()
		proxy.Close()
	})
	b := open(t, chromium, proxy.URL+"/below/here/")
	for _, transport := range []string{"websocket", "sse", "poll"} {
		for _, card := range allCards {
			b.over(card, transport)
			b.live(card, transport)
		}
	}
	b.over("chat", "websocket")
	b.live("chat", "websocket")
	b.say("left", "hello from below")
	b.until(has("right", "hello from below"))
	code := eval[[]string](b, "[...document.querySelectorAll('code')].map(c => c.textContent)")
	for _, line := range code {
		if at := strings.Index(line, "://"); at >= 0 && !strings.HasPrefix(line[at+3:], strings.TrimPrefix(proxy.URL, "http://")+"/below/here/") {
			t.Errorf("it shows %s", line)
		}
	}
	for _, href := range eval[[]string](b, "[...document.links].map(a => a.href)") {
		if strings.HasPrefix(href, proxy.URL) && !strings.HasPrefix(href, proxy.URL+"/below/here/") {
			t.Errorf("it links to %s", href)
		}
	}
}

// Windows of one browser are people of different names, and the name stays with
// its window.
func TestBrowserNames(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	names := map[string]bool{}
	const windows = 4
	for range windows {
		b := openBeside(t, chromium, g.url())
		b.live("chat", "websocket")
		for _, pane := range []string{"left", "right"} {
			name := eval[string](b, one("chat-"+pane+"-name")+".value")
			names[name] = true
			b.do(chromedp.Reload())
			b.live("chat", "websocket")
			if again := eval[string](b, one("chat-"+pane+"-name")+".value"); again != name {
				t.Errorf("%s is %s after a reload", name, again)
			}
		}
	}
	if len(names) != 2*windows || names[""] {
		t.Errorf("the names of %d windows are %v", windows, names)
	}
}

// A browser keeps six connections to a server over HTTP/1.1, all windows together. They
// share one for each transport, so any number of them is live at once.
func TestBrowserManyStreams(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	var windows []*tab
	for range 4 {
		b := openBeside(t, chromium, g.url())
		for i, card := range allCards {
			b.over(card, []string{"sse", "poll", "sse"}[i])
		}
		windows = append(windows, b)
	}
	for _, b := range windows {
		for i, card := range allCards {
			b.live(card, []string{"sse", "poll", "sse"}[i])
		}
	}
	windows[3].say("left", "said over what is shared")
	for _, b := range windows {
		b.until(has("right", "said over what is shared"))
	}
}

func TestBrowserSurvivesTheServer(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	b := open(t, chromium, g.url())
	b.live("chat", "websocket")
	b.say("left", "before the crash")
	b.until(has("right", "before the crash"))

	g.kill()
	b.until(one("status-chat") + ".dataset.state !== 'open'")
	b.say("left", "typed while it was away")
	g = start(t, g.host)
	const meanwhile = 30
	for i := range meanwhile {
		g.publish("chat", fmt.Sprintf("meanwhile %d.", i))
	}
	b.live("chat", "websocket")
	for i := range meanwhile {
		b.until(has("left", fmt.Sprintf("meanwhile %d.", i)))
	}
	b.until(has("right", "typed while it was away"))
	b.until(has("right", "before the crash"))  // what was seen stays
	b.until("!" + one("gap-chat") + ".hidden") // and it is said that history was lost
	b.live("chart", "websocket")
	points := eval[int](b, "+"+one("chart")+".dataset.points")
	b.until(fmt.Sprintf("+%s.dataset.points > %d", one("chart"), points))
}

func TestBrowserLooks(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	for i := range 3 {
		g.publish("chat", fmt.Sprintf("something said %d", i))
	}
	backgrounds := map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 768, 360} {
			b := open(t, chromium, "about:blank")
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, media); err != nil {
				t.Fatal(err)
			}
			b.do(chromedp.EmulateViewport(width, 900), chromedp.Navigate(g.url()))
			b.live("chat", "websocket")
			b.until(fmt.Sprintf("+%s.dataset.points > 3", one("chart")))
			if over := eval[int64](b, "document.documentElement.scrollWidth"); over > width {
				t.Errorf("%s at %d: the page is %d wide", scheme, width, over)
			}
			// What is too long scrolls, and does not break where it may not.
			if broken := eval[[]string](b, `[...document.querySelectorAll(".line code, .snippet code")]
				.filter(c => c.getClientRects().length > 0 && getComputedStyle(c).whiteSpace !== "pre").map(c => c.textContent)`); len(broken) > 0 {
				t.Errorf("%s at %d: lines of code may be broken: %q", scheme, width, broken)
			}
			backgrounds[scheme] = eval[string](b, "getComputedStyle(document.body).backgroundColor")
			if dir := os.Getenv("GODWIT_SCREENSHOTS"); dir != "" {
				picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				name := filepath.Join(dir, fmt.Sprintf("welcome-%s-%d.png", scheme, width))
				if err := os.WriteFile(name, picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("light and dark look the same: %v", backgrounds)
	}
}

// Everything can be reached and used with the keyboard alone.
func TestBrowserKeyboard(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	g := start(t, "127.0.0.1:0")
	b := open(t, chromium, g.url())
	b.live("board", "websocket")
	reached := map[string]bool{}
	for range 80 {
		b.do(chromedp.KeyEvent("\t"))
		name := eval[string](b, "document.activeElement?.dataset.testid ?? document.activeElement?.closest('[data-testid]')?.dataset.testid ?? ''")
		if name == "board" && !reached[name] {
			if style := eval[string](b, "getComputedStyle(document.activeElement).outlineStyle"); style == "none" {
				t.Error("focus on the board cannot be seen")
			}
			b.do(chromedp.KeyEvent(" "), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowDown), chromedp.KeyEvent(" "))
			b.until(one("board") + ".dataset.strokes === '1'")
		}
		reached[name] = true
	}
	for _, name := range []string{"theme-toggle", "transport-chat", "chat-left-input", "chat-left-send", "chat-right-input", "board", "board-clear", "transport-chart"} {
		if !reached[name] {
			t.Errorf("the Tab key does not reach %s", name)
		}
	}
}
