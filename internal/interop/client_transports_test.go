package interop

import (
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// obstacles are what proxies between a page and its server do, each with the transports that
// cannot get through. Which of the others is first depends on how busy the machine is.
var obstacles = []struct {
	name    string
	refuses func(w http.ResponseWriter, r *http.Request) bool // it has dealt with r
	buffers bool                                              // an answer is passed on when it is whole
	never   string
}{
	{"nothing", nil, false, ""},
	{"WebSocket is refused", func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		http.Error(w, "no such thing here", http.StatusBadRequest)
		return true
	}, false, "websocket"},
	{"WebSocket is swallowed", func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		<-r.Context().Done()
		return true
	}, false, "websocket"},
	{"WebSocket is refused and NDJSON is kept back", func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.Header.Get("Accept"), "ndjson") {
			_, _ = io.Copy(io.Discard, r.Body) // or the end of the connection would not be noticed
			<-r.Context().Done()
			return true
		}
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		http.Error(w, "no such thing here", http.StatusBadRequest)
		return true
	}, false, "websocket stream"},
	{"everything is kept back until it is whole", func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Upgrade") == "" {
			return false
		}
		http.Error(w, "no such thing here", http.StatusBadGateway)
		return true
	}, true, "websocket stream sse"},
}

// TestClientObstacles: whatever a proxy does, a page is connected, and soon.
func TestClientObstacles(t *testing.T) {
	t.Parallel()
	for _, obstacle := range obstacles {
		t.Run(obstacle.name, func(t *testing.T) {
			t.Parallel()
			w := newClientWorld(t)
			pass := &httputil.ReverseProxy{
				FlushInterval: -1,
				Rewrite: func(r *httputil.ProxyRequest) {
					r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", w.host, r.In.Host
				},
				ErrorLog: stdlog.New(io.Discard, "", 0),
			}
			if obstacle.buffers {
				pass.ModifyResponse = func(response *http.Response) error {
					if kind := response.Header.Get("Content-Type"); strings.Contains(kind, "stream") || strings.Contains(kind, "ndjson") {
						whole, err := io.ReadAll(response.Body) // which never comes
						response.Body = io.NopCloser(strings.NewReader(string(whole)))
						return err
					}
					return nil
				}
			}
			proxy := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
				if obstacle.refuses == nil || !obstacle.refuses(out, r) {
					pass.ServeHTTP(out, r)
				}
			}))
			t.Cleanup(func() {
				proxy.Listener.Close() // or the page would come back meanwhile
				proxy.CloseClientConnections()
				proxy.Close()
			})
			w.site.connect = proxy.URL
			tab := w.person()("")
			tab.until("window.ready && godwit.state === 'open'")
			transport := eval[string](tab, "godwit.transport")
			if transport == "" || strings.Contains(obstacle.never, transport) {
				t.Errorf("it is connected by %q, which cannot be", transport)
			}
			w.publish(20)
			tab.has(0, 20)
			if n := eval[int](tab, `Promise.all(Array.from({ length: 20 }, (_, i) => godwit.channel("up").publish(i))).then((p) => new Set(p).size)`); n != 20 {
				t.Errorf("of 20 publications %d were made", n)
			}
			t.Logf("connected by %s after %s ms", transport, eval[string](tab, "String(Math.round(took))"))
		})
	}
}

// TestClientBehindNginx: each transport, forced, behind nginx with the configuration that the
// documents give.
func TestClientBehindNginx(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	p := nginxFor(t, w.host, proxyTimeout)
	w.site.connect = "https://" + p.host
	open := w.person()
	for _, transport := range []string{"websocket", "stream", "sse", "poll"} {
		tab := open(url.QueryEscape(fmt.Sprintf(`{"tabs":false,"transports":[%q]}`, transport)))
		tab.until("window.ready && godwit.state === 'open'")
		if got := eval[string](tab, "godwit.transport"); got != transport {
			t.Errorf("it is connected by %s, want %s", got, transport)
		}
		first := w.published
		w.publish(10)
		tab.has(first, w.published)
		if got := eval[string](tab, `godwit.channel("up").publish("x").then((p) => p.replace(/.*:/, ""))`); got == "" || strings.Trim(got, "0123456789") != "" {
			t.Errorf("it has published at %q", got)
		}
	}
}

// TestClientUpgrade: a page that had to take another transport has a WebSocket when that
// gets through again, and has missed nothing.
func TestClientUpgrade(t *testing.T) {
	t.Parallel()
	w := newClientWorld(t)
	tab := w.person()(url.QueryEscape(`{"transports":["poll","websocket"]}`))
	tab.until("window.ready && godwit.transport === 'poll'")
	for upgraded := false; !upgraded; {
		w.publish(1)
		tab.until(fmt.Sprintf("seen.at(-1) === %q", strconv.Itoa(w.published-1)))
		upgraded = eval[bool](tab, "godwit.transport === 'websocket'")
	}
	w.publish(5)
	tab.has(0, w.published)
}
