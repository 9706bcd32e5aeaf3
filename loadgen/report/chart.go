package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/godwit-io/godwit/loadgen"
)

// chart is a line chart in SVG, drawn on a sheet of fixed size that the page
// scales. Its colours are the page's.
type chart struct {
	Title string
	Unit  string // of the vertical axis, beside the title
	X, Y  axis
	Lines []line

	Percentiles bool // their table stands beside it
}

// axis maps values to a length.
type axis struct {
	From, To float64
	Ticks    []tick
	log      bool
}

type tick struct {
	At    float64
	Label string
}

// line is one series. Class says which colour it has.
type line struct {
	Name, Class string
	Points      []point
	Area        bool // the space below is tinted
}

type point struct {
	X, Y float64
	Says string // for a reader that points at it
}

// The sheet. Text is 12 units high, and still legible where a narrow screen
// shows 400 units in 328 pixels.
const (
	sheetWidth  = 400
	sheetHeight = 220
	marginLeft  = 56
	marginRight = 14
	marginTop   = 12
	marginBelow = 28
)

func (a axis) share(v float64) float64 {
	from, to := a.From, a.To
	if a.log {
		v, from, to = math.Log10(max(v, a.From)), math.Log10(from), math.Log10(to)
	}
	if to <= from {
		return 0
	}
	return min(max((v-from)/(to-from), 0), 1)
}

// PX and PY are the place of a value on the sheet.
func (c *chart) PX(v float64) string {
	return units(marginLeft + c.X.share(v)*(sheetWidth-marginLeft-marginRight))
}
func (c *chart) PY(v float64) string {
	return units(sheetHeight - marginBelow - c.Y.share(v)*(sheetHeight-marginTop-marginBelow))
}

// Anchor keeps the label of a tick on the sheet.
func (c *chart) Anchor(t tick) string {
	switch share := c.X.share(t.At); {
	case share < 0.03:
		return "start"
	case share > 0.97:
		return "end"
	}
	return "middle"
}

func units(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }

// Path is the line as SVG path data.
func (c *chart) Path(l line) string {
	var b strings.Builder
	for i, p := range l.Points {
		b.WriteString(map[bool]string{true: "M", false: "L"}[i == 0])
		b.WriteString(c.PX(p.X) + " " + c.PY(p.Y))
	}
	return b.String()
}

// dotsMax is how many points of a line can be pointed at. With more of them they
// would cover each other, and the page would be large for nothing.
const dotsMax = 200

// Dots are the points of a line that can be pointed at.
func (c *chart) Dots(l line) []point {
	step := (len(l.Points) + dotsMax - 1) / dotsMax
	var dots []point
	for i := 0; i < len(l.Points); i += step {
		dots = append(dots, l.Points[i])
	}
	return dots
}

// Below is the space between the line and the horizontal axis.
func (c *chart) Below(l line) string {
	if len(l.Points) == 0 {
		return ""
	}
	first, last := l.Points[0], l.Points[len(l.Points)-1]
	return c.Path(l) + "L" + c.PX(last.X) + " " + c.PY(c.Y.From) + "L" + c.PX(first.X) + " " + c.PY(c.Y.From) + "Z"
}

// linear is an axis from 0 with three to six round ticks. A tick is a multiple of
// a step, which floating point may miss by a little: label must round.
func linear(to float64, label func(float64) string) axis {
	if !(to > 0) || math.IsInf(to, 0) {
		to = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(to)))
	for _, f := range []float64{0.2, 0.25, 0.5, 1, 2} {
		if to/(step*f) <= 5.001 {
			step *= f
			break
		}
	}
	a := axis{To: step * math.Ceil(to/step-1e-9)}
	for i := 0; ; i++ {
		v := float64(i) * step
		if v > a.To+step/2 {
			return a
		}
		a.Ticks = append(a.Ticks, tick{v, label(v)})
	}
}

// seconds is the horizontal axis of what happens over time.
func seconds(to float64) axis {
	a := linear(to, func(v float64) string { return fmt.Sprintf("%.6g s", v) })
	for len(a.Ticks) > 0 && a.Ticks[len(a.Ticks)-1].At > to+1e-9 {
		a.Ticks = a.Ticks[:len(a.Ticks)-1]
	}
	a.To = max(to, 1e-3)
	return a
}

// decades is a logarithmic axis for latencies in milliseconds, between two of
// the numbers 1, 2, 5, 10, 20 and so on.
func decades(from, to float64) axis {
	var round []float64
	for e := -3.0; e <= 6; e++ {
		for _, f := range []float64{1, 2, 5} {
			round = append(round, f*math.Pow(10, e))
		}
	}
	low, high := 0, len(round)-1
	for i, v := range round {
		if v <= from*1.0001 {
			low = i
		}
	}
	for i := len(round) - 1; i > low && round[i]*1.0001 >= to; i-- {
		high = i
	}
	a := axis{From: round[low], To: round[max(high, low+1)], log: true}
	for i := low; i <= max(high, low+1); i++ {
		if high-low > 6 && i%3 != 0 {
			continue // whole decades are enough
		}
		v := round[i]
		label := fmt.Sprintf("%g ms", math.Round(v))
		switch {
		case v >= 1000:
			label = fmt.Sprintf("%g s", math.Round(v/1000))
		case v < 1:
			label = fmt.Sprintf("%g µs", math.Round(v*1000))
		}
		a.Ticks = append(a.Ticks, tick{v, label})
	}
	return a
}

// percentileChart shows how latency grows towards the rarest. The horizontal
// axis gives each further nine the same width.
func percentileChart(title string, lines ...line) *chart {
	to, low, high := 10.0, math.Inf(1), 0.0
	for _, l := range lines {
		for _, p := range l.Points {
			to, low, high = max(to, p.X), min(low, p.Y), max(high, p.Y)
		}
	}
	c := &chart{Title: title, Unit: "by percentile, logarithmic", X: axis{From: 1, To: to, log: true}, Y: decades(low, high), Lines: lines}
	c.X.Ticks = []tick{{1, "0 %"}}
	labels := []string{"90", "99", "99.9", "99.99", "99.999", "99.9999"}
	for i, label := range labels {
		if at := math.Pow(10, float64(i+1)); at <= to*1.0001 {
			c.X.Ticks = append(c.X.Ticks, tick{at, label})
		}
	}
	return c
}

// percentileLine places a curve on that axis: x is one in how many.
func percentileLine(name, class string, l *loadgen.Latency) line {
	out := line{Name: name, Class: class}
	for _, p := range l.Curve {
		x := float64(l.Count)
		if p.Percentile < 100 {
			x = min(x, 1/(1-p.Percentile/100))
		}
		out.Points = append(out.Points, point{max(x, 1), float64(p.Latency), fmt.Sprintf("%.6g %%: %s", p.Percentile, p.Latency)})
	}
	return out
}

// overTime is a chart of what the samples say.
func overTime(title, unit string, samples []loadgen.Sample, label func(float64) string, lines ...series) *chart {
	c := &chart{Title: title, Unit: unit}
	most := 0.0
	for _, s := range lines {
		l := line{Name: s.name, Class: s.class, Area: len(lines) == 1}
		for _, sample := range samples {
			v := s.of(sample)
			if math.IsNaN(v) {
				continue
			}
			most = max(most, v)
			l.Points = append(l.Points, point{sample.At, v, fmt.Sprintf("%.1f s: %s", sample.At, label(v))})
		}
		c.Lines = append(c.Lines, l)
	}
	c.Y = linear(most, label)
	c.X = seconds(samples[len(samples)-1].At)
	return c
}

type series struct {
	name, class string
	of          func(loadgen.Sample) float64 // NaN: nothing is known
}

// charts are those that r has something for.
func charts(r *loadgen.Report) []*chart {
	var list []*chart
	if r.Search != nil && len(r.Search.Steps) > 1 {
		if c := searchChart(r); c != nil {
			list = append(list, c)
		}
	}
	if r.Latency != nil && len(r.Latency.Curve) > 2 {
		title := map[loadgen.Kind]string{loadgen.KindConnections: "Ping", loadgen.KindStorm: "Time away", loadgen.KindHandshakes: "Opening a connection"}[r.Kind]
		if title == "" {
			title = "Latency"
		}
		c := percentileChart(title, percentileLine(title, "a", r.Latency))
		c.Percentiles = true
		list = append(list, c)
	}
	if r.Opening != nil && len(r.Opening.Curve) > 2 {
		list = append(list, percentileChart("Opening a connection", percentileLine("handshake", "b", r.Opening)))
	}
	samples := r.Samples
	if len(samples) < 2 {
		return list
	}
	count := func(v float64) string { return short(v) }
	if r.Kind == loadgen.KindConnections || r.Kind == loadgen.KindStorm {
		list = append(list, overTime("Connections", "open", samples, count, series{"open", "a", func(s loadgen.Sample) float64 { return float64(s.Connections) }}))
	}
	if r.Messages != nil || r.Kind == loadgen.KindStorm {
		title := map[loadgen.Kind]string{loadgen.KindFanout: "Deliveries", loadgen.KindSSE: "Deliveries", loadgen.KindPublish: "Requests", loadgen.KindHandshakes: "Opened", loadgen.KindStorm: "Coming back"}[r.Kind]
		if title == "" {
			title = "Answers"
		}
		list = append(list, overTime(title, "a second", samples, count, series{title, "a", func(s loadgen.Sample) float64 { return s.PerSecond }}))
	}
	if r.Messages != nil && r.Latency != nil {
		known := func(m loadgen.Millis) float64 {
			if m == 0 {
				return math.NaN()
			}
			return float64(m)
		}
		list = append(list, overTime("Latency over time", "ms", samples, func(v float64) string { return fmt.Sprintf("%.4g", v) },
			series{"p99", "b", func(s loadgen.Sample) float64 { return known(s.P99) }}, series{"p50", "a", func(s loadgen.Sample) float64 { return known(s.P50) }}))
	}
	cores := func(v float64) string { return fmt.Sprintf("%.3g", v) }
	own := series{"generator", "c", func(s loadgen.Sample) float64 { return s.OwnShare * float64(r.Own.Processors) }}
	if r.Server != nil {
		list = append(list, overTime("CPU", "cores", samples, cores, series{"server", "b", func(s loadgen.Sample) float64 { return s.Cores }}, own))
		unit, name := memoryUnit(r.Server.ResidentMax)
		list = append(list, overTime("Server memory", "resident", samples, func(v float64) string { return fmt.Sprintf("%.4g %s", v, name) },
			series{"resident", "a", func(s loadgen.Sample) float64 { return float64(s.Resident) / unit }}))
	} else if r.Own.Share >= 0 {
		list = append(list, overTime("CPU of the generator", "cores", samples, cores, own))
	}
	return list
}

// memoryUnit makes round ticks of powers of two.
func memoryUnit(most int64) (unit float64, name string) {
	switch {
	case most >= 2<<30:
		return 1 << 30, "GiB"
	case most >= 2<<20:
		return 1 << 20, "MiB"
	}
	return 1 << 10, "KiB"
}

// short is a number for an axis.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3g M", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3g k", v/1e3)
	}
	return loadgen.Count(v)
}
