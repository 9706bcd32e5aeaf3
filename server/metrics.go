package server

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/transport"
)

// The buckets of latencies, in seconds: in memory a publication takes
// microseconds, and a client far away a second.
var latencyBuckets = []float64{.000_025, .000_1, .000_25, .001, .002_5, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// metrics is everything /metrics shows. It has a registry of its own: what else
// runs in the process does not appear.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler

	publishSeconds  *prometheus.HistogramVec
	deliverySeconds *prometheus.HistogramVec
	ended           *prometheus.CounterVec
	calls           callMetrics
	sessions        sessionMetrics
	panics          atomic.Uint64 // of handlers
	trust           *trustMetrics
}

// newMetrics collects what the layers count. loops is nil without an engine.
func newMetrics(hubStats func() hub.Stats, brokerStats func() membroker.Stats, conns func() connectionCounts, loops *engineCollector) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		publishSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "godwit_publish_duration_seconds", Buckets: latencyBuckets,
			Help: "Time the hub and its broker took to accept a publication of a client, by transport.",
		}, []string{"transport"}),
		deliverySeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "godwit_delivery_latency_seconds", Buckets: latencyBuckets,
			Help: "Time from the acceptance of a publication until it was written to a client, for the oldest of each write, by transport. Replays are not counted.",
		}, []string{"transport"}),
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_streams_ended_total",
			Help: "WebSockets and streams that ended, by transport and reason: client, shutdown, slow, lost, refused, failure.",
		}, []string{"transport", "reason"}),
	}
	panics := prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "godwit_panics_total", Help: "Requests that ended with a panic of the server.",
	}, func() float64 { return float64(m.panics.Load() + loops.panics()) })
	b := ThisBuild()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "godwit_build_info", Help: "Always 1; the labels say which build this is.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.Go},
	})
	build.Set(1)
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		build, m.publishSeconds, m.deliverySeconds, m.ended, panics,
		&statsCollector{hubStats, brokerStats, conns},
	)
	m.calls = newCallMetrics()
	m.registry.MustRegister(m.calls.total, m.calls.seconds)
	m.sessions = newSessionMetrics()
	m.registry.MustRegister(m.sessions.resumes, m.sessions.inbox)
	m.trust = newTrustMetrics()
	m.registry.MustRegister(m.trust.collectors()...)
	if loops != nil {
		m.registry.MustRegister(loops)
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		// A scrape costs little, but many at once are not a scraper.
		MaxRequestsInFlight: 8,
	})
	return m
}

// sessionTransports are the names of all that sessions are carried by.
func sessionTransports() []string {
	return append([]string{transport.WebSocket, transport.SSE, transport.NDJSON, transport.LongPoll, transport.Session}, foreignTransports...)
}

// observer feeds the histograms. The series of every transport are made at once,
// because the functions are on the path of delivery, and because a series that is
// not there and one at zero must not look alike.
func (m *metrics) observer(refusals *refusals) *transport.Observer {
	delivery := make(map[string]prometheus.Observer)
	for _, name := range sessionTransports() {
		delivery[name] = m.deliverySeconds.WithLabelValues(name)
	}
	ended := make(map[string]map[transport.End]prometheus.Counter)
	for _, name := range append([]string{transport.WebSocket, transport.SSE, transport.NDJSON}, foreignTransports...) {
		ended[name] = make(map[transport.End]prometheus.Counter)
		for _, end := range []transport.End{
			transport.EndClient, transport.EndShutdown, transport.EndSlow, transport.EndLost, transport.EndRefused, transport.EndFailure,
		} {
			ended[name][end] = m.ended.WithLabelValues(name, string(end))
		}
	}
	return &transport.Observer{
		OriginRefused: refusals.warnOrigin,
		SessionRefused: func(string) {
			m.rateLimited(limitSessions)
			refusals.warnSessions()
		},
		Delivered: func(name string, _, _ int, latency time.Duration) {
			// A page is history that somebody looked up: how old it is says nothing.
			if o, ok := delivery[name]; ok && latency >= 0 {
				o.Observe(latency.Seconds())
			}
		},
		Ended: func(name string, end transport.End) {
			if c, ok := ended[name][end]; ok {
				c.Inc()
			}
		},
	}
}

// watchReconnects shows over which time clients would come back.
func (m *metrics) watchReconnects(window func() time.Duration) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "godwit_reconnect_window_seconds", Help: "Time over which all clients would come back that are connected now.",
	}, func() float64 { return window().Seconds() }))
}

// hubObserver feeds the histogram of publishing.
func (m *metrics) hubObserver() *hub.Observer {
	publish := make(map[string]prometheus.Observer)
	for _, name := range append([]string{transport.WebSocket, transport.Post}, foreignTransports...) {
		publish[name] = m.publishSeconds.WithLabelValues(name)
	}
	return &hub.Observer{
		Called: m.called,
		Published: func(name string, _ int, took time.Duration) {
			if o, ok := publish[name]; ok {
				o.Observe(took.Seconds())
			}
		},
	}
}

// statsCollector shows what the layers below count by themselves, read when
// somebody asks.
type statsCollector struct {
	hub    func() hub.Stats
	broker func() membroker.Stats
	conns  func() connectionCounts
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("godwit_"+name, help, labels, nil)
}

var (
	descConnections   = desc("tcp_connections", "Open TCP connections, whatever they carry.")
	descRefused       = desc("tcp_connections_refused_total", "Connections refused because limits.connections was reached.")
	descFailed        = desc("tcp_accept_errors_total", "Connections that could not be accepted, because no descriptor was left for example. The log says why.")
	descSessions      = desc("connections", "Clients connected now, by transport.", "transport")
	descSubs          = desc("subscriptions", "Subscriptions now.")
	descChannels      = desc("channels", "Channels with a subscriber now.")
	descPublications  = desc("publications_total", "Publications accepted, duplicates not counted.")
	descPubBytes      = desc("publication_bytes_total", "Payload bytes of the publications accepted.")
	descDuplicates    = desc("publication_duplicates_total", "Publications not made because their idempotency key was seen before.")
	descDeliveries    = desc("deliveries_total", "Publications handed to a transport for one client.")
	descDelBytes      = desc("delivery_bytes_total", "Payload bytes of the publications handed to a transport for one client.")
	descDrops         = desc("queue_drops_total", "Publications taken out of the queue of a slow client, which then reads them from history.")
	descGaps          = desc("gaps_total", "Gaps announced to clients, by reason: lost (history no longer held what they missed), expired, conflated, dropped, rate.", "reason")
	descGapPubs       = desc("gap_publications_total", "Publications in gaps announced to clients, by reason: expired, conflated, dropped, rate. How many were lost is not known.", "reason")
	descPagesWaiting  = desc("history_pages_waiting", "Pages of history that clients wait for which resume, because of limits.history_pages_per_second.")
	descCallsOpen     = desc("rpc_calls_open", "Calls of methods that have no outcome yet.")
	descRegistrations = desc("rpc_registrations", "Registrations of clients that answer calls now.")
	descBrokerFailed  = desc("broker_failures_total", "Publications, reads of histories and subscriptions that the broker refused or did not answer.")
	descHistChannels  = desc("history_channels", "Channels with a listener or history now.")
	descHistory       = desc("history_publications", "Publications held in all histories now.")
	descHistBytes     = desc("history_bytes", "Memory that all histories are charged for now.")
	descEvicted       = desc("history_evicted_total", "Publications dropped from history early because limits.history_bytes was reached.")
)

// Describe implements prometheus.Collector.
func (c *statsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descConnections, descRefused, descFailed, descSessions, descSubs, descChannels, descPublications, descPubBytes, descDuplicates,
		descDeliveries, descDelBytes, descDrops, descGaps, descGapPubs, descPagesWaiting, descCallsOpen, descRegistrations, descBrokerFailed, descHistChannels, descHistory, descHistBytes, descEvicted,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *statsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	conns := c.conns()
	gauge(descConnections, float64(conns.open))
	counter(descRefused, conns.refused)
	counter(descFailed, conns.failed)

	h := c.hub()
	for _, name := range sessionTransports() {
		gauge(descSessions, float64(h.Sessions[name]), name)
	}
	gauge(descSubs, float64(h.Subscriptions))
	gauge(descChannels, float64(h.Channels))
	gauge(descCallsOpen, float64(h.Calls))
	gauge(descRegistrations, float64(h.Registrations))
	counter(descPublications, h.Publications)
	counter(descPubBytes, h.PublicationBytes)
	counter(descDuplicates, h.Duplicates)
	counter(descDeliveries, h.Deliveries)
	counter(descDelBytes, h.DeliveryBytes)
	counter(descDrops, h.QueueDrops)
	for reason, gaps := range h.GapsByReason {
		counter(descGaps, gaps.Gaps, reason.String())
		if reason != hub.GapLost {
			counter(descGapPubs, gaps.Publications, reason.String())
		}
	}
	gauge(descPagesWaiting, float64(h.PagesWaiting))
	counter(descBrokerFailed, h.BrokerFailures)

	b := c.broker()
	gauge(descHistChannels, float64(b.Channels))
	gauge(descHistory, float64(b.Publications))
	gauge(descHistBytes, float64(b.Bytes))
	counter(descEvicted, b.Evicted)
}
