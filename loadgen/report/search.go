package report

import (
	"fmt"
	"math"

	"github.com/godwit-io/godwit/loadgen"
)

// stepsBeside is how many tries stand in a table beside the chart of them. More
// would make the row much higher than the chart.
const stepsBeside = 7

// limitTitle is the title of the chart.
const limitTitle = "The limit"

// searchChart shows how the latency grows with what a search raised, and the
// goal that it must stay under. Of the tries of one value it has the best. It is
// as wide as what has a latency: a try without one is in the table only. It is
// nil if there is none.
func searchChart(r *loadgen.Report) *chart {
	s := r.Search
	low, high := float64(s.P99), float64(s.P99)
	p50, p99 := line{Name: "p50", Class: "a"}, line{Name: "p99", Class: "b"}
	for _, t := range s.SortedSteps() {
		if t.P99 == 0 {
			continue // nothing arrived
		}
		if n := len(p99.Points); n > 0 && p99.Points[n-1].X == t.Value {
			if p99.Points[n-1].Y <= float64(t.P99) {
				continue
			}
			p50.Points, p99.Points = p50.Points[:n-1], p99.Points[:n-1]
		}
		low, high = min(low, float64(t.P50)), max(high, float64(t.P99))
		says := loadgen.Count(t.Value) + ": %s %s"
		if t.Missed != "" {
			says += "; " + t.Missed
		}
		p50.Points = append(p50.Points, point{t.Value, float64(t.P50), fmt.Sprintf(says, "p50", t.P50)})
		p99.Points = append(p99.Points, point{t.Value, float64(t.P99), fmt.Sprintf(says, "p99", t.P99)})
	}
	n := len(p99.Points)
	if n == 0 {
		return nil
	}
	x := doubling(p99.Points[0].X, p99.Points[n-1].X)
	goal := line{Name: "goal", Class: "c", Points: []point{{x.From, float64(s.P99), ""}, {x.To, float64(s.P99), "goal " + s.P99.String()}}}
	return &chart{Title: limitTitle, Unit: "latency by " + searched(r.Kind, s) + ", both logarithmic", X: x, Y: decades(max(low, 1e-3), high), Lines: []line{p99, p50, goal}}
}

// doubling is a logarithmic axis for values that were doubled, from the lowest to
// the highest.
func doubling(from, to float64) axis {
	a := axis{From: max(from, 1e-9), To: to, log: true}
	if a.To < 1.2*a.From {
		a.From, a.To = a.From/1.5, a.From*1.5
	}
	for _, steps := range [][]float64{{1, 2, 5}, {1}} {
		a.Ticks = nil
		for e := math.Floor(math.Log10(a.From)); e <= math.Log10(a.To); e++ {
			for _, f := range steps {
				if v := f * math.Pow(10, e); v >= a.From && v <= a.To*1.0001 {
					a.Ticks = append(a.Ticks, tick{v, short(v)})
				}
			}
		}
		if len(a.Ticks) <= 7 {
			break
		}
	}
	if len(a.Ticks) < 2 {
		a.Ticks = []tick{{a.From, short(a.From)}, {a.To, short(a.To)}}
	}
	return a
}

// stepRow is one try of a search, for the table.
type stepRow struct{ Value, P99, Missed string }

func stepRows(s *loadgen.Search) []stepRow {
	if s == nil {
		return nil
	}
	var list []stepRow
	for _, t := range s.SortedSteps() {
		p99 := "·"
		if t.P99 > 0 {
			p99 = t.P99.String()
		}
		list = append(list, stepRow{loadgen.Count(t.Value), p99, t.Missed})
	}
	return list
}
