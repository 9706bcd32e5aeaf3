package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/engine"
)

// engineCollector shows what each event loop does. Without an engine there is
// none.
type engineCollector struct{ stats func() []engine.Stats }

// engineMetrics are the figures of a loop.
var engineMetrics = []struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(*engine.Stats) float64
}{
	{desc("loop_connections", "WebSockets of an event loop now.", "loop"), prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.Conns) }},
	{desc("loop_queue_bytes", "Bytes that wait for clients of an event loop that do not keep up.", "loop"), prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.QueueBytes) }},
	{desc("loop_busy_seconds_total", "Time in which an event loop did something else than wait. At one second a second it has no room left.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return s.Busy.Seconds() }},
	{desc("loop_stalls_total", "Callbacks that held up an event loop for more than a second. The log names them.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.Stalls) }},
	{desc("loop_messages_received_total", "Messages of clients.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.MessagesIn) }},
	{desc("loop_messages_sent_total", "Messages to clients.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.MessagesOut) }},
	{desc("loop_received_bytes_total", "Bytes read from WebSockets.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.BytesIn) }},
	{desc("loop_sent_bytes_total", "Bytes written to WebSockets.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.BytesOut) }},
}

// Describe implements prometheus.Collector.
func (c *engineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range engineMetrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *engineCollector) Collect(ch chan<- prometheus.Metric) {
	for i, s := range c.stats() {
		loop := strconv.Itoa(i)
		for _, m := range engineMetrics {
			ch <- prometheus.MustNewConstMetric(m.desc, m.typ, m.value(&s), loop)
		}
	}
}
