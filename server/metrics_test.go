package server

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
)

func someMetrics() *metrics {
	m := newMetrics(func() hub.Stats {
		return hub.Stats{GapsByReason: map[hub.GapReason]hub.GapStats{hub.GapLost: {}, hub.GapConflated: {}}}
	}, func() membroker.Stats { return membroker.Stats{} },
		func() connectionCounts { return connectionCounts{} },
		&engineCollector{func() []engine.Stats { return make([]engine.Stats, 1) }, func() engine.SharedStats { return engine.SharedStats{} }})
	m.observer(nil)
	m.hubObserver()
	m.watchCluster(&Server{})
	m.watchPresence(&Server{})
	m.watchForwards(&Server{})
	m.watchBridges(func() []bridge.Report { return []bridge.Report{{Name: "eth"}} })
	m.watchDisk(&Server{diskSyncs: newDiskSyncs()})
	m.watchReconnects(func() time.Duration { return 0 })
	m.watchSessions(func() (attached, waiting int) { return 0, 0 })
	apps, err := app.New([]app.App{developmentApp(&Limits{})})
	if err != nil {
		panic(err)
	}
	m.watchApps(apps)
	m.watchCertificates(func() []certificateExpiry { return []certificateExpiry{{domain: "chat.example"}} })
	return m
}

const metricsDoc = "../docs/metrics.md"

// docs/metrics.md is the golden file of every series: name, type, labels, help.
func TestMetricsDoc(t *testing.T) {
	families, err := someMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("| name | type | labels | meaning |\n|---|---|---|---|\n")
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "godwit_") {
			continue
		}
		var labels []string
		for _, l := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+l.GetName()+"`")
		}
		slices.Sort(labels)
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	const begin, end = "<!-- table begins -->\n", "<!-- table ends -->\n"
	golden.ComparePart(t, metricsDoc, begin, end, "\n"+table.String()+"\n")
}

// The table is made from someMetrics, which has to know whatever a server has.
func TestMetricsOfServerAreDocumented(t *testing.T) {
	text, err := os.ReadFile(metricsDoc)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, configured(t, "listen: 127.0.0.1:0\ndemo: false\n"))
	families, err := s.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if name := f.GetName(); strings.HasPrefix(name, "godwit_") && !strings.Contains(string(text), "\n| `"+name+"` |") {
			t.Errorf("%s has no row in %s", name, metricsDoc)
		}
	}
}

func TestMetricsLint(t *testing.T) {
	families, err := someMetrics().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// Everything described is collected and the other way round.
func TestMetricsCollector(t *testing.T) {
	c := &statsCollector{
		hub: func() hub.Stats {
			return hub.Stats{Sessions: map[string]int{transport.SSE: 2}, Subscriptions: 3, Channels: 4, Publications: 5, Duplicates: 6,
				PublicationBytes: 7, Deliveries: 8, DeliveryBytes: 9, QueueDrops: 10, Gaps: 11,
				GapsByReason: map[hub.GapReason]hub.GapStats{hub.GapLost: {Gaps: 11}, hub.GapConflated: {Gaps: 19, Publications: 20}}}
		},
		broker: func() membroker.Stats {
			return membroker.Stats{Channels: 12, Publications: 13, Bytes: 14, Evicted: 15}
		},
		conns: func() connectionCounts { return connectionCounts{open: 16, refused: 17, failed: 18} },
	}
	want := map[string]string{
		"subscriptions": "3", "channels": "4", "publications_total": "5", "publication_duplicates_total": "6",
		"publication_bytes_total": "7", "deliveries_total": "8", "delivery_bytes_total": "9", "queue_drops_total": "10",
		`gaps_total{reason="lost"}`: "11", `gaps_total{reason="conflated"}`: "19", `gap_publications_total{reason="conflated"}`: "20",
		"history_channels": "12", "history_publications": "13", "history_bytes": "14", "history_evicted_total": "15",
		"tcp_connections": "16", "tcp_connections_refused_total": "17", "tcp_accept_errors_total": "18",
		`connections{transport="sse"}`: "2", `connections{transport="websocket"}`: "0",
	}
	text := exposition(t, c)
	for name, value := range want {
		if !strings.Contains("\n"+text, "\ngodwit_"+name+" "+value+"\n") {
			t.Errorf("godwit_%s is not %s:\n%s", name, value, text)
		}
	}
}

// Each loop has its own series, the workers have theirs, and each series its own
// figure.
func TestMetricsOfLoops(t *testing.T) {
	c := &engineCollector{loops: func() []engine.Stats {
		return []engine.Stats{{Conns: 1, QueueBytes: 2, Busy: 3 * time.Second, Stalls: 4, MessagesIn: 5, MessagesOut: 6, BytesIn: 7, BytesOut: 8,
			Lag: 17 * time.Second, Shed: 18}, {Conns: 9}}
	}, shared: func() engine.SharedStats {
		return engine.SharedStats{Workers: engine.WorkerStats{
			Workers: 10, Busy: 11, Waiting: 12, Oldest: 13 * time.Second, Calls: 14, CallTime: 15 * time.Second, WaitTime: 16 * time.Second,
		}}
	}}
	text := exposition(t, c)
	for name, value := range map[string]string{
		`loop_connections{loop="0"}`: "1", `loop_queue_bytes{loop="0"}`: "2", `loop_busy_seconds_total{loop="0"}`: "3", `loop_stalls_total{loop="0"}`: "4",
		`loop_messages_received_total{loop="0"}`: "5", `loop_messages_sent_total{loop="0"}`: "6",
		`loop_lag_seconds{loop="0"}`: "17", `loop_shed_total{loop="0"}`: "18",
		`loop_received_bytes_total{loop="0"}`: "7", `loop_sent_bytes_total{loop="0"}`: "8", `loop_connections{loop="1"}`: "9",
		"workers": "10", "worker_calls_running": "11", "worker_calls_waiting": "12", "worker_oldest_wait_seconds": "13", "worker_calls_total": "14",
		"worker_busy_seconds_total": "15", "worker_wait_seconds_total": "16",
	} {
		if !strings.Contains("\n"+text, "\ngodwit_"+name+" "+value+"\n") {
			t.Errorf("godwit_%s is not %s:\n%s", name, value, text)
		}
	}
}

func TestMetricsObserver(t *testing.T) {
	m := someMetrics()
	o := m.observer(nil)
	h := m.hubObserver()
	h.Published(transport.Post, 10, time.Millisecond)
	h.Published("unheard of", 10, time.Millisecond)
	o.Delivered(transport.SSE, 3, 30, 20*time.Millisecond)
	o.Delivered(transport.SSE, 3, 30, -1)                  // a replay
	o.Delivered(transport.Page, 3, 30, time.Hour)          // history that somebody looked up
	o.Ended(transport.WebSocket, transport.EndSlow)        //
	o.Ended(transport.WebSocket, transport.End("unheard")) //
	text := exposition(t, m.publishSeconds, m.deliverySeconds, m.ended)
	for _, want := range []string{
		`godwit_delivery_latency_seconds_count{transport="sse"} 1`, `godwit_delivery_latency_seconds_sum{transport="sse"} 0.02`,
		`godwit_delivery_latency_seconds_bucket{transport="sse",le="0.01"} 0`, `godwit_delivery_latency_seconds_bucket{transport="sse",le="0.025"} 1`,
		`godwit_delivery_latency_seconds_count{transport="websocket"} 0`,
		`godwit_publish_duration_seconds_count{transport="post"} 1`, `godwit_publish_duration_seconds_count{transport="websocket"} 0`,
		`godwit_streams_ended_total{reason="slow",transport="websocket"} 1`, `godwit_streams_ended_total{reason="client",transport="sse"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "unheard") || strings.Contains(text, `transport="page"`) {
		t.Errorf("there are series of things that do not exist:\n%s", text)
	}
}

// exposition is what a scraper gets of the collectors.
func exposition(t *testing.T, collectors ...prometheus.Collector) string {
	t.Helper()
	r := prometheus.NewPedanticRegistry() // also checks that what is collected was described
	r.MustRegister(collectors...)
	rec := httptest.NewRecorder()
	promhttp.HandlerFor(r, promhttp.HandlerOpts{}).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/", nil))
	if rec.Code != http.StatusOK {
		t.Fatal(rec.Code, rec.Body)
	}
	return rec.Body.String()
}

// What clients do arrives in /metrics.
func TestMetricsServed(t *testing.T) {
	s := start(t, Config{})
	conn, _, err := ws.Dial(t.Context(), s.url+"/channels/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if a := s.do(t, http.MethodPost, "/channels/chat", "hello", "Idempotency-Key", "k"); a.StatusCode != http.StatusCreated {
		t.Fatal(a.Status)
	}
	s.do(t, http.MethodPost, "/channels/chat", "hello", "Idempotency-Key", "k")
	if _, _, err := conn.Read(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`godwit_connections{transport="websocket"} 1`, `godwit_connections{transport="sse"} 0`, "godwit_subscriptions 1", "godwit_channels 1",
		"godwit_publications_total 1", "godwit_publication_bytes_total 5", "godwit_publication_duplicates_total 1", "godwit_deliveries_total 1",
		"godwit_delivery_bytes_total 5", "godwit_history_publications 1", `godwit_publish_duration_seconds_count{transport="post"} 1`,
		`godwit_delivery_latency_seconds_count{transport="websocket"} 1`, "godwit_build_info{", "go_goroutines ", "process_start_time_seconds ",
	}
	// The latency is observed after the write that the client has seen already.
	eventually(t, func() string {
		text := s.do(t, http.MethodGet, "/metrics", "").body
		missing := slices.DeleteFunc(slices.Clone(want), func(line string) bool { return strings.Contains("\n"+text, "\n"+line) })
		if len(missing) == 0 {
			return ""
		}
		return fmt.Sprintf("%q are not in\n%s", missing, text)
	})
}
