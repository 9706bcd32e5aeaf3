package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/server/diskbroker"
)

// The buckets of syncs, in seconds: a fast disk takes a tenth of a millisecond, and one that is overloaded
// seconds.
var syncBuckets = []float64{.000_1, .000_25, .000_5, .001, .002_5, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// diskSyncs are how long it took to have something safe from a failure of the machine.
type diskSyncs struct {
	seconds prometheus.Histogram
	failed  prometheus.Counter
}

func newDiskSyncs() diskSyncs {
	return diskSyncs{
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "godwit_disk_sync_duration_seconds", Buckets: syncBuckets,
			Help: "Time that it took to have what was written to the data directory be safe from a failure of the machine.",
		}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "godwit_disk_sync_failures_total",
			Help: "Times that it could not be said that what was written to the data directory is safe.",
		}),
	}
}

func (d *diskSyncs) observe(took time.Duration, err error) {
	d.seconds.Observe(took.Seconds())
	if err != nil {
		d.failed.Inc()
	}
}

// diskCollector shows what the directory is.
type diskCollector struct{ server *Server }

var (
	descDiskBytes    = desc("disk_bytes", "Bytes in the data directory, by what they are: state, log.", "kind")
	descDiskRecords  = desc("disk_records_total", "Changes that were written to the log of the data directory.")
	descDiskWritten  = desc("disk_written_bytes_total", "Bytes that were written to the log of the data directory.")
	descDiskBatches  = desc("disk_batches_total", "Writes to the log of the data directory, in each of which many changes go together.")
	descDiskFailures = desc("disk_write_failures_total", "Writes to the data directory that have failed, by what: log (publishers were refused), state (the log becomes longer).", "kind")
	descDiskRefusing = desc("disk_refusing", "1 while publishers are refused because the data directory takes nothing.")
)

// watchDisk shows what is known of the data directory.
func (m *metrics) watchDisk(s *Server) {
	m.registry.MustRegister(s.diskSyncs.seconds, s.diskSyncs.failed, &diskCollector{s})
}

// Describe implements prometheus.Collector.
func (c *diskCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descDiskBytes, descDiskRecords, descDiskWritten, descDiskBatches, descDiskFailures, descDiskRefusing} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *diskCollector) Collect(ch chan<- prometheus.Metric) {
	var stats diskbroker.Stats
	if c.server.disk != nil {
		stats = c.server.disk.broker.DiskStats()
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(descDiskBytes, float64(stats.StateBytes), "state")
	gauge(descDiskBytes, float64(stats.LogBytes), "log")
	counter(descDiskRecords, stats.Records)
	counter(descDiskWritten, stats.Written)
	counter(descDiskBatches, stats.Batches)
	counter(descDiskFailures, stats.Failures, "log")
	counter(descDiskFailures, stats.Unwritten, "state")
	refusing := 0.0
	if stats.IsRefusing {
		refusing = 1
	}
	gauge(descDiskRefusing, refusing)
}
