package loadgen

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// A measurement is cut into about samplesAbout stretches: not shorter than
// tickMin, and not longer than tickMax unless there were more than samplesMax.
const (
	tickMin      = 100 * time.Millisecond
	tickMax      = 2 * time.Second
	samplesAbout = 80
	samplesMax   = 2000
)

func tickOf(d time.Duration) time.Duration {
	return max(min(d/samplesAbout, tickMax), tickMin, d/samplesMax)
}

// run is one run of a kind of load.
//
//	try one ─ open all ─ warm up ─ measure ──────────── drain ─ close
//	                              ▲ from   ▲▲▲ samples ▲ until
type run struct {
	o      Options
	report *Report
	began  time.Time // the origin of all times below
	tick   time.Duration

	latency  *recorder // of the measured time
	opening  *recorder // of handshakes
	lateness *recorder // of the open loop's senders
	tally    tally
	open     atomic.Int64 // connections
	due      atomic.Int64 // what was due while it was measured
	cut      atomic.Bool  // the run was interrupted
	work     sync.WaitGroup
	ending   context.Context // ends when connections end because the run does
	end      context.CancelFunc

	from, until time.Duration // the measured time; written before the work begins

	server  *observer                // nil: none
	unseen  bool                     // the server is on this machine, and not told from other programs
	before  reading                  // when there were no connections
	peak    int64                    // the most memory before that; 0: not known
	half    peopled                  // when about half of the connections were open
	full    peopled                  // when all were
	threads [2]map[int]time.Duration // CPU time of the server's threads when measuring began and ended
	start   mark                     // when measuring began
	last    mark                     // of the newest sample
	early   int64                    // received between from and start
	dipped  bool                     // nobody was connected for a moment since the newest sample
	sampled bool                     // samples are being taken
}

// mark is what had been used and received at a time.
type mark struct {
	at       time.Duration
	server   reading
	own      time.Duration
	machine  time.Duration // by all programs
	received int64
}

// newRun prepares a run with WebSockets, and checks that one can be opened.
func newRun(ctx context.Context, kind Kind, target string, o Options) (*run, *dialer, error) {
	r, err := prepare(kind, target, o)
	if err != nil {
		return nil, nil, err
	}
	d := newDialer(target, &r.o)
	if err := r.begin(ctx, func() error { return r.try(ctx, d) }); err != nil {
		return nil, nil, err
	}
	return r, d, nil
}

// prepare checks the options and makes a run of them.
func prepare(kind Kind, target string, o Options) (*run, error) {
	o, err := o.withDefaults(kind, target)
	if err != nil {
		return nil, err
	}
	if err := checkDescriptors(o.Connections + o.descriptorsMore(kind)); err != nil {
		return nil, err
	}
	r := &run{
		o: o, began: time.Now(), tick: tickOf(o.Duration),
		report:  &Report{Kind: kind, URL: target, Load: Load{Connections: o.Connections, Ramp: o.Ramp}},
		latency: newRecorder(), opening: newRecorder(),
	}
	if o.Metrics != "" {
		r.tick = max(r.tick, time.Second) // a scrape is work for the server, too
	}
	r.report.Started = r.began
	r.report.Connections.Wanted = o.Connections
	r.describe(kind)
	return r, nil
}

// describe says in the report what the load is.
func (r *run) describe(kind Kind) {
	o, l := &r.o, &r.report.Load
	if kind.hasPayloads() {
		l.Size = o.Size
		if l.Type = "text"; o.Binary {
			l.Type = "binary"
		}
	}
	if !kind.hasMessages() {
		return
	}
	l.WarmupSeconds = o.Warmup.Seconds()
	if l.Rate = o.Rate; o.Rate > 0 {
		r.lateness = newRecorder()
	} else if kind.hasWindow() {
		l.Window = o.Window
	}
}

// begin checks with try that the load can be made at all, and then finds the
// server.
func (r *run) begin(ctx context.Context, try func() error) error {
	if err := try(); err != nil {
		return err
	}
	r.ending, r.end = context.WithCancel(context.WithoutCancel(ctx))
	r.unseen = r.o.isVirtual()
	var err error
	if r.server, err = r.observe(ctx); err != nil {
		return err
	}
	if r.server != nil {
		if r.server.peak != nil {
			r.peak = r.server.peak()
		}
		r.before, _ = r.server.read(ctx) // the first reading was good, and a later one will tell
	}
	return nil
}

func (r *run) now() time.Duration { return time.Since(r.began) }

func (r *run) note(text string) { r.report.Notes = append(r.report.Notes, text) }

func (r *run) progress(p Progress) {
	if r.o.Progress == nil {
		return
	}
	if n := len(r.report.Samples); n > 0 {
		p.Sample = &r.report.Samples[n-1]
	}
	r.o.Progress(p)
}

// plan decides what will be measured: from now on after the warm-up.
func (r *run) plan() {
	r.from = r.now() + r.o.Warmup
	r.until = r.from + r.o.Duration
}

// isMeasured reports whether t is in the time that is measured.
func (r *run) isMeasured(t time.Duration) bool { return t >= r.from && t < r.until }

// measure takes samples until the time that is measured ends, or ctx does.
func (r *run) measure(ctx context.Context) {
	var clock alarm
	began := r.now()
	for now := began; now < r.from; now = r.now() {
		r.progress(Progress{Phase: "warming up", Elapsed: now - began, Total: r.o.Warmup})
		if !clock.wait(ctx, min(r.tick, r.from-now)) {
			r.interrupt()
			return
		}
	}
	r.startSampling(ctx)
	for i := time.Duration(1); ; i++ {
		next := min(r.from+i*r.tick, r.until)
		if !clock.wait(ctx, next-r.now()) {
			r.sample(ctx)
			r.interrupt()
			return
		}
		r.sample(ctx)
		r.progress(Progress{Phase: "measuring", Elapsed: r.now() - r.from, Total: r.o.Duration})
		if next == r.until {
			r.threads[1] = r.threadTimes()
			return
		}
	}
}

// interrupt notes that the run was ended from outside. What was measured until
// now is the result.
func (r *run) interrupt() {
	r.report.Interrupted = true
	r.cut.Store(true)
}

// mark reads what has been used until now.
func (r *run) mark(ctx context.Context) mark {
	m := mark{at: r.now(), server: r.last.server}
	m.own, _ = ownCPU()
	m.machine, _ = machineCPU()
	if r.server != nil {
		got, err := r.server.read(context.WithoutCancel(ctx))
		if err != nil {
			r.tally.addError("observing the server", err)
		} else {
			m.server = got
		}
	}
	return m
}

// startSampling begins the first stretch.
func (r *run) startSampling(ctx context.Context) {
	_, r.early = r.latency.collect()
	r.start = r.mark(ctx)
	r.start.received = r.latency.received
	r.last = r.start
	r.sampled = true
	r.threads[0] = r.threadTimes()
}

// threadTimes is nil if it is not known.
func (r *run) threadTimes() map[int]time.Duration {
	if r.server == nil || r.server.threads == nil {
		return nil
	}
	return r.server.threads()
}

// sample ends a stretch. It is for the run's own goroutine.
func (r *run) sample(ctx context.Context) {
	if !r.sampled {
		return
	}
	m := r.mark(ctx)
	took := m.at - r.last.at
	if took < tickMin/4 && len(r.report.Samples) > 0 {
		return // the remainder of an interrupted stretch says nothing
	}
	interval, received := r.latency.collect()
	received += r.early
	r.early = 0
	m.received = r.latency.received
	r.opening.collect()
	s := Sample{
		At: (m.at - r.from).Seconds(), PerSecond: float64(received) / took.Seconds(),
		Connections: int(r.open.Load()), Errors: r.tally.count(),
		Cores: float64(m.server.cpu-r.last.server.cpu) / float64(took), Resident: m.server.resident,
		OwnShare: float64(m.own-r.last.own) / float64(took) / float64(runtime.GOMAXPROCS(0)),
	}
	if r.dipped {
		s.Connections, r.dipped = 0, false
	}
	if l := interval; l.TotalCount() > 0 {
		s.P50 = millis(percentile(l, 50))
		s.P99 = millis(percentile(l, 99))
	}
	r.report.Samples = append(r.report.Samples, s)
	r.last = m
}

// await waits for the run's work to end: for the drain time at most, and not
// at all when the run was interrupted. It reports whether it has ended.
func (r *run) await(ctx context.Context) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.work.Wait()
	}()
	if r.cut.Load() {
		return false
	}
	began := r.now()
	limit := time.NewTimer(r.o.Drain)
	defer limit.Stop()
	ticker := time.NewTicker(r.tick)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return true
		case <-limit.C:
			return false
		case <-ctx.Done():
			r.interrupt()
			return false
		case <-ticker.C:
			r.progress(Progress{Phase: "waiting for the last answers", Elapsed: r.now() - began, Total: r.o.Drain})
		}
	}
}

// finish makes the report of what was collected.
func (r *run) finish() *Report {
	p := r.report
	measured := max(0, min(r.last.at, r.until)-r.from)
	p.Seconds = measured.Seconds()
	p.Connections.AtEnd = int(r.open.Load())
	r.opening.collect()
	p.Opening = r.opening.latencies()
	p.Latency = r.latency.latencies()
	p.Errors = r.tally.errors()
	p.Own = r.ownUsage()
	if r.lateness != nil {
		r.lateness.collect()
		p.Own.Lateness = r.lateness.latencies()
	}
	if measured > 0 && p.Kind.hasMessages() {
		p.Messages = &Messages{
			Sent: r.due.Load(), Received: r.latency.received,
			PerSecond: float64(r.latency.received) / measured.Seconds(), Bytes: float64(r.latency.octets) / measured.Seconds(),
		}
	}
	if r.server != nil {
		p.Server = r.serverUsage()
		r.server.close()
	}
	judge(p)
	return p
}

// ownUsage returns what the generator used, and all other programs of this machine.
func (r *run) ownUsage() Generator {
	g := Generator{Share: -1, Others: -1, Machine: -1, Processors: runtime.GOMAXPROCS(0)}
	took := r.last.at - r.start.at
	if _, known := ownCPU(); !known || took <= 0 {
		return g
	}
	used := r.last.own - r.start.own
	g.CPUSeconds = used.Seconds()
	g.Share = float64(used) / float64(took) / float64(g.Processors)
	processors, known := machineProcessors()
	if known && r.last.machine > 0 {
		g.Machine = min(1, float64(r.last.machine-r.start.machine)/float64(took)/float64(processors))
	}
	if known && !r.unseen {
		others := r.last.machine - r.start.machine - used
		if r.server != nil && r.server.local {
			others -= r.last.server.cpu - r.start.server.cpu
		}
		g.Others = max(0, float64(others)/float64(took)/float64(processors))
	}
	return g
}
