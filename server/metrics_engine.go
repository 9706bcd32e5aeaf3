package server

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/engine"
)

// engineCollector shows what each event loop does, and the workers of handlers
// that block. Without an engine there is none.
type engineCollector struct {
	loops  func() []engine.Stats
	shared func() engine.SharedStats
}

// panics is how many callbacks of loops have panicked.
func (c *engineCollector) panics() (n uint64) {
	if c == nil {
		return 0
	}
	for _, s := range c.loops() {
		n += s.Panics
	}
	return n
}

// engineMetrics are the figures of a loop.
var engineMetrics = []struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(*engine.Stats) float64
}{
	{desc("loop_connections", "Connections of an event loop now.", "loop"), prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.Conns) }},
	{desc("loop_queue_bytes", "Bytes that wait for clients of an event loop that do not keep up.", "loop"), prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return float64(s.QueueBytes) }},
	{desc("loop_busy_seconds_total", "Time in which an event loop did something else than wait. At one second a second it has no room left.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return s.Busy.Seconds() }},
	{desc("loop_stalls_total", "Callbacks that held up an event loop for more than a second. The log names them.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.Stalls) }},
	{desc("loop_lag_seconds", "The longest that anything had to wait for an event loop in the last 15 to 30 seconds.", "loop"), prometheus.GaugeValue,
		func(s *engine.Stats) float64 { return s.Lag.Seconds() }},
	{desc("loop_shed_total", "Requests refused with 503 because every event loop was too far behind.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.Shed) }},
	{desc("loop_messages_received_total", "Messages of clients.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.MessagesIn) }},
	{desc("loop_messages_sent_total", "Messages to clients.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.MessagesOut) }},
	{desc("loop_received_bytes_total", "Bytes that an event loop read.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.BytesIn) }},
	{desc("loop_sent_bytes_total", "Bytes that an event loop wrote.", "loop"), prometheus.CounterValue,
		func(s *engine.Stats) float64 { return float64(s.BytesOut) }},
}

// workerMetrics are the figures of the workers, which the loops share.
var workerMetrics = []struct {
	desc  *prometheus.Desc
	typ   prometheus.ValueType
	value func(*engine.WorkerStats) float64
}{
	{desc("workers", "Calls of handlers that block which may run at the same time."), prometheus.GaugeValue,
		func(w *engine.WorkerStats) float64 { return float64(w.Workers) }},
	{desc("worker_calls_running", "Calls of handlers that block which run now."), prometheus.GaugeValue,
		func(w *engine.WorkerStats) float64 { return float64(w.Busy) }},
	{desc("worker_calls_waiting", "Calls of handlers that block which wait for a worker now."), prometheus.GaugeValue,
		func(w *engine.WorkerStats) float64 { return float64(w.Waiting) }},
	{desc("worker_oldest_wait_seconds", "How long the call that waits longest has waited for a worker."), prometheus.GaugeValue,
		func(w *engine.WorkerStats) float64 { return w.Oldest.Seconds() }},
	{desc("worker_calls_total", "Calls of handlers that block which have begun."), prometheus.CounterValue,
		func(w *engine.WorkerStats) float64 { return float64(w.Calls) }},
	{desc("worker_busy_seconds_total", "Time of all calls of handlers that block together. At as many seconds a second as there are workers, calls wait."), prometheus.CounterValue,
		func(w *engine.WorkerStats) float64 { return w.CallTime.Seconds() }},
	{desc("worker_wait_seconds_total", "Time that all calls of handlers that block together have waited for a worker before they began."), prometheus.CounterValue,
		func(w *engine.WorkerStats) float64 { return w.WaitTime.Seconds() }},
}

// Describe implements prometheus.Collector.
func (c *engineCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range engineMetrics {
		ch <- m.desc
	}
	for _, m := range workerMetrics {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *engineCollector) Collect(ch chan<- prometheus.Metric) {
	for i, s := range c.loops() {
		loop := strconv.Itoa(i)
		for _, m := range engineMetrics {
			ch <- prometheus.MustNewConstMetric(m.desc, m.typ, m.value(&s), loop)
		}
	}
	workers := c.shared().Workers
	for _, m := range workerMetrics {
		ch <- prometheus.MustNewConstMetric(m.desc, m.typ, m.value(&workers))
	}
}
