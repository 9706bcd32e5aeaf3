package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/hub/cluster"
)

// clusterCollector shows what this node knows of the others and of the broker.
type clusterCollector struct{ server *Server }

var (
	descClusterNodes      = desc("cluster_nodes", "Nodes that use the same broker and are alive, as this one sees them, itself among them.")
	descClusterLag        = desc("cluster_lag_seconds", "Time that a message of this node takes to the broker and back; while one is late, how late it is.")
	descClusterMessages   = desc("cluster_messages_total", "Messages between nodes, by direction: sent, received.", "direction")
	descClusterMalformed  = desc("cluster_messages_malformed_total", "Messages of other nodes that could not be read.")
	descClusterUnanswered = desc("cluster_unanswered_total", "Questions to other nodes that were not answered in time.")
	descBrokerAway        = desc("broker_away_seconds", "For how long the broker has been away, 0 while it can be used.")
)

// watchCluster shows what is known of other nodes.
func (m *metrics) watchCluster(s *Server) { m.registry.MustRegister(&clusterCollector{s}) }

// Describe implements prometheus.Collector.
func (c *clusterCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descClusterNodes, descClusterLag, descClusterMessages, descClusterMalformed, descClusterUnanswered, descBrokerAway,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *clusterCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	lasts, _ := c.server.away.lasts()
	gauge(descBrokerAway, lasts.Seconds())
	var stats cluster.Stats
	if n := c.server.node; n != nil {
		stats = n.Stats()
	}
	gauge(descClusterNodes, float64(1+stats.Peers))
	gauge(descClusterLag, stats.Lag.Seconds())
	counter(descClusterMessages, stats.Sent, "sent")
	counter(descClusterMessages, stats.Received, "received")
	counter(descClusterMalformed, stats.Malformed)
	counter(descClusterUnanswered, stats.Unanswered)
}
