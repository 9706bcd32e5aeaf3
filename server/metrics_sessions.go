package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/transport"
)

// sessionMetrics count what becomes of sessions of /connect.
type sessionMetrics struct {
	resumes *prometheus.CounterVec
	inbox   prometheus.Counter
}

func newSessionMetrics() sessionMetrics {
	m := sessionMetrics{
		resumes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "godwit_session_resumes_total",
			Help: "Clients that wanted to go on with a session of /connect, by outcome: resumed, taken-over (it had another connection still), unknown (a new one begins).",
		}, []string{"outcome"}),
		inbox: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_session_inbox_refusals_total",
			Help: "Requests with commands for a session of /connect that were refused, as too many wait to be dealt with.",
		}),
	}
	for _, how := range []transport.Resumption{transport.SessionResumed, transport.SessionTakenOver, transport.SessionUnknown} {
		m.resumes.WithLabelValues(string(how))
	}
	return m
}

func (m *sessionMetrics) resumed(how transport.Resumption) {
	m.resumes.WithLabelValues(string(how)).Inc()
}

var descSessionStates = desc("sessions", "Sessions of /connect now, by state: attached to a connection, or waiting for their clients, also between two polls.", "state")

// sessionStates shows how many sessions wait for their clients.
type sessionStates struct {
	counts func() (attached, waiting int)
}

// Describe implements prometheus.Collector.
func (c *sessionStates) Describe(ch chan<- *prometheus.Desc) { ch <- descSessionStates }

// Collect implements prometheus.Collector.
func (c *sessionStates) Collect(ch chan<- prometheus.Metric) {
	attached, waiting := c.counts()
	ch <- prometheus.MustNewConstMetric(descSessionStates, prometheus.GaugeValue, float64(attached), stateAttached)
	ch <- prometheus.MustNewConstMetric(descSessionStates, prometheus.GaugeValue, float64(waiting), stateWaiting)
}

// The states, as labels.
const (
	stateAttached = "attached"
	stateWaiting  = "waiting"
)

func (m *metrics) watchSessions(counts func() (attached, waiting int)) {
	m.registry.MustRegister(&sessionStates{counts})
}
