package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/server/bridge/feed"
)

// bridgeCollector shows how the bridges of this node are.
type bridgeCollector struct{ reports func() []bridge.Report }

var (
	descBridgeState       = desc("bridge_state", "1 for the state of a bridge at this node: elsewhere, connecting, subscribing, live, away.", "bridge", "state")
	descBridgeMessages    = desc("bridge_messages_total", "Messages of the upstream of a bridge, by what became of them: published, duplicate, lost, answer, failure, ignored, binary, not_json, too_long, unusable, crowded.", "bridge", "outcome")
	descBridgeConnections = desc("bridge_connections_total", "Connections to the upstream of a bridge that this node has made.", "bridge")
	descBridgeGaps        = desc("bridge_gaps_total", "Publications of a bridge that say what may be missing.", "bridge")
	descBridgeLag         = desc("bridge_lag_seconds", "For how long the oldest publication of a bridge waits for the broker, 0 if none does.", "bridge")
	descBridgeSilence     = desc("bridge_silence_seconds", "Time since the upstream of a bridge sent something, 0 where the bridge is elsewhere.", "bridge")
)

// bridgeStates are all states of a bridge.
var bridgeStates = []feed.State{bridge.Elsewhere, feed.Connecting, feed.Subscribing, feed.Live, feed.Away}

// watchBridges shows how bridges are.
func (m *metrics) watchBridges(reports func() []bridge.Report) {
	m.registry.MustRegister(&bridgeCollector{reports})
}

// Describe implements prometheus.Collector.
func (c *bridgeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descBridgeState, descBridgeMessages, descBridgeConnections, descBridgeGaps, descBridgeLag, descBridgeSilence} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *bridgeCollector) Collect(ch chan<- prometheus.Metric) {
	for _, r := range c.reports() {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{r.Name}, labels...)...)
		}
		counter := func(d *prometheus.Desc, value uint64, labels ...string) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), append([]string{r.Name}, labels...)...)
		}
		for _, state := range bridgeStates {
			is := 0.0
			if r.State == state {
				is = 1
			}
			gauge(descBridgeState, is, string(state))
		}
		for _, o := range feed.Outcomes() {
			counter(descBridgeMessages, r.Messages[o], o.String())
		}
		counter(descBridgeConnections, r.Connections)
		counter(descBridgeGaps, r.Gaps)
		gauge(descBridgeLag, r.Lag.Seconds())
		gauge(descBridgeSilence, silence(&r).Seconds())
	}
}

// silence is for how long the upstream of a bridge has sent nothing.
func silence(r *bridge.Report) time.Duration {
	if !r.IsHere || r.Heard.IsZero() {
		return 0
	}
	return max(0, time.Since(r.Heard))
}
