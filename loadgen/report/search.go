package report

import (
	"fmt"

	"github.com/godwit-io/godwit/loadgen"
)

// searchChart shows how the latency grows with what a search raised, and the
// goal that it must stay under. Of the tries of one value it has the best.
func searchChart(r *loadgen.Report) *chart {
	s := r.Search
	low, high, most := float64(s.P99), float64(s.P99), 0.0
	p50, p99 := line{Name: "p50", Class: "a"}, line{Name: "p99", Class: "b"}
	for _, t := range s.SortedSteps() {
		most = max(most, t.Value)
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
	goal := line{Name: "goal", Class: "c", Points: []point{{0, float64(s.P99), ""}, {most, float64(s.P99), "goal " + s.P99.String()}}}
	c := &chart{Title: "The limit", Unit: "latency by " + searched(r.Kind, s), X: linear(most, short), Y: decades(max(low, 1e-3), high), Lines: []line{p99, p50, goal}}
	for len(c.X.Ticks) > 1 && c.X.Ticks[len(c.X.Ticks)-1].At > most+1e-9 {
		c.X.Ticks = c.X.Ticks[:len(c.X.Ticks)-1]
	}
	c.X.To = max(most, 1)
	return c
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
