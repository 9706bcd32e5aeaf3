package main

import (
	"math"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/loadgen"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{3}, 3}, {[]float64{3, 1}, 2}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: %v, want %v", c.values, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("nothing has a median")
	}
}

func TestTable(t *testing.T) {
	report := func(us float64) *loadgen.Report {
		return &loadgen.Report{Server: &loadgen.Server{CPUPerItem: us, Cores: 0.98}, Own: loadgen.Generator{Share: 0.75}}
	}
	r := results{
		experiment: experiment{title: "Echo", columns: []column{cpu}}, names: []string{"gws", "godwit"},
		reports: map[string][]*loadgen.Report{"gws": {report(10), report(20), report(10)}, "godwit": {report(5), report(11), report(6)}},
	}
	var b strings.Builder
	if err := r.write(&b, "gws"); err != nil {
		t.Fatal(err)
	}
	const want = "### Echo\n\n| server | CPU, µs each | ÷ gws | server CPU | generator CPU |\n|---|---:|---:|---:|---:|\n" +
		"| gws | 10 | 1.00 (1.00 to 1.00) | 98 % | 75 % |\n| godwit | 6 | 0.55 (0.50 to 0.60) | 98 % | 75 % |\n\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	if got := ratios([]float64{1}, nil) + " " + ratios([]float64{1}, []float64{0}) + " " + ratios([]float64{1}, []float64{4}); got != "· · 0.25" {
		t.Error(got)
	}
}
