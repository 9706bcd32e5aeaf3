package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/hub/cluster/roster"
)

// presenceCollector shows what nodes say to each other of members.
type presenceCollector struct{ server *Server }

var (
	descPresenceChannels = desc("presence_channels", "Channels of which this node keeps who is in them through other nodes.")
	descPresenceChanges  = desc("presence_changes_total", "Changes of the members of a channel, by direction: sent to other nodes, applied here.", "direction")
	descPresenceMissed   = desc("presence_missed_total", "Changes of other nodes that did not follow the one before them: their members were asked for again.")
	descPresenceLists    = desc("presence_lists_total", "Lists of the members that another node has in a channel which were read.")
)

// watchPresence shows what is said of members.
func (m *metrics) watchPresence(s *Server) { m.registry.MustRegister(&presenceCollector{s}) }

// Describe implements prometheus.Collector.
func (c *presenceCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPresenceChannels, descPresenceChanges, descPresenceMissed, descPresenceLists} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *presenceCollector) Collect(ch chan<- prometheus.Metric) {
	var stats roster.Stats
	if r := c.server.roster.Load(); r != nil {
		stats = r.Stats()
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	ch <- prometheus.MustNewConstMetric(descPresenceChannels, prometheus.GaugeValue, float64(stats.Channels))
	counter(descPresenceChanges, stats.Sent, "sent")
	counter(descPresenceChanges, stats.Heard, "applied")
	counter(descPresenceMissed, stats.Missed)
	counter(descPresenceLists, stats.Loaded)
}
