package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/loadgen"
)

// results are the reports of an experiment: of each contender, one a round.
type results struct {
	experiment
	names   []string // in the table
	failed  []string
	reports map[string][]*loadgen.Report
}

// write writes one table: for each column the median, and the median of the
// ratios to the base with the lowest and the highest of them.
func (r *results) write(w io.Writer, base string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n| server |", r.title)
	for _, c := range r.columns {
		fmt.Fprintf(&b, " %s | ÷ %s |", c.name, base)
	}
	b.WriteString(" server CPU | generator CPU |\n|---|" + strings.Repeat("---:|---:|", len(r.columns)) + "---:|---:|\n")
	for _, name := range r.names {
		fmt.Fprintf(&b, "| %s |", name)
		for _, c := range r.columns {
			values := figures(r.reports[name], c)
			fmt.Fprintf(&b, " "+c.format+" | %s |", median(values), ratios(values, figures(r.reports[base], c)))
		}
		server := figures(r.reports[name], column{of: func(r *loadgen.Report) float64 { return 100 * r.Server.Cores }})
		own := figures(r.reports[name], column{of: func(r *loadgen.Report) float64 { return 100 * r.Own.Share }})
		fmt.Fprintf(&b, " %.0f %% | %.0f %% |\n", median(server), median(own))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func figures(reports []*loadgen.Report, c column) []float64 {
	var list []float64
	for _, r := range reports {
		list = append(list, c.of(r))
	}
	return list
}

// ratios compares round with round, as a machine's speed changes over a run.
func ratios(values, base []float64) string {
	var list []float64
	for i := range min(len(values), len(base)) {
		if base[i] > 0 {
			list = append(list, values[i]/base[i])
		}
	}
	switch len(list) {
	case 0:
		return "·"
	case 1:
		return fmt.Sprintf("%.2f", list[0])
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", median(list), slices.Min(list), slices.Max(list))
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
