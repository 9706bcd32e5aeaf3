package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/flight"
	"github.com/godwit-io/godwit/server/guard"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/tracing"
)

// trustMetrics are the figures of identities, grants and refusals, and of operating the server.
// Every possible series is there from the beginning: a missing series and a series at zero must
// not look alike.
type trustMetrics struct {
	refusals      *prometheus.CounterVec
	limited       *prometheus.CounterVec
	verifications *prometheus.CounterVec
	hookCalls     *prometheus.CounterVec
	hookSeconds   *prometheus.HistogramVec
	events        *prometheus.CounterVec
	givenUp       *prometheus.CounterVec
	reloads       *prometheus.CounterVec
	reloadOK      prometheus.Gauge
	reloadAt      prometheus.Gauge
	state         *trustCollector
}

// causes are the names of an access.Cause in labels.
var causes = map[access.Cause]string{
	access.Unauthenticated: "unauthenticated", access.Expired: "expired", access.Denied: "denied", access.TooMany: "too_many", access.Unavailable: "unavailable",
}

// actionConnect stands for the action of a refusal before there is an action.
const actionConnect = "connect"

func actionName(a access.Action) string {
	if a == 0 {
		return actionConnect
	}
	return a.String()
}

// limitConnectionsAddress is the kind of the limit that the front has; package guard
// has the others.
const limitConnectionsAddress = "connections_address"

// limitSessions is the kind of the limit that holds for all clients together.
const limitSessions = "sessions"

func limitKinds() []string {
	return append(guard.LimitKinds(), limitConnectionsAddress, limitSessions)
}

var (
	hookNames        = []string{"connect", "subscribe", "publish", hookRPC, hookSocketIO}
	hookOutcomes     = []hooks.Outcome{hooks.Allowed, hooks.Changed, hooks.Denied, hooks.Failed, hooks.Refused}
	rpcOutcomes      = []hooks.Outcome{hooks.Answered, hooks.Errored, hooks.Canceled, hooks.Failed, hooks.Refused}
	socketIOOutcomes = []hooks.Outcome{hooks.Allowed, hooks.Denied, hooks.Answered, hooks.Errored, hooks.Failed, hooks.Refused}
	hookReasons      = []hooks.Reason{hooks.QueueFull, hooks.TooOld, hooks.Gone, hooks.Closed}
)

// hookRPC is the hook that answers calls of methods, and hookSocketIO that which is the
// application behind clients of Socket.IO.
const (
	hookRPC      = "rpc"
	hookSocketIO = "socketio"
)

func newTrustMetrics() *trustMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "godwit_" + name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "godwit_" + name, Help: help})
	}
	t := &trustMetrics{
		refusals: counter("refusals_total", "What clients wanted and may not, by action and cause: unauthenticated, expired, denied, too_many, unavailable. connect is refused before there is an action.",
			"action", "cause"),
		limited:       counter("rate_limited_total", "What was refused because a limit was reached, by kind of limit.", "kind"),
		verifications: counter("token_verifications_total", "Tokens and keys that clients have shown, by outcome: valid, invalid, unavailable (the keys of the issuer cannot be had).", "outcome"),
		hookCalls: counter("hook_calls_total", "Questions to the application, by hook and outcome: allowed, changed, denied, failed, refused (not asked: too many wait, or it has not answered for a while); of rpc also answered, error, canceled, and of socketio answered, error.",
			"hook", "outcome"),
		hookSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "godwit_hook_duration_seconds", Buckets: latencyBuckets,
			Help: "Time from a question, or the beginning of an attempt to deliver events, until the answer, by hook.",
		}, []string{"hook"}),
		events:   counter("hook_events_total", "Events that were sent to the application, by outcome: delivered, failed. Those that failed are tried again.", "outcome"),
		givenUp:  counter("hook_events_given_up_total", "Events that the application will never hear of, by reason: queue_full, too_old, gone, closed.", "reason"),
		reloads:  counter("config_reloads_total", "Times that the configuration was to be read again, by outcome: success, failure.", "outcome"),
		reloadOK: gauge("config_last_reload_successful", "1 if the configuration in force is the one that was read last, 0 if that was refused."),
		reloadAt: gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was read, in seconds since 1970."),
		state:    new(trustCollector),
	}
	for _, a := range append([]access.Action{0}, access.Actions()...) {
		for _, cause := range causes {
			t.refusals.WithLabelValues(actionName(a), cause)
		}
	}
	for _, kind := range limitKinds() {
		t.limited.WithLabelValues(kind)
	}
	for _, outcome := range guard.Verifications() {
		t.verifications.WithLabelValues(outcome)
	}
	for _, hook := range hookNames {
		t.hookSeconds.WithLabelValues(hook)
		outcomes := hookOutcomes
		if hook == hookRPC {
			outcomes = rpcOutcomes
		}
		if hook == hookSocketIO {
			outcomes = socketIOOutcomes
		}
		for _, outcome := range outcomes {
			t.hookCalls.WithLabelValues(hook, string(outcome))
		}
	}
	t.hookSeconds.WithLabelValues("events")
	for _, outcome := range []hooks.Outcome{hooks.Delivered, hooks.Failed} {
		t.events.WithLabelValues(string(outcome))
	}
	for _, why := range hookReasons {
		t.givenUp.WithLabelValues(string(why))
	}
	for _, outcome := range []string{reloadSuccess, reloadFailure} {
		t.reloads.WithLabelValues(outcome)
	}
	t.reloadOK.Set(1)
	t.reloadAt.SetToCurrentTime()
	return t
}

// Outcomes of a reload.
const (
	reloadSuccess = "success"
	reloadFailure = "failure"
)

func (t *trustMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		t.refusals, t.limited, t.verifications, t.hookCalls, t.hookSeconds, t.events, t.givenUp, t.reloads, t.reloadOK, t.reloadAt, t.state,
	}
}

// refused counts what a client may not do: guard.Options.Refused.
func (m *metrics) refused(a access.Action, cause access.Cause) {
	if name, ok := causes[cause]; ok {
		m.trust.refusals.WithLabelValues(actionName(a), name).Inc()
	}
}

// rateLimited counts something that a limit has refused. kind is one of limitKinds().
func (m *metrics) rateLimited(kind string) { m.trust.limited.WithLabelValues(kind).Inc() }

// verified counts a token or key that was shown. outcome is one of
// guard.Verifications.
func (m *metrics) verified(outcome string) { m.trust.verifications.WithLabelValues(outcome).Inc() }

// reloaded counts a reload of the configuration.
func (m *metrics) reloaded(err error) {
	if err != nil {
		m.trust.reloads.WithLabelValues(reloadFailure).Inc()
		m.trust.reloadOK.Set(0)
		return
	}
	m.trust.reloads.WithLabelValues(reloadSuccess).Inc()
	m.trust.reloadOK.Set(1)
	m.trust.reloadAt.SetToCurrentTime()
}

// hooksObserver feeds the figures of hooks.
func (m *metrics) hooksObserver() *hooks.Observer {
	t := m.trust
	return &hooks.Observer{
		Answered: func(hook string, outcome hooks.Outcome, took time.Duration) {
			t.hookCalls.WithLabelValues(hook, string(outcome)).Inc()
			if outcome != hooks.Refused { // it was not asked
				t.hookSeconds.WithLabelValues(hook).Observe(took.Seconds())
			}
		},
		Told: func(events int, outcome hooks.Outcome, took time.Duration) {
			t.events.WithLabelValues(string(outcome)).Add(float64(events))
			t.hookSeconds.WithLabelValues("events").Observe(took.Seconds())
		},
		GivenUp: func(events int, why hooks.Reason) {
			t.givenUp.WithLabelValues(string(why)).Add(float64(events))
		},
	}
}

// certificateExpiry is until when a certificate is valid that the server shows.
type certificateExpiry struct {
	domain string // its first name
	at     time.Time
}

// watchHooks, watchTraces, watchFlight and watchCertificates say what is asked for the state of
// these when somebody looks. They are for before the server serves; what was not said
// has no figures, or zeros.
func (m *metrics) watchHooks(stats func() hooks.Stats)    { m.trust.state.hooks = stats }
func (m *metrics) watchTraces(stats func() tracing.Stats) { m.trust.state.traces = stats }
func (m *metrics) watchFlight(stats func() flight.Stats)  { m.trust.state.flight = stats }
func (m *metrics) watchCertificates(certificates func() []certificateExpiry) {
	m.trust.state.certificates = certificates
}

// trustCollector shows what others count by themselves, read when somebody asks.
type trustCollector struct {
	hooks        func() hooks.Stats
	traces       func() tracing.Stats
	certificates func() []certificateExpiry
	flight       func() flight.Stats
}

var (
	descHookRunning  = desc("hook_calls_running", "Questions to the application that are under way now, by hook.", "hook")
	descHookWaiting  = desc("hook_calls_waiting", "Questions to the application that wait for one of those to end, by hook.", "hook")
	descHookOpen     = desc("hook_breaker_open", "1 while the application is not asked because it has not answered, by hook.", "hook")
	descEventsQueued = desc("hook_events_queued", "Events that wait for being sent to the application, or are being sent.")
	descEventsBytes  = desc("hook_events_queued_bytes", "Bytes of the events that wait for being sent to the application, or are being sent.")
	descEventsDamped = desc("hook_events_damped", "Changes that wait a moment for being undone before the application is told.")
	descEventsGone   = desc("hook_events_gone", "1 once the application has answered 410 to events, so that none are sent any more.")
	descFlightEvents = desc("flight_events", "What is remembered of sessions, to explain what they were given: events kept now.")
	descFlightBytes  = desc("flight_bytes", "Memory taken for that, of flight.bytes.")
	descFlightGone   = desc("flight_evicted_total", "Events forgotten because flight.bytes was reached.")
	descFlightOldest = desc("flight_oldest_timestamp_seconds", "When the oldest event that is kept happened, in seconds since 1970, 0 if there is none.")
	descSpans        = desc("trace_spans_total", "Spans, by outcome: sent, dropped (too many waited), failed (the collector did not take them).", "outcome")
	descSpansQueued  = desc("trace_spans_queued", "Spans that wait for being sent to the collector, or are being sent.")
	descCertificate  = desc("tls_certificate_expiry_timestamp_seconds", "Until when the certificate is valid, in seconds since 1970, by its first name.", "domain")
)

// Describe implements prometheus.Collector.
func (c *trustCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descHookRunning, descHookWaiting, descHookOpen, descEventsQueued, descEventsBytes, descEventsDamped, descEventsGone, descSpans, descSpansQueued, descCertificate,
		descFlightEvents, descFlightBytes, descFlightGone, descFlightOldest,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *trustCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	var h hooks.Stats
	if c.hooks != nil {
		h = c.hooks()
	}
	for i, q := range []hooks.QuestionStats{h.Connect, h.Subscribe, h.Publish, h.RPC, h.SocketIO} {
		gauge(descHookRunning, float64(q.Running), hookNames[i])
		gauge(descHookWaiting, float64(q.Waiting), hookNames[i])
		gauge(descHookOpen, truth(q.Open), hookNames[i])
	}
	gauge(descEventsQueued, float64(h.Events.Queued))
	gauge(descEventsBytes, float64(h.Events.QueuedBytes))
	gauge(descEventsDamped, float64(h.Events.Damped))
	gauge(descEventsGone, truth(h.Events.Gone))

	var f flight.Stats
	if c.flight != nil {
		f = c.flight()
	}
	gauge(descFlightEvents, float64(f.Events))
	gauge(descFlightBytes, float64(f.Bytes))
	ch <- prometheus.MustNewConstMetric(descFlightGone, prometheus.CounterValue, float64(f.Evicted))
	oldest := 0.0
	if !f.Oldest.IsZero() {
		oldest = float64(f.Oldest.UnixMilli()) / 1000
	}
	gauge(descFlightOldest, oldest)

	var s tracing.Stats
	if c.traces != nil {
		s = c.traces()
	}
	for _, spans := range []struct {
		outcome string
		n       uint64
	}{{"sent", s.Sent}, {"dropped", s.Dropped}, {"failed", s.Failed}} {
		ch <- prometheus.MustNewConstMetric(descSpans, prometheus.CounterValue, float64(spans.n), spans.outcome)
	}
	gauge(descSpansQueued, float64(s.Queued))

	if c.certificates == nil {
		return
	}
	soonest := make(map[string]time.Time) // two certificates may have one first name
	for _, certificate := range c.certificates() {
		if at, ok := soonest[certificate.domain]; !ok || certificate.at.Before(at) {
			soonest[certificate.domain] = certificate.at
		}
	}
	for domain, at := range soonest {
		gauge(descCertificate, float64(at.Unix()), domain)
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
