package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

const examples = "../../examples"

// example is a page of examples/, as a reader copies it, in Chromium. Only the address
// of the server is another, and the scripts of others come from the lock file's
// packages and not over the network.
type example struct {
	host string
	ctx  context.Context
}

// openExample opens a page. Replace are pairs of what it has and what a test needs.
func openExample(t *testing.T, chromium context.Context, folder string, replace func(host string) []string) *example {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(examples, folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	packages := packagesSite(t)
	var text string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, text)
	}))
	t.Cleanup(site.Close)
	// The server is the one of the README: without a configuration.
	x := &example{host: serveGodwit(t, patience, "--origin", site.URL)}
	text = string(page)
	pairs := append(replace(x.host),
		"https://cdn.socket.io/4.8.4/", packages.URL+"/node_modules/socket.io-client/dist/",
		"https://js.pusher.com/8.6.0/", packages.URL+"/node_modules/pusher-js/dist/web/",
		"https://cdn.jsdelivr.net/npm/pusher-js@8.6.0/", packages.URL+"/node_modules/pusher-js/",
		"https://cdn.jsdelivr.net/npm/laravel-echo@2.5.0/", packages.URL+"/node_modules/laravel-echo/")
	text = strings.NewReplacer(pairs...).Replace(text)
	if strings.Contains(text, "https://") || !strings.Contains(text, packages.URL) {
		t.Fatalf("the page needs something that is not here:\n%s", text)
	}
	x.open(t, chromium, site.URL)
	return x
}

func (x *example) open(t *testing.T, chromium context.Context, url string) {
	t.Helper()
	ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	x.ctx = ctx
	if err := chromedp.Do(ctx); err != nil { // a window, which must not end with the time for the page
		t.Fatalf("in the browser: %v", err)
	}
	within, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := chromedp.Do(within, chromedp.Navigate(url)); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
}

// until waits for an expression of JavaScript to be true.
func (x *example) until(t *testing.T, expression string) {
	t.Helper()
	poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
	if _, err := chromedp.Run(x.ctx, poll); err != nil {
		shown, _ := chromedp.Run(x.ctx, chromedp.Evaluate[string](`document.body.innerText`))
		t.Fatalf("never came true: %s (%v); the page shows %q", expression, err, shown)
	}
}

// list is what the items of a list say.
func list(selector string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(%q)].map((e) => e.textContent).join("|")`, selector+" > li")
}

func (x *example) do(t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(x.ctx, steps...); err != nil {
		t.Fatalf("in the browser: %v", err)
	}
}

// TestExampleSocketIOChat: two windows, a shell, and a while without a connection.
func TestExampleSocketIOChat(t *testing.T) {
	t.Parallel()
	chromium := chromiumtest.Shared(t)
	a := openExample(t, chromium, "socketio-chat", func(host string) []string { return []string{"http://localhost:8000", "http://" + host} })
	url, err := chromedp.Run(a.ctx, chromedp.Evaluate[string]("location.href"))
	if err != nil {
		t.Fatal(err)
	}
	b := &example{host: a.host}
	b.open(t, chromium, url)
	a.until(t, "socket.connected")
	b.until(t, "socket.connected")
	say := func(x *example, text string) {
		t.Helper()
		x.do(t, chromedp.SendKeys(chromedp.CSS("input"), text+"\r"))
	}
	say(a, "hello")
	for _, x := range []*example{a, b} {
		x.until(t, list("#messages")+` === "hello"`)
	}
	b.do(t, chromedp.Click(chromedp.CSS("#toggle")))
	b.until(t, `document.querySelector("#toggle").textContent === "Connect"`)
	say(a, "is anybody there?")
	a.until(t, list("#messages")+` === "hello|is anybody there?"`)
	b.do(t, chromedp.Click(chromedp.CSS("#toggle")))
	b.until(t, `document.querySelector("#toggle").textContent === "Disconnect"`)
	body(t, post(t, a.host, "main?event=chat+message", "text/plain", "hello from a shell"), http.StatusCreated)
	a.until(t, list("#messages")+` === "hello|is anybody there?|hello from a shell"`)
	b.until(t, list("#messages")+` === "hello|hello from a shell"`)
}

// exampleServer replaces the address in the pages of Pusher.
func exampleServer(t *testing.T) func(host string) []string {
	return func(host string) []string {
		name, port := splitHost(t, host)
		return []string{`"localhost"`, fmt.Sprintf("%q", name), "8000", fmt.Sprint(port)}
	}
}

// TestExampleLaravelEcho: what the README's shell broadcasts is shown.
func TestExampleLaravelEcho(t *testing.T) {
	t.Parallel()
	x := openExample(t, chromiumtest.Shared(t), "laravel-echo", exampleServer(t))
	x.until(t, `document.querySelector("#state").textContent === "connected" && Echo.channel("orders").subscription.subscribed`)
	body(t, post(t, x.host, `orders?event=App%5CEvents%5COrderShipped`, "application/json", `{"id":7,"to":"Alaska"}`), http.StatusCreated)
	x.until(t, list("#orders")+` === "Order 7 is on its way to Alaska."`)
}

// TestExamplePusherQuickstart: the page hears its program, and a shell.
func TestExamplePusherQuickstart(t *testing.T) {
	t.Parallel()
	x := openExample(t, chromiumtest.Shared(t), "pusher-quickstart", exampleServer(t))
	x.until(t, `channel.subscribed`)

	node := program(t, "node", "nodejs")
	trigger, err := os.ReadFile(filepath.Join(examples, "pusher-quickstart", "trigger.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	_, port := splitHost(t, x.host)
	text := strings.NewReplacer(`"localhost"`, `"127.0.0.1"`, "8000", fmt.Sprint(port)).Replace(string(trigger))
	cmd := exec.Command(node, write(t, packages(t), "trigger.mjs", text), "hello world")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	x.until(t, list("#events")+` === '{"message":"hello world"}'`)
	body(t, post(t, x.host, "my-channel?event=my-event", "application/json", `{"message":"hello from a shell"}`), http.StatusCreated)
	x.until(t, list("#events")+` === '{"message":"hello world"}|{"message":"hello from a shell"}'`)
}
