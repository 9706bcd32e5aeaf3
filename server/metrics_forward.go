package server

import "github.com/prometheus/client_golang/prometheus"

// forwardCollector shows the requests handed on to other nodes and taken from them.
type forwardCollector struct{ server *Server }

var (
	descForwarded         = desc("forwarded_requests_total", "Requests for sessions on other nodes, by direction: out (handed on to the node that has the session), in (taken from another).", "direction")
	descForwardedFailures = desc("forwarded_failures_total", "Requests that were handed on and could not be answered by the node that has the session.")
	descForwardedRefusals = desc("forwarded_refusals_total", "Requests to the address for other nodes that did not show the token of this one.")
)

// watchForwards shows the requests handed on.
func (m *metrics) watchForwards(s *Server) { m.registry.MustRegister(&forwardCollector{s}) }

// Describe implements prometheus.Collector.
func (c *forwardCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- descForwarded
	ch <- descForwardedFailures
	ch <- descForwardedRefusals
}

// Collect implements prometheus.Collector.
func (c *forwardCollector) Collect(ch chan<- prometheus.Metric) {
	var handed, failed, taken, refused uint64
	if n := c.server.nodes; n != nil {
		handed, failed, _ = n.out.Counts()
		taken, refused = n.in.Counts()
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	counter(descForwarded, handed, "out")
	counter(descForwarded, taken, "in")
	counter(descForwardedFailures, failed)
	counter(descForwardedRefusals, refused)
}
