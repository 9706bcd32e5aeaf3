package interop

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
	"github.com/godwit-io/godwit/ws"
)

// TestProxiedServer has `godwit serve` behind a proxy, and clients of HTTP/1.1
// and HTTP/2 before it.
func TestProxiedServer(t *testing.T) {
	for _, kind := range proxies {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			// Without a heartbeat that matters, so that nothing waits for one unnoticed.
			host := serveGodwit(t, time.Hour, "--origin", "https://realtime.example.com", "--demo=false")
			p := kind.start(t, host, proxyTimeout)
			c1, c2 := &proxied{p, p.client(t, false), 1}, &proxied{p, p.client(t, true), 2}
			for _, s := range []struct {
				name string
				run  func(t *testing.T, c *proxied)
			}{
				{"page and names", testProxiedPage},
				{"server-sent events", testProxiedEvents},
				{"NDJSON", testProxiedLines},
				{"long poll", testProxiedLongPoll},
			} {
				for _, c := range []*proxied{c1, c2} {
					t.Run(fmt.Sprintf("%s over HTTP %d", s.name, c.version), func(t *testing.T) { s.run(t, c) })
				}
			}
			t.Run("WebSocket", func(t *testing.T) { testProxiedChannel(t, c1) })
			t.Run("a long poll that is too long", func(t *testing.T) {
				p := kind.start(t, host, proxyTimeoutShort)
				testProxiedTooLong(t, &proxied{p, p.client(t, true), 2})
			})
			t.Run("silence", func(t *testing.T) {
				p := kind.start(t, serveGodwit(t, time.Second), proxyTimeoutShort)
				testProxiedQuiet(t, &proxied{p, p.client(t, false), 1}, &proxied{p, p.client(t, true), 2})
			})
		})
	}
}

// proxied is a client of a server behind a proxy.
type proxied struct {
	*proxy
	http    *http.Client
	version int
}

// channel is the URL of a channel that only this test uses.
func (c *proxied) channel(t *testing.T) string {
	return "https://" + c.host + "/channels/" + strings.NewReplacer(" ", "-", "#", "-").Replace(t.Name())
}

func testProxiedPage(t *testing.T, c *proxied) {
	response := get(t, c.http, "https://"+c.host+"/")
	if response.ProtoMajor != c.version {
		t.Errorf("spoken over %s, want HTTP %d", response.Proto, c.version)
	}
	if page := body(t, response, http.StatusOK); !strings.Contains(page, "<title>") {
		t.Errorf("the page is %.300s", page)
	}
	// Godwit sees the name that the client asked for.
	body(t, get(t, c.http, "https://"+c.host+"/healthz", "Host", "realtime.example.com"), http.StatusOK)
	body(t, get(t, c.http, "https://"+c.host+"/healthz", "Host", "elsewhere.example.com"), http.StatusMisdirectedRequest)
	// And so does a page that publishes.
	for origin, status := range map[string]int{"https://realtime.example.com": http.StatusCreated, "https://elsewhere.example.com": http.StatusForbidden} {
		body(t, request(t, c.http, http.MethodPost, c.channel(t), "x", "Host", "realtime.example.com", "Origin", origin), status)
	}
}

func testProxiedEvents(t *testing.T, c *proxied) {
	url := c.channel(t)
	s := openStream(t, c.http, url, "Accept", "text/event-stream")
	s.until(t, "id: ")
	// Each arrives while the stream is open, so nothing waits for more to come.
	publish(t, c.http, url, "one")
	id := s.until(t, "id: ")
	s.until(t, "data: one")
	publish(t, c.http, url, "two")
	s.until(t, "data: two")
	s.Body.Close()
	publish(t, c.http, url, "three")

	s = openStream(t, c.http, url, "Accept", "text/event-stream", "Last-Event-ID", strings.TrimPrefix(id, "id: "))
	s.until(t, "data: three")
	if text := s.seen.String(); strings.Contains(text, "data: one") || strings.Count(text, "data: two") != 1 || strings.Contains(text, "gap") {
		t.Errorf("resumed with\n%s", text)
	}
}

func testProxiedLines(t *testing.T, c *proxied) {
	url := c.channel(t)
	s := openStream(t, c.http, url, "Accept", "application/x-ndjson")
	position := s.Header.Get("Godwit-Position")
	publish(t, c.http, url, "one")
	s.until(t, `"one"`)
	s.Body.Close()
	publish(t, c.http, url, "two")
	s = openStream(t, c.http, url+"?since="+position, "Accept", "application/x-ndjson")
	s.until(t, `"one"`)
	s.until(t, `"two"`)
}

func testProxiedLongPoll(t *testing.T, c *proxied) {
	url := c.channel(t)
	position := publish(t, c.http, url, "one")
	page := body(t, get(t, c.http, url+"?since="+position, "Prefer", "wait=1"), http.StatusOK)
	if !strings.Contains(page, `"publications":[]`) || !strings.Contains(page, position) {
		t.Errorf("the page is %s", page)
	}
	// It answers as soon as there is something.
	var publishing sync.WaitGroup
	publishing.Go(func() { publish(t, c.http, url, "two") })
	page = body(t, get(t, c.http, url+"?since="+position, "Prefer", "wait=1"), http.StatusOK)
	publishing.Wait()
	if !strings.Contains(page, `"data":"two"`) || strings.Contains(page, `"data":"one"`) {
		t.Errorf("the page is %s", page)
	}
}

// testProxiedTooLong waits for longer than the proxy does, which is why the
// timeouts of the configurations are above the 60 s of a long poll.
func testProxiedTooLong(t *testing.T, c *proxied) {
	url := c.channel(t)
	position := publish(t, c.http, url, "one")
	body(t, get(t, c.http, url+"?since="+position, "Prefer", "wait=20"), http.StatusGatewayTimeout)
}

func testProxiedChannel(t *testing.T, c *proxied) {
	url := c.channel(t)
	position := publish(t, c.http, url, "one")
	publish(t, c.http, url, "two")
	open := func() *near {
		conn, _, err := ws.Dial(background, url+"?since="+position, &ws.DialOptions{TLSConfig: c.tls, Header: http.Header{"Origin": {"https://" + c.host}}})
		if err != nil {
			t.Fatal(err)
		}
		return newNear(t, conn)
	}
	n := open()
	n.wantsMessage(t, false, "two")
	n.send(t, true, everyByte)
	n.wantsMessage(t, true, everyByte)
	if err := n.Close(ws.StatusNormal, ""); err != nil {
		t.Error(err)
	}
	n = open()
	n.wantsMessage(t, false, "two")
	n.wantsMessage(t, true, everyByte)
}

// testProxiedQuiet keeps one of every kind of stream silent for longer than the
// proxy's timeout, but for what Godwit sends to show that it is alive.
func testProxiedQuiet(t *testing.T, clients ...*proxied) {
	url := clients[0].channel(t)
	conn, _, err := ws.Dial(background, url, &ws.DialOptions{TLSConfig: clients[0].tls, Options: ws.Options{PingInterval: ws.NoLimit}})
	if err != nil {
		t.Fatal(err)
	}
	n := newNear(t, conn)
	type kind struct {
		*stream
		heartbeat, data string
	}
	var streams []kind
	for _, c := range clients {
		streams = append(streams,
			kind{openStream(t, c.http, url, "Accept", "text/event-stream"), ":", "data: at last"},
			kind{openStream(t, c.http, url, "Accept", "application/x-ndjson"), "{}", `"at last"`})
	}
	for began := time.Now(); time.Since(began) < silent; {
		for _, s := range streams {
			s.until(t, s.heartbeat)
		}
	}
	publish(t, clients[0].http, url, "at last")
	for _, s := range streams {
		s.until(t, s.data)
	}
	n.wantsMessage(t, false, "at last")
}

// TestProxiedWelcomePage is the page in a browser. Chromium speaks HTTP/2 with
// both proxies. HAProxy takes WebSockets on it too (RFC 8441); with nginx they
// have connections of HTTP/1.1.
func TestProxiedWelcomePage(t *testing.T) {
	t.Parallel()
	chromium := chromiumtest.Shared(t)
	for _, kind := range proxies {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.start(t, serveGodwit(t, time.Second), proxyTimeout)
			ctx, cancel := chromedp.NewContext(chromium, chromedp.WithNewBrowserContext())
			defer cancel()
			statuses := newInbox[int64]()
			if err := chromedp.Listen(ctx, func(event any) {
				if ev, ok := event.(*network.EventWebSocketHandshakeResponseReceived); ok {
					statuses.put(ev.Response.Status)
				}
			}); err != nil {
				t.Fatal(err)
			}
			do := func(steps ...chromedp.Action[chromedp.Void]) {
				t.Helper()
				if err := chromedp.Do(ctx, steps...); err != nil {
					t.Fatalf("in the browser: %v", err)
				}
			}
			until := func(expression string) {
				t.Helper()
				poll := chromedp.Poll[bool](expression, chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(patience))
				if _, err := chromedp.Run(ctx, poll); err != nil {
					t.Fatalf("never came true: %s (%v)", expression, err)
				}
			}
			do(chromedp.Navigate("https://" + p.host + "/"))
			client := p.client(t, true)
			for _, transport := range []string{"websocket", "sse", "poll"} {
				if transport != "websocket" {
					do(chromedp.Click(chromedp.CSS("[data-testid=transport-chat] input[value=" + transport + "]")))
				}
				until(fmt.Sprintf("(e => e?.dataset.state === 'open' && e.dataset.transport === %q)(document.querySelector('[data-testid=status-chat]'))", transport))
				publish(t, client, "https://"+p.host+"/channels/chat", "said over "+transport)
				until(fmt.Sprintf("document.querySelector('[data-testid=chat-right-log]').innerText.includes(%q)", "said over "+transport))
			}
			want := int64(http.StatusSwitchingProtocols)
			if kind.name == "haproxy" {
				want = http.StatusOK
			}
			if status, ok := statuses.next(); !ok || status != want {
				t.Errorf("a WebSocket was answered with %d, want %d", status, want)
			}
		})
	}
}
