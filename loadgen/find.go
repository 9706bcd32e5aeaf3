package loadgen

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Quantity is what a search raises.
type Quantity string

const (
	FindConnections Quantity = "connections" // at Options.Rate
	FindRate        Quantity = "rate"        // on Options.Connections
)

// Goal is what a server must do at whatever is found.
type Goal struct {
	// Find is the quantity whose limit is looked for.
	Find Quantity

	// P99 is the longest that 99 of 100 latencies may be. Default 20 ms.
	P99 time.Duration
}

// The defaults of Find.
const (
	DefaultP99          = 20 * time.Millisecond
	DefaultFindDuration = 5 * time.Second
	DefaultFindWarmup   = time.Second
	DefaultEchoRate     = 1000
	DefaultRate         = 100 // of publications and handshakes
)

const (
	// fineness is how close to the limit a search goes. Machines are not steadier.
	fineness = 1.05

	// findDigits is how many digits a value has that is tried, so that the value found
	// is a plain number.
	findDigits = 2

	// triesOfMiss is how often a value must miss to be believed. At the end the one
	// that is to be the limit is tried once more, and if it meets the goal then, the
	// search goes on from there, againMax times.
	triesOfMiss = 2
	againMax    = 3
)

// Search is how a limit was found: every value that was tried, in the order in
// which it was. A value that misses is tried again before it is believed.
type Search struct {
	Find   Quantity `json:"find"`
	P99    Millis   `json:"p99_ms"` // the goal
	Found  float64  `json:"found"`  // 0: no value met the goal
	Missed float64  `json:"missed"` // the lowest value above that did not; 0: none
	Why    string   `json:"why,omitempty"`
	Steps  []Step   `json:"steps"`

	// Closed is a closed loop on as many connections, after a search for a rate. It
	// is nil if there was none.
	Closed *ClosedLoop `json:"closed_loop,omitempty"`
}

// ClosedLoop is what the same connections do without a rate, with one message, or
// publication, in flight. It is more than the rate that is found, often by far,
// and what each message costs says how much of that is because many are handled
// together. What a rate adds is that nobody waits longer than the goal.
type ClosedLoop struct {
	PerSecond  float64 `json:"per_second"` // of what the search counts
	P99        Millis  `json:"p99_ms"`
	ServerCost float64 `json:"server_us_per_item,omitempty"`    // microseconds of CPU for each; 0: not known
	OwnCost    float64 `json:"generator_us_per_item,omitempty"` // the same of the generator
}

// Step is one value that was tried.
type Step struct {
	Value     float64 `json:"value"`
	Missed    string  `json:"missed,omitempty"` // what it missed, in words; empty: the goal was met
	PerSecond float64 `json:"per_second"`
	P50       Millis  `json:"p50_ms"`
	P99       Millis  `json:"p99_ms"`
	Cores     float64 `json:"server_cores"`
	OwnShare  float64 `json:"generator_share"`
}

// Find looks for the most connections, or the highest rate, at which a server
// does all that it is asked to, without an error and with the goal's latency. It
// makes load of kind, an open loop, again and again: twice as much each time
// until the goal is missed, and then in between. Each try is a run of its own of
// Options.Duration, by default 5 seconds after 1 to warm up, with connections of
// its own. Options.Connections, or Options.Rate, is the first value to try.
//
// The Report is that of the highest value that met the goal, with Search and a
// verdict about it. If none did it is that of the lowest that was tried. When
// ctx ends, the report is of what was found until then.
func Find(ctx context.Context, kind Kind, target string, o Options, g Goal) (*Report, error) {
	if g.P99 == 0 {
		g.P99 = DefaultP99
	}
	play := map[Kind]func(context.Context, string, Options) (*Report, error){KindEcho: Echo, KindFanout: Fanout, KindHandshakes: Handshakes, KindSSE: SSE, KindPublish: Publish}[kind]
	switch {
	case play == nil, g.Find != FindRate && (g.Find != FindConnections || kind == KindHandshakes):
		return nil, invalid("the limit of %q cannot be looked for with %q", g.Find, kind)
	case g.P99 < 0:
		return nil, negative("P99", g.P99)
	case g.Find == FindConnections && o.Rate <= 0:
		return nil, invalid("the most connections depend on the rate: give one")
	}
	orDefault(&o.Duration, DefaultFindDuration)
	orDefault(&o.Warmup, DefaultFindWarmup)
	orDefault(&o.Connections, DefaultConnections)
	s := &finder{kind: kind, goal: g, most: rateMax, search: &Search{Find: g.Find, P99: millis(g.P99)}}
	start := o.Rate
	switch {
	case g.Find == FindConnections:
		s.more = o.descriptorsMore(kind)
		start, s.most = float64(o.Connections), float64(connectionsMax()-s.more)
	case o.Rate == 0 && kind == KindEcho:
		start = DefaultEchoRate
	case o.Rate == 0:
		start = DefaultRate
	}
	if start < 1 || start > s.most {
		return nil, invalid("a search cannot begin with %v: it must be 1 to %.0f", start, s.most)
	}
	s.try = func(value float64) (*Report, error) {
		step := o
		if g.Find == FindConnections {
			step.Connections = int(value)
		} else {
			step.Rate = value
		}
		if o.Progress != nil {
			step.Progress = func(p Progress) {
				p.Phase = s.describe(value) + ": " + p.Phase
				o.Progress(p)
			}
		}
		return play(ctx, target, step)
	}
	if err := s.run(ctx, start); err != nil {
		return nil, err
	}
	if g.Find == FindRate && s.best != nil && ctx.Err() == nil {
		step := o
		step.Rate, step.Window = 0, 1
		if o.Progress != nil {
			step.Progress = func(p Progress) {
				p.Phase = "closed loop: " + p.Phase
				o.Progress(p)
			}
		}
		// Without it the search is as good as before.
		if closed, err := play(ctx, target, step); err == nil && closed.Messages != nil && closed.Latency != nil && !closed.Interrupted {
			s.search.Closed = closedLoop(closed)
		}
	}
	return s.finish(ctx), nil
}

// closedLoop takes over the figures of a closed loop.
func closedLoop(r *Report) *ClosedLoop {
	c := &ClosedLoop{PerSecond: perRate(r), P99: r.Latency.P99, OwnCost: ownCost(r)}
	if r.Server != nil {
		c.ServerCost = r.Server.CPUPerItem
	}
	return c
}

// perRate is how much a run did each second of what a rate counts.
func perRate(r *Report) float64 {
	if r.Kind.hasSubscribers() && r.Connections.Opened > 0 {
		return r.Messages.PerSecond / float64(r.Connections.Opened)
	}
	return r.Messages.PerSecond
}

// ownCost is the generator's CPU for each message that arrived, in microseconds,
// and 0 if it is not known.
func ownCost(r *Report) float64 {
	if r.Own.Share < 0 || r.Messages.PerSecond <= 0 {
		return 0
	}
	return 1e6 * r.Own.Share * float64(r.Own.Processors) / r.Messages.PerSecond
}

// connectionsMax is how many connections can be opened from here.
func connectionsMax() int {
	if limit, ok := descriptorsMax(); ok {
		return min(limit-descriptorsBeside, ConnectionsMax)
	}
	return ConnectionsMax
}

// finder looks for the highest value that meets the goal.
//
//	tried   100  200  400  800  570  480  520  500  500 again
//	goal    met  met  met  not  not  met  not  not  not         found: 480
type finder struct {
	kind   Kind
	goal   Goal
	most   float64 // that may be tried
	more   int     // descriptors that the kind needs besides
	try    func(value float64) (*Report, error)
	search *Search

	best   *Report // of Found
	worst  *Report // of Missed; nil if that could not be measured
	lowest *Report // the last that missed
}

// run returns an error if nothing was found out.
func (s *finder) run(ctx context.Context, start float64) error {
	v := start
	for again := 0; ; {
		met, err := s.step(ctx, v, triesOfMiss)
		if err != nil || ctx.Err() != nil {
			return err
		}
		low, high := s.search.Found, s.search.Missed
		switch {
		case met && high == 0 && v >= s.most:
			return nil
		case met && high == 0:
			v = min(2*v, s.most)
			continue
		case low == 0: // not even the first; look below
			if v = math.Floor(high / 2); v < 1 {
				return nil
			}
			continue
		}
		if v = between(low, high); v > low && v < high && high/low > fineness {
			continue
		}
		// A value that missed a while ago may have had bad luck. If it had, go on from there.
		if again == againMax {
			return nil
		}
		again++
		if met, err = s.step(ctx, high, 1); err != nil || !met || ctx.Err() != nil || high >= s.most {
			return err
		}
		s.search.Missed, s.search.Why, s.worst = 0, "", nil
		v = min(2*high, s.most)
	}
}

// between is about the geometric mean of two values, as a plain number.
func between(low, high float64) float64 {
	v := math.Sqrt(low * high)
	unit := math.Pow(10, math.Floor(math.Log10(v))-findDigits+1)
	return math.Round(v/max(unit, 1)) * max(unit, 1)
}

// step tries a value, up to so many times until it meets the goal. An error says
// that nothing can be measured at all; later ones are misses. When ctx ends in
// the middle, the step is as if it had not been.
func (s *finder) step(ctx context.Context, value float64, tries int) (met bool, err error) {
	var r *Report
	var t Step
	for range tries {
		r, err = s.try(value)
		switch {
		case ctx.Err() != nil && s.best != nil:
			return false, nil
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err != nil && len(s.search.Steps) == 0:
			return false, err
		}
		t = Step{Value: value}
		if err != nil {
			t.Missed = strings.TrimPrefix(err.Error(), "loadgen: ")
		} else {
			t.fill(r, s.goal.P99)
		}
		s.search.Steps = append(s.search.Steps, t)
		if t.Missed == "" {
			s.search.Found, s.best = value, r
			return true, nil
		}
		if s.lowest == nil || r != nil {
			s.lowest = r
		}
	}
	s.search.Missed, s.search.Why, s.worst = value, t.Missed, r
	return false, nil
}

// fill takes over the figures of a try.
func (t *Step) fill(r *Report, p99 time.Duration) {
	t.Missed = misses(r, p99)
	t.OwnShare = r.Own.Share
	if r.Messages != nil {
		t.PerSecond = r.Messages.PerSecond
	}
	if r.Latency != nil {
		t.P50, t.P99 = r.Latency.P50, r.Latency.P99
	}
	if r.Server != nil {
		t.Cores = r.Server.Cores
	}
}

// misses says in words why r does not meet the goal, or nothing.
func misses(r *Report, p99 time.Duration) string {
	c := r.Connections
	var errors int64
	for _, e := range r.Errors {
		errors += e.Count
	}
	switch {
	case r.Kind != KindHandshakes && c.Opened < c.Wanted:
		return fmt.Sprintf("it took %s of %s: %s", Count(float64(c.Opened)), plural(c.Wanted, r.Kind.unit()), r.Errors[0].Kind)
	case errors > 0:
		return fmt.Sprintf("%s: %s", plural(int(errors), "error"), r.Errors[0].Kind)
	case r.Latency == nil:
		return "nothing arrived"
	case !hasKeptRate(r):
		return fmt.Sprintf("%s a second arrived of %s", Count(r.Messages.PerSecond), Count(wanted(r)))
	case r.Latency.P99 > millis(p99):
		return "p99 " + r.Latency.P99.String()
	}
	return ""
}

// describe is a value in words.
func (s *finder) describe(value float64) string {
	if s.goal.Find == FindRate {
		return Count(value) + " a second"
	}
	return plural(int(value), s.kind.unit())
}

// finish is the report of what was found.
func (s *finder) finish(ctx context.Context) *Report {
	r := s.best
	if r == nil {
		r = s.lowest
	}
	r.Search = s.search
	goal := fmt.Sprintf("p99 %s at most", Millis(s.search.P99))
	switch {
	case s.best == nil:
		r.Verdict = fmt.Sprintf("No value that was tried met the goal (%s), down to %s. %s", goal, s.describe(s.search.Missed), r.Verdict)
	case s.search.Missed > 0:
		r.Verdict += s.beyond()
	case ctx.Err() == nil && s.goal.Find == FindConnections:
		r.Limit = LimitGenerator
		r.Verdict += fmt.Sprintf(" More cannot be opened from here: ulimit -n allows %s open files.", Count(s.most+float64(descriptorsBeside+s.more)))
	}
	if s.search.Closed != nil && s.best != nil {
		r.Verdict += beside(s.best, s.search.Closed)
	}
	if ctx.Err() != nil {
		r.Interrupted = true
		r.Verdict += " The search was interrupted, so the limit may be higher."
	}
	return r
}

// beside compares a rate that was found with a closed loop.
func beside(best *Report, c *ClosedLoop) string {
	text := fmt.Sprintf(" In a closed loop, where the next waits for the answer to the last, it is %s a second with p99 %s", Count(c.PerSecond), c.P99)
	if best.Kind.hasSubscribers() {
		text = fmt.Sprintf(" In a closed loop, where the next publication waits until all have the last, it is %s a second with p99 %s", Count(c.PerSecond), c.P99)
	}
	var costs []string
	if best.Server != nil && best.Server.CPUPerItem > 0 && c.ServerCost > 0 {
		costs = append(costs, fmt.Sprintf("the server %s of CPU there and %s here", micros(c.ServerCost), micros(best.Server.CPUPerItem)))
	}
	if own := ownCost(best); own > 0 && c.OwnCost > 0 {
		costs = append(costs, fmt.Sprintf("the generator %s and %s", micros(c.OwnCost), micros(own)))
	}
	if len(costs) == 0 {
		return text + "."
	}
	return text + "; each costs " + strings.Join(costs, ", and ") + "."
}

// micros is a time in microseconds.
func micros(us float64) string { return Millis(us / 1000).String() }

// beyond says what happened above what was found.
func (s *finder) beyond() string {
	text := fmt.Sprintf(" With %s it does not: %s", s.describe(s.search.Missed), s.search.Why)
	if s.worst == nil {
		s.best.Limit = LimitUnknown
		return text + "."
	}
	l := bottleneck(s.worst)
	s.best.Limit = l
	if l == LimitRefused || l == LimitLost {
		return text + "." // it says so already
	}
	return text + because(s.worst, l)
}

// SortedSteps are the steps by value, and those of the same value as they came.
func (s *Search) SortedSteps() []Step {
	sorted := slices.Clone(s.Steps)
	slices.SortStableFunc(sorted, func(a, b Step) int { return cmp.Compare(a.Value, b.Value) })
	return sorted
}
