package server

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// callMetrics count calls of methods.
type callMetrics struct {
	total   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// answerers are labels. All handlers of this server are the application's.
var answerers = map[hub.Answerer]string{hub.NoAnswerer: "none", hub.HandlerAnswerer: "webhook", hub.SessionAnswerer: "session"}

// The outcomes of calls, as labels.
const (
	callAnswered = "answered"
	callError    = "error"
	callFailed   = "failed"
)

// callOutcomes are what the outcomes of calls are called that have an error of their own.
var callOutcomes = []struct {
	err  error
	name string
}{
	{hub.ErrNoMethod, "no_method"},
	{hub.ErrCallTimeout, "timeout"},
	{hub.ErrCanceled, "canceled"},
	{hub.ErrCallerGone, "canceled"},
	{hub.ErrTooManyCalls, "refused"},
	{hub.ErrAnswererGone, "answerer_gone"},
}

func newCallMetrics() callMetrics {
	m := callMetrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_rpc_calls_total",
			Help: "Calls of methods, by answerer (webhook, session, none) and outcome: answered, error (the answerer's own), failed, no_method, timeout, canceled, refused (a bound was reached, or the application was not asked), answerer_gone.",
		}, []string{"answerer", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "godwit_rpc_call_duration_seconds", Buckets: latencyBuckets,
			Help: "Time from a call that was answered until its answer, by answerer.",
		}, []string{"answerer"}),
	}
	for _, by := range []hub.Answerer{hub.HandlerAnswerer, hub.SessionAnswerer} {
		m.seconds.WithLabelValues(answerers[by])
		for _, outcome := range []string{callAnswered, callError, callFailed, "timeout", "canceled", "refused"} {
			m.total.WithLabelValues(answerers[by], outcome)
		}
	}
	m.total.WithLabelValues(answerers[hub.SessionAnswerer], "answerer_gone")
	m.total.WithLabelValues(answerers[hub.NoAnswerer], "no_method")
	m.total.WithLabelValues(answerers[hub.NoAnswerer], "refused")
	return m
}

// called counts a call: hub.Observer.Called.
func (m *metrics) called(by hub.Answerer, err error, took time.Duration) {
	outcome := callOutcome(err)
	m.calls.total.WithLabelValues(answerers[by], outcome).Inc()
	if outcome == callAnswered || outcome == callError {
		m.calls.seconds.WithLabelValues(answerers[by]).Observe(took.Seconds())
	}
}

func callOutcome(err error) string {
	var answered *hub.CallError
	var refused *access.Refusal
	switch {
	case err == nil:
		return callAnswered
	case errors.As(err, &answered):
		return callError
	case errors.As(err, &refused):
		return "refused"
	}
	for _, o := range callOutcomes {
		if errors.Is(err, o.err) {
			return o.name
		}
	}
	return callFailed
}
