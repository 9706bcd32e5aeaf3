package interop

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// TestClientServerKilled: a server that keeps histories on disk is killed and started again,
// and a page misses nothing, and publishes once what it published meanwhile.
func TestClientServerKilled(t *testing.T) {
	t.Parallel()
	skipShort(t)
	site, data := newClientSite(t), t.TempDir()
	host, process := serveForClient(t, "--origin", site.URL, "--data", data)
	w := &clientWorld{t: t, host: host, site: site, network: newCutter(t, host), chromium: chromiumtest.Shared(t)}
	site.host, site.connect = host, "http://"+w.network.host
	tab := w.person()("")
	tab.until("window.ready && godwit.state === 'open'")
	for round := range 2 {
		w.publish(5)
		tab.has(0, w.published)
		w.publish(5) // of these some are on the way
		if err := process.Kill(); err != nil {
			t.Fatal(err)
		}
		for { // until it has gone, and with it its lock of the directory
			conn, err := net.Dial("tcp", host)
			if err != nil {
				break
			}
			conn.Close()
		}
		eval[string](tab, fmt.Sprintf(`(window.sent ??= []).push(godwit.channel("sent").publish(%d)), ""`, round))
		host, process = serveForClient(t, "--listen", host, "--origin", site.URL, "--data", data)
		w.publish(5)
		tab.has(0, w.published)
	}
	if n := eval[int](tab, `Promise.all(sent).then((positions) => new Set(positions).size)`); n != 2 {
		t.Errorf("of two publications made without a server %d were done", n)
	}
	page := body(t, get(t, http.DefaultClient, "http://"+host+"/channels/sent?last=10", "Accept", "application/json"), http.StatusOK)
	if n := strings.Count(page, `"data"`); n != 2 {
		t.Errorf("they were done %d times: %s", n, page)
	}
}

// TestClientBurst: 5,000 messages a second for two seconds, which all come, and for which the
// page's thread works less than half of the time. How long it was busy at a time by the clock
// depends on what else the machine does, so that is only logged.
func TestClientBurst(t *testing.T) {
	w := newClientWorld(t)
	tab := w.person()("")
	tab.until("window.ready && godwit.state === 'open'")
	eval[string](tab, `window.long = 0, ""`) // of the messages, and not of the page's beginning
	params := performance.EnableParams{TimeDomain: performance.EnableTimeDomainThreadTicks}
	if _, err := chromedp.Call(tab.ctx, performance.Enable, params); err != nil {
		t.Fatal(err)
	}
	busy := func() float64 { // seconds of the page's processor time
		t.Helper()
		result, err := chromedp.Call(tab.ctx, performance.GetMetrics, cdp.Empty{})
		if err != nil {
			t.Fatal(err)
		}
		for _, metric := range result.Metrics {
			if metric.Name == "TaskDuration" {
				return metric.Value
			}
		}
		t.Fatal("there is no TaskDuration")
		return 0
	}
	before := busy()
	publisher := newPublisher(t, "ws://"+w.host+"/channels/news?self=0")
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for w.published < 10_000 {
		<-tick.C
		for due := min(10_000, int(time.Since(began).Seconds()*5000)); w.published < due; w.published++ {
			publisher.send(t, false, strconv.Itoa(w.published))
		}
	}
	took := time.Since(began)
	tab.until(fmt.Sprintf("seen.length === %d", w.published))
	used := busy() - before
	tab.has(0, w.published)
	// Processor time, of which others take none away. In tasks of 50 messages, one every 10 ms, it
	// is 5 ms for each: a tenth of a long one.
	if most := 1.0; used > most {
		t.Errorf("the page's thread worked %.2f s for %d messages, and may work %v", used, w.published, most)
	}
	t.Logf("%d messages in %v, for which the page's thread worked %.0f ms; the longest task had %v ms by the clock (0 is none above 50)",
		w.published, took.Round(time.Millisecond), 1000*used, eval[float64](tab, "long"))
}
