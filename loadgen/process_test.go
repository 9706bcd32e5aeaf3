package loadgen

import (
	"strings"
	"testing"
	"time"
)

func TestParseMetrics(t *testing.T) {
	for _, c := range []struct {
		page string
		want reading
		err  string
	}{
		{"# HELP x\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 1.048576e+06\n", reading{12500 * time.Millisecond, 1 << 20}, ""},
		{"process_resident_memory_bytes 5 1700000000000\n", reading{0, 5}, ""},
		{"process_cpu_seconds_total_other 5\nprocess_cpu_seconds_total 1", reading{time.Second, 0}, ""},
		{"process_cpu_seconds_total{pid=\"1\",note=\"a } b\"} 1.5\nprocess_cpu_seconds_total{pid=\"2\"} 2 1700000000000\nprocess_resident_memory_bytes{} 7\n", reading{3500 * time.Millisecond, 7}, ""},
		{"process_cpu_seconds_total\n", reading{}, `has the value ""`},
		{"go_goroutines 5\n", reading{}, "neither"},
		{"", reading{}, "neither"},
		{"process_cpu_seconds_total many\n", reading{}, `has the value "many"`},
		{"process_cpu_seconds_total NaN\n", reading{}, `has the value "NaN"`},
		{"process_resident_memory_bytes -1\n", reading{}, `has the value "-1"`},
		{"process_resident_memory_bytes 1e300\n", reading{}, `has the value "1e300"`},
	} {
		got, err := parseMetrics(strings.NewReader(c.page))
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %+v, %v", c.page, got, err)
		}
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("process_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 1.048576e+06\n")
	f.Add("process_cpu_seconds_total +Inf")
	f.Add("process_resident_memory_bytes 1 2 3\n\n")
	f.Fuzz(func(t *testing.T, page string) {
		if got, err := parseMetrics(strings.NewReader(page)); err == nil && (got.cpu < 0 || got.resident < 0) {
			t.Errorf("%q: %+v", page, got)
		}
	})
}
