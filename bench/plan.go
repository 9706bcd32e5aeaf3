package main

import (
	"fmt"
	"strconv"

	"github.com/godwit-io/godwit/loadgen"
)

// experiment is one load, which every contender gets in turn.
type experiment struct {
	title   string
	kind    string   // of godwit bench
	load    []string // its arguments
	columns []column
}

// column is a figure of a report. Ratios are to the base's in the same round.
type column struct {
	name   string
	format string
	of     func(*loadgen.Report) float64
}

var (
	cpu        = column{"CPU, µs each", "%.2f", func(r *loadgen.Report) float64 { return r.Server.CPUPerItem }}
	throughput = column{"a second", "%.0f", func(r *loadgen.Report) float64 { return r.Messages.PerSecond }}
	p99        = column{"p99, ms", "%.2f", func(r *loadgen.Report) float64 { return float64(r.Latency.P99) }}
	memory     = column{"bytes each", "%.0f", func(r *loadgen.Report) float64 { return r.Server.PerConnection }}
)

// settings are what the flags say.
type settings struct {
	sizes, subscribers   []int
	conns, idle, seconds int
}

// experiments are all that there are, in the order of the tables.
func (s settings) experiments() []experiment {
	seconds := []string{"--duration", fmt.Sprintf("%ds", s.seconds), "--warmup", "1s"}
	with := func(args ...string) []string { return append(args, seconds...) }
	var list []experiment
	for _, size := range s.sizes {
		list = append(list, experiment{fmt.Sprintf("Echo, %d bytes, %d connections", size, s.conns), "echo",
			with("--binary", "--size", strconv.Itoa(size), "--connections", strconv.Itoa(s.conns)), []column{cpu, p99, throughput}})
	}
	list = append(list, experiment{fmt.Sprintf("Echo, 125 bytes, %d connections", 10*s.conns), "echo",
		with("--binary", "--size", "125", "--connections", strconv.Itoa(10*s.conns)), []column{cpu, p99, throughput}})
	for _, n := range s.subscribers {
		list = append(list, experiment{fmt.Sprintf("Fan-out, 63 bytes, window 64, %d subscribers", n), "fanout",
			with("--size", "63", "--window", "64", "--connections", strconv.Itoa(n)), []column{cpu, p99, throughput}})
	}
	return append(list,
		experiment{"Opening handshakes", "handshakes", with("--connections", strconv.Itoa(s.conns)), []column{cpu, p99, throughput}},
		experiment{fmt.Sprintf("Memory of %d idle connections", s.idle), "connections", []string{"--connections", strconv.Itoa(s.idle), "--hold", "3s"}, []column{memory}},
	)
}
