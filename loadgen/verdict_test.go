package loadgen

import (
	"strings"
	"testing"
)

// What kept the figures from being better, and how it is said.
func TestVerdicts(t *testing.T) {
	echo := func(change func(*Report)) *Report {
		r := &Report{
			Kind: KindEcho, Seconds: 10, Load: Load{Connections: 100, Size: 128, Window: 1}, Connections: Population{100, 100, 100, 1},
			Messages: &Messages{PerSecond: 85_120}, Latency: &Latency{Count: 1, P99: 2.1, Max: 300}, Own: Generator{Share: 0.5, Processors: 2},
		}
		change(r)
		return r
	}
	for _, c := range []struct {
		r     *Report
		limit Limit
		want  string
	}{
		{echo(func(r *Report) { r.Server = &Server{Cores: 0.98, CoresMax: 1} }), LimitServer,
			"This server answers 85,120 messages of 128 bytes a second on 100 connections with p99 2.10 ms; the limit is its CPU (0.98 cores)."},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 0.4, CoresMax: 1}, 0.97 }), LimitGenerator,
			"with p99 2.10 ms. The generator was the limit (97 % of its CPU), so the server can do more than this."},
		{echo(func(r *Report) { r.Server, r.Own.Others = &Server{Cores: 0.4, CoresMax: 1}, 0.6 }), LimitOthers,
			"with p99 2.10 ms. Other programs used 60 % of this machine meanwhile, so neither the server nor the generator had what it needs."},
		{echo(func(r *Report) { r.Server = &Server{Cores: 1000, CoresMax: 2000} }), LimitMachine,
			"; server and generator share the processors and used them up (1000.00 cores and 1.00 core)."},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 1.0}, 0.1 }), LimitServer, "; the limit is its CPU (1.00 core)."},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 0.2}, 0.1 }), LimitUnknown, ". The limit is not CPU: the server used 0.20 cores and the generator 10 % of its own; more connections"},
		{echo(func(*Report) {}), LimitUnknown, ". What the limit is is not known without the server's CPU: give its process ID or its metrics."},
		{echo(func(r *Report) { r.Load.Rate = 85_000 }), LimitLoad, "This server keeps up with 85,000 messages of 128 bytes a second on 100 connections with p99 2.10 ms."},
		{echo(func(r *Report) { r.Load.Rate, r.Own.Lateness = 85_000, &Latency{P99: 1.5} }), LimitLoad, "with p99 2.10 ms. The generator was late itself (p99 1.50 ms), so the server's latency is lower than this."},
		{echo(func(r *Report) { r.Load.Rate, r.Server = 100_000, &Server{Cores: 1.96, CoresMax: 2} }), LimitServer,
			"This server does not keep up with 100,000 messages of 128 bytes a second on 100 connections: it answers 85,120, and messages wait up to 300 ms; the limit is its CPU (1.96 cores)."},
		{echo(func(r *Report) { r.Latency = nil; r.Errors = []ErrorCount{{Kind: "no answer in time", Count: 1}} }), LimitUnknown, "No message was answered. One error: no answer in time."},
		{echo(func(r *Report) { r.Load.Rate, r.Connections.AtEnd, r.Own.Others = 100_000, 40, 0.6 }), LimitLost, "it answers 85,120, and messages wait up to 300 ms. 60 of 100 connections were lost meanwhile."},
		{echo(func(r *Report) { r.Connections.Opened, r.Connections.AtEnd = 50, 50 }), LimitRefused, "on 50 connections with p99 2.10 ms. It took 50 of the 100 connections that were wanted."},
		{echo(func(r *Report) { r.Load.Rate, r.Connections.Opened, r.Connections.AtEnd = 85_000, 50, 50 }), LimitRefused, "keeps up with 85,000 messages of 128 bytes a second on 50 connections with p99 2.10 ms. It took 50 of the 100 connections that were wanted."},
		{echo(func(r *Report) { r.Latency, r.Messages.Received = nil, 5 }), LimitUnknown, "No answer was right."},
		{echo(func(r *Report) { r.Seconds, r.Interrupted, r.Messages, r.Latency = 0, true, nil, nil }), LimitUnknown, "The run was interrupted before anything was measured."},
		{echo(func(r *Report) { r.Kind, r.Latency, r.Connections.AtEnd = KindConnections, nil, 30 }), LimitLost, "Of 100 idle connections this server kept 30."},
		{echo(func(r *Report) { r.Kind, r.Rounds = KindStorm, []Round{{Back: 100, AllBack: 1200}} }), LimitUnknown, "After 100 clients were dropped at once, all were back within 1.20 s."},
		{echo(func(r *Report) { r.Kind, r.Messages.PerSecond = KindFanout, 850_000 }), LimitUnknown,
			"This server delivers 850,000 messages a second: 8,500 of 128 bytes to 100 subscribers, with p99 2.10 ms."},
		{echo(func(r *Report) { r.Kind, r.Messages.PerSecond, r.Load.Rate = KindFanout, 4000, 50 }), LimitUnknown,
			"This server does not hold 100 subscribers at 50 messages a second: each gets 40, and deliveries are up to 300 ms late."},
		{echo(func(r *Report) { r.Kind, r.Latency = KindFanout, nil }), LimitUnknown, "No publication was delivered."},
		{echo(func(r *Report) { r.Kind, r.Messages.PerSecond = KindHandshakes, 9000 }), LimitUnknown, "This server opens 9,000 connections a second, 100 at once, with p99 2.10 ms."},
		{echo(func(r *Report) { r.Kind, r.Load.Rate, r.Messages.PerSecond = KindHandshakes, 50, 50 }), LimitLoad, "This server keeps up with 50 new connections a second with p99 2.10 ms."},
		{echo(func(r *Report) { r.Kind, r.Latency = KindHandshakes, nil }), LimitUnknown, "No connection was opened."},
		{echo(func(r *Report) { r.Kind, r.Latency = KindConnections, nil }), LimitLoad, "This server holds 100 idle connections. What memory they cost is not known without the server's process ID or its metrics."},
		{echo(func(r *Report) {
			r.Kind, r.Rounds, r.Load.SpreadSeconds = KindStorm, []Round{{Back: 100, AllBack: 1200}, {Back: 100, AllBack: 900}}, 10
		}), LimitUnknown, "After 100 clients were dropped at once, coming back over 10.0 s, all were back within 1.20 s in each of 2 rounds."},
		{echo(func(r *Report) {
			r.Kind, r.Rounds, r.Interrupted, r.Errors = KindStorm, []Round{{Back: 10}}, true, []ErrorCount{{Kind: "a", Count: 3}, {Kind: "b", Count: 2}}
		}), LimitUnknown, "The storm of 100 clients was cut short. 5 errors, most of them: a."},
	} {
		judge(c.r)
		if c.r.Limit != c.limit || !strings.Contains(c.r.Verdict, c.want) {
			t.Errorf("%s: %s\nwant %s: %s", c.r.Limit, c.r.Verdict, c.limit, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.5: "0.5", 12.34: "12.3", 99.99: "100", 100: "100", 999.6: "1,000", 1000: "1,000", 1234567: "1,234,567", -5000: "-5,000"} {
		if got := Count(v); got != want {
			t.Errorf("Count(%v) is %s, want %s", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10240: "10 KiB", 1 << 20: "1.0 MiB", 1 << 30: "1024 MiB", 1e11: "93.1 GiB", -2048: "-2.0 KiB"} {
		if got := Bytes(v); got != want {
			t.Errorf("Bytes(%v) is %s, want %s", v, got, want)
		}
	}
	for v, want := range map[Millis]string{0.0004: "0 µs", 0.5: "500 µs", 1: "1.00 ms", 12.34: "12.3 ms", 123.4: "123 ms", 1234: "1.23 s", 12345: "12.3 s"} {
		if got := v.String(); got != want {
			t.Errorf("%v is %s, want %s", float64(v), got, want)
		}
	}
}
