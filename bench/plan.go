package main

import (
	"fmt"
	"strconv"

	"github.com/godwit-io/godwit/loadgen"
)

// experiment is one load, which every contender gets in turn.
type experiment struct {
	title   string
	group   string   // what -only selects
	server  string   // the kind of server
	kind    string   // of godwit bench
	load    []string // its arguments
	columns []column
	once    bool // one round says it all
	shared  bool // the server shares its processor with programs that never wait
}

// column is a figure of a report. Ratios are to the base's in the same round.
type column struct {
	name   string
	format string
	of     func(*loadgen.Report) float64
}

var (
	cpu        = column{"CPU, µs each", "%.3g", func(r *loadgen.Report) float64 { return r.Server.CPUPerItem }}
	throughput = column{"a second", "%.0f", func(r *loadgen.Report) float64 { return r.Messages.PerSecond }}
	p99        = column{"p99, ms", "%.2f", func(r *loadgen.Report) float64 { return float64(r.Latency.P99) }}
	memory     = column{"bytes each", "%.0f", func(r *loadgen.Report) float64 { return r.Server.PerConnection }}
)

// groups are what -only takes.
var groups = []string{"echo", "deflate", "fanout", "handshakes", "connections"}

// settings are what the flags say.
type settings struct {
	sizes, deflated, subscribers []int
	conns, idle                  int
	seconds                      float64
}

// experiments are all that there are, in the order of the tables.
func (s settings) experiments() []experiment {
	messages := []column{cpu, p99, throughput}
	with := func(args ...string) []string {
		return append(args, "--duration", fmt.Sprintf("%gs", s.seconds), "--warmup", "500ms")
	}
	conns, many := strconv.Itoa(s.conns), strconv.Itoa(10*s.conns)
	var list []experiment
	for _, size := range s.sizes {
		list = append(list, experiment{title: fmt.Sprintf("Echo, %d bytes, %s connections", size, conns), group: "echo", server: kindEcho, kind: "echo",
			load: with("--binary", "--size", strconv.Itoa(size), "--connections", conns), columns: messages})
	}
	list = append(list, experiment{title: fmt.Sprintf("Echo, 125 bytes, %s connections", many), group: "echo", server: kindEcho, kind: "echo",
		load: with("--binary", "--size", "125", "--connections", many), columns: messages})
	for _, size := range s.deflated {
		list = append(list, experiment{title: fmt.Sprintf("Echo with permessage-deflate, %d bytes, %s connections", size, conns), group: "deflate", server: kindDeflate, kind: "echo",
			load: with("--compress", "--binary", "--size", strconv.Itoa(size), "--connections", conns), columns: messages})
	}
	for _, n := range s.subscribers {
		list = append(list, experiment{title: fmt.Sprintf("Fan-out, 63 bytes, window 64, %d subscribers", n), group: "fanout", server: kindFanout, kind: "fanout",
			load: with("--size", "63", "--window", "64", "--connections", strconv.Itoa(n)), columns: messages})
	}
	return append(list,
		experiment{title: "Opening handshakes, the server with about a fifth of a processor", group: "handshakes", server: kindEcho, kind: "handshakes",
			load: with("--connections", conns), columns: []column{cpu, throughput}, shared: true},
		experiment{title: fmt.Sprintf("Memory of %d idle connections", s.idle), group: "connections", server: kindEcho, kind: "connections",
			load: []string{"--connections", strconv.Itoa(s.idle), "--hold", "2s"}, columns: []column{memory}, once: true},
	)
}
