package loadgen

import (
	"strings"
	"testing"
	"time"
)

// What kept the figures from being better, and how it is said.
func TestVerdicts(t *testing.T) {
	echo := func(change func(*Report)) *Report {
		r := &Report{
			Kind: KindEcho, Seconds: 10, Load: Load{Connections: 100, Size: 128, Window: 1}, Connections: Population{100, 100, 100, 1},
			Messages: &Messages{PerSecond: 85_120}, Latency: &Latency{Count: 1, P99: 2.1, Max: 300}, Own: Generator{Share: 0.5, Processors: 2, Machine: 0.5},
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
		{echo(func(r *Report) { r.Server, r.Own.Others, r.Own.Machine = &Server{Cores: 0.4, CoresMax: 1}, 0.6, 0.95 }), LimitOthers,
			"with p99 2.10 ms. Other programs used 60 % of this machine meanwhile, so neither the server nor the generator had what it needs."},
		{echo(func(r *Report) { r.Server, r.Own.Machine = &Server{Cores: 0.9, CoresMax: 2, Local: true}, 0.95 }), LimitMachine,
			"; server and generator share the processors and used them up (0.90 cores and 1.00 core)."},
		{echo(func(r *Report) { r.Server, r.Own.Machine = &Server{Cores: 0.9, CoresMax: 2}, 0.95 }), LimitMachine, // it is elsewhere
			"; the processors of this machine were used up, to 1.00 core by the generator."},
		{echo(func(r *Report) { r.Own.Machine = 0.95 }), LimitMachine, "; the processors of this machine were used up, to 1.00 core by the generator."},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 1.0, CoresMax: 2, BusiestThread: 0.97}, 0.1 }), LimitServer, "; the limit is one of its threads, which used 97 % of a processor."},
		// One core of two is its limit only if it can use no other.
		{echo(func(r *Report) {
			r.Server, r.Own.Share = &Server{Cores: 1.0, CoresMax: 2, BusiestThread: 0.6, Local: true}, 0.1
		}), LimitUnknown, ". The limit is not CPU: the server used 1.00 core and the generator 10 % of its own; more connections"},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 1.0}, 0.1 }), LimitUnknown, ". What the limit is is not known, as it is not known how many processors the server may use: the server used 1.00 core and"},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 0.2, CoresMax: 2}, 0.1 }), LimitUnknown, ". The limit is not CPU: the server used 0.20 cores and the generator 10 % of its own; more connections or a larger window would ask for more."},
		{echo(func(r *Report) { r.Kind, r.Server, r.Own.Share = KindPublish, &Server{Cores: 0.2, CoresMax: 2}, 0.1 }), LimitUnknown, "generator 10 % of its own; more connections would ask for more."},
		// At 89 % of the machine nobody knows, and neither does the verdict.
		{echo(func(r *Report) { r.Server, r.Own.Machine = &Server{Cores: 1.1, CoresMax: 2, Local: true}, 0.89 }), LimitUnknown, ". What the limit is cannot be said: the server used 1.10 cores and the generator 50 % of its own, which is neither little nor all."},
		{echo(func(r *Report) { r.Server, r.Own.Share = &Server{Cores: 0.85, CoresMax: 1}, 0.1 }), LimitUnknown, ". What the limit is cannot be said: the server used 0.85 cores"},
		{echo(func(r *Report) {
			r.Server, r.Own.Others, r.Own.Machine = &Server{Cores: 0.3, CoresMax: 2, Local: true}, 0.4, 0.6
		}), LimitUnknown, ". What the limit is cannot be said: the server used 0.30 cores, the generator 50 % of its own, and other programs 40 % of this machine, which"},
		{echo(func(r *Report) {
			r.Kind, r.Server, r.Publishing, r.Own.Share = KindSSE, &Server{Cores: 0.3, CoresMax: 2, Local: true}, &Publishing{Busy: 0.97}, 0.1
		}), LimitPublisher, "to 100 streams, with p99 2.10 ms. The publisher waited for answers to its own requests 97 % of the time, so more publishers would ask for more."},
		{echo(func(*Report) {}), LimitUnknown, ". What the limit is is not known without the server's CPU: give its process ID or its metrics."},
		{echo(func(r *Report) { r.Load.Rate = 85_000 }), LimitLoad, "This server keeps up with 85,000 messages of 128 bytes a second on 100 connections with p99 2.10 ms."},
		{echo(func(r *Report) { r.Load.Rate, r.Own.Lateness = 85_000, &Latency{P99: 1.5} }), LimitLoad, "with p99 2.10 ms. The generator was late itself (p99 1.50 ms), so the server's latency is lower than this."},
		{echo(func(r *Report) { r.Load.Rate, r.Server = 100_000, &Server{Cores: 1.96, CoresMax: 2} }), LimitServer,
			"This server does not keep up with 100,000 messages of 128 bytes a second on 100 connections: it answers 85,120, and messages wait up to 300 ms; the limit is its CPU (1.96 cores)."},
		{echo(func(r *Report) { r.Latency = nil; r.Errors = []ErrorCount{{Kind: "no answer in time", Count: 1}} }), LimitUnknown, "No message was answered. One error: no answer in time."},
		{echo(func(r *Report) {
			r.Load.Rate, r.Connections.AtEnd, r.Own.Others, r.Own.Machine = 100_000, 40, 0.6, 0.95
		}), LimitLost, "it answers 85,120, and messages wait up to 300 ms. 60 of 100 connections were lost meanwhile."},
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
		{echo(func(r *Report) { r.Kind, r.Latency, r.Server = KindConnections, nil, &Server{PerConnection: 7110.4} }), LimitLoad, "This server holds 100 idle connections with 7,110 bytes of memory for each."},
		{echo(func(r *Report) {
			r.Kind, r.Latency, r.Server = KindConnections, nil, &Server{MemoryUnknown: "it is warm"}
		}), LimitLoad, "This server holds 100 idle connections. What memory they cost cannot be said: it is warm."},
		{echo(func(r *Report) { r.Kind = KindPublish }), LimitUnknown, "This server takes 85,120 requests with 128 bytes a second on 100 connections with p99 2.10 ms."},
		{echo(func(r *Report) { r.Kind, r.Load.Rate = KindPublish, 85_000 }), LimitLoad, "This server keeps up with 85,000 requests with 128 bytes a second on 100 connections with p99 2.10 ms."},
		{echo(func(r *Report) { r.Kind, r.Load.Rate = KindPublish, 100_000 }), LimitUnknown, "This server does not keep up with 100,000 requests with 128 bytes a second on 100 connections: it takes 85,120, and they wait up to 300 ms."},
		{echo(func(r *Report) { r.Kind, r.Latency = KindPublish, nil }), LimitUnknown, "No request was taken."},
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
	for v, want := range map[Millis]string{0.0004: "0 µs", 0.5: "500 µs", 1: "1.00 ms", 12.34: "12.3 ms", 123.4: "123 ms", 1234: "1.23 s", 12345: "12.3 s", 0.99951: "1.00 ms", 9.996: "10.0 ms", 99.96: "100 ms", 999.7: "1.00 s", 9996: "10.0 s"} {
		if got := v.String(); got != want {
			t.Errorf("%v is %s, want %s", float64(v), got, want)
		}
	}
}

// What a connection costs is said only when the server grew by it.
func TestGrowth(t *testing.T) {
	for name, c := range map[string]struct {
		before    int64
		half, end peopled
		each      float64
		why       string
		larger    int64 // it had been, before
	}{
		"even":            {20 << 20, peopled{500, 25 << 20}, peopled{1000, 30 << 20}, 10 << 20 / 1000.0, "", 0},
		"first more":      {20 << 20, peopled{500, 29 << 20}, peopled{1000, 30 << 20}, 10 << 20 / 1000.0, "", 0},
		"no half":         {20 << 20, peopled{}, peopled{1000, 30 << 20}, 10 << 20 / 1000.0, "", 0},
		"half is late":    {20 << 20, peopled{900, 20 << 20}, peopled{1000, 30 << 20}, 10 << 20 / 1000.0, "", 0},
		"warm":            {20 << 20, peopled{500, 20 << 20}, peopled{1000, 20<<20 + 8000}, 0, "the server grew by 7.8 KiB only with 1,000 connections, so they fit into what it had from before", 0},
		"shrinking":       {20 << 20, peopled{500, 19 << 20}, peopled{1000, 18 << 20}, 0, "the server did not grow with 1,000 connections", 0},
		"half warm":       {20 << 20, peopled{500, 20<<20 + 5120}, peopled{1000, 30 << 20}, 0, "the server grew by 10 B for each of the first 500, and by 20 KiB for each of the others", 0},
		"too few":         {20 << 20, peopled{5, 20<<20 + 50_000}, peopled{10, 20<<20 + 100_000}, 0, "or are too few", 0},
		"too little each": {20 << 20, peopled{50_000, 20<<20 + 1<<20}, peopled{100_000, 20<<20 + 2<<20}, 0, "the server grew by 2.0 MiB only", 0},
		"not said":        {0, peopled{}, peopled{10, 0}, 0, "does not say", 0},
		"nobody":          {20 << 20, peopled{500, 25 << 20}, peopled{0, 30 << 20}, 0, "none of them was left", 0},
		"peak is near":    {20 << 20, peopled{500, 25 << 20}, peopled{1000, 30 << 20}, 10 << 20 / 1000.0, "", 1 << 20},
		"was larger":      {20 << 20, peopled{500, 25 << 20}, peopled{1000, 30 << 20}, 0, "the server grew by 10 MiB with 1,000 connections, but had been larger by 2.0 MiB before", 2 << 20},
	} {
		if each, why := growth(c.before, c.before+c.larger, c.half, c.end); each != c.each || !strings.Contains(why, c.why) || c.why == "" && why != "" {
			t.Errorf("%s: %v, %q", name, each, why)
		}
	}
}

func TestBusiest(t *testing.T) {
	const s = time.Second
	if got := busiest([2]map[int]time.Duration{{1: 5 * s, 2: s, 3: 0}, {1: 6 * s, 2: 10 * s, 4: 100 * s}}, 10); got != 0.9 {
		t.Errorf("%v, want that of thread 2", got)
	}
	if got := busiest([2]map[int]time.Duration{}, 10); got != 0 {
		t.Errorf("%v", got)
	}
}
