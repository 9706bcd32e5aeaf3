package packaging

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	dashboardFile = "grafana/godwit.json"
	metricsFile   = "../docs/metrics.md" // which a test of package server holds to what the server has
)

// onNoPanel are metrics that the dashboard does not show, each with why.
var onNoPanel = map[string]string{
	"godwit_worker_busy_seconds_total":       "serve has no handlers that block; what waits is on a panel",
	"godwit_hook_events_queued_bytes":        "the number of events says the same",
	"godwit_flight_bytes":                    "it is for explanations, and bounded by flight.bytes",
	"godwit_flight_events":                   "it is for explanations, and bounded by flight.bytes",
	"godwit_flight_evicted_total":            "it is for explanations, and bounded by flight.bytes",
	"godwit_flight_oldest_timestamp_seconds": "it is for explanations, and bounded by flight.bytes",
}

// metric is a row of the table of docs/metrics.md.
type metric struct {
	kind   string
	labels []string
}

func metrics(t *testing.T) map[string]metric {
	t.Helper()
	text, err := os.ReadFile(metricsFile)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]metric)
	for _, row := range regexp.MustCompile("(?m)^\\| `(godwit_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|").FindAllStringSubmatch(string(text), -1) {
		m := metric{kind: row[2]}
		for _, label := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(row[3], -1) {
			m.labels = append(m.labels, label[1])
		}
		all[row[1]] = m
	}
	if len(all) < 30 {
		t.Fatalf("%s has a table of %d metrics", metricsFile, len(all))
	}
	return all
}

// dashboard is the part of Grafana's model that matters here.
type dashboard struct {
	Title      string
	UID        string
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ Type, UID string }
		GridPos    struct{ H, W, X, Y int }
		Targets    []struct{ RefID, Expr, LegendFormat string }
	}
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	known := metrics(t)
	shown := make(map[string]bool)
	ids := make(map[int]bool)
	place := make(map[[2]int]string)
	variables := []string{"__rate_interval"}
	for _, v := range d.Templating.List {
		variables = append(variables, v.Name)
	}
	for _, p := range d.Panels {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q has no ID or title of its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				if other, ok := place[[2]int{x, y}]; ok || x >= 24 {
					t.Fatalf("panel %q is at %d,%d, where %q is", p.Title, x, y, other)
				}
				place[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q has the data source %+v and %d queries", p.Title, p.Datasource, len(p.Targets))
		}
		for _, target := range p.Targets {
			for _, wrong := range judge(target.Expr, target.LegendFormat, known, variables, shown) {
				t.Errorf("panel %q: %s: %s", p.Title, target.Expr, wrong)
			}
		}
	}
	for name := range known {
		if why, ok := onNoPanel[name]; shown[name] == ok {
			t.Errorf("%s: on a panel is %v, and it is left out because %q", name, shown[name], why)
		}
	}
	for name := range onNoPanel {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is left out, and is no metric", name)
		}
	}
}

var (
	selectors = regexp.MustCompile(`([a-z_][a-z0-9_]*)\{([^}]*)\}`)
	suffixes  = regexp.MustCompile(`_(bucket|sum|count)$`)
	matchers  = regexp.MustCompile(`([a-z_]+)(?:=~|!=|!~|=)"`)
	groups    = regexp.MustCompile(`\bby \(([^)]*)\)`)
	dollars   = regexp.MustCompile(`\$\{?([a-z_]+)`)
	legends   = regexp.MustCompile(`\{\{([a-z_]+)\}\}`)
)

// judge says what is wrong with a query, and notes which metrics it shows.
func judge(expr, legend string, known map[string]metric, variables []string, shown map[string]bool) (wrong []string) {
	labels := []string{"job", "instance", "le"}
	found := selectors.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		return []string{"it selects nothing"}
	}
	for _, s := range found {
		name, within := s[1], s[2]
		if !strings.HasPrefix(name, "godwit_") {
			if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
				wrong = append(wrong, name+" is no metric of the server")
			}
			continue
		}
		base := name
		if _, ok := known[base]; !ok {
			base = suffixes.ReplaceAllString(name, "")
		}
		m, ok := known[base]
		if !ok || (base != name) != (m.kind == "histogram") {
			wrong = append(wrong, name+" is no metric of the server")
			continue
		}
		shown[base] = true
		labels = append(labels, m.labels...)
		for _, l := range matchers.FindAllStringSubmatch(within, -1) {
			if !slices.Contains(append([]string{"job", "instance"}, m.labels...), l[1]) {
				wrong = append(wrong, name+" has no label "+l[1])
			}
		}
		isRate := strings.Contains(expr, "rate("+s[0]) || strings.Contains(expr, "increase("+s[0])
		if isRate != (m.kind != "gauge") {
			wrong = append(wrong, "a rate is for counters and histograms, and they are for nothing else; "+name+" is a "+m.kind)
		}
	}
	for _, g := range groups.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(g[1], ",") {
			if !slices.Contains(labels, strings.TrimSpace(label)) {
				wrong = append(wrong, "there is no label "+label)
			}
		}
	}
	for _, l := range legends.FindAllStringSubmatch(legend, -1) {
		if !slices.Contains(labels, l[1]) {
			wrong = append(wrong, "the legend names "+l[1]+", which is no label")
		}
	}
	for _, v := range dollars.FindAllStringSubmatch(expr, -1) {
		if !slices.Contains(variables, v[1]) {
			wrong = append(wrong, "there is no variable "+v[1])
		}
	}
	if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "[") != strings.Count(expr, "]") {
		wrong = append(wrong, "the brackets do not match")
	}
	return wrong
}

// The judge finds what it is there for.
func TestJudge(t *testing.T) {
	known := metrics(t)
	for expr, want := range map[string]string{
		`rate(godwit_publications_total{job="a"}[5m])`:                                       "",
		`godwit_publications_total{job="a"}`:                                                 "a rate is for",
		`rate(godwit_channels{job="a"}[5m])`:                                                 "a rate is for",
		`rate(godwit_publicationz_total{job="a"}[5m])`:                                       "is no metric",
		`rate(godwit_publications_total_bucket{job="a"}[5m])`:                                "is no metric",
		`rate(godwit_delivery_latency_seconds{job="a"}[5m])`:                                 "is no metric",
		`rate(godwit_publications_total{colour="a"}[5m])`:                                    "has no label colour",
		`sum by (colour) (rate(godwit_publications_total{job="a"}[5m]))`:                     "no label colour",
		`rate(godwit_publications_total{job="$jobs"}[5m])`:                                   "no variable jobs",
		`sum(rate(godwit_publications_total{job="a"}[5m])`:                                   "brackets",
		`node_load1{job="a"}`:                                                                "is no metric",
		`up`:                                                                                 "selects nothing",
		`sum by (le, transport) (rate(godwit_delivery_latency_seconds_bucket{job="a"}[5m]))`: "",
	} {
		wrong := strings.Join(judge(expr, "", known, nil, make(map[string]bool)), "; ")
		if (wrong == "") != (want == "") || !strings.Contains(wrong, want) {
			t.Errorf("%s: %q, want %q", expr, wrong, want)
		}
	}
	if wrong := judge(`godwit_channels{job="a"}`, "{{colour}}", known, nil, make(map[string]bool)); len(wrong) != 1 {
		t.Errorf("a legend of no label: %q", wrong)
	}
}

// What Grafana writes about one installation does not belong here.
func TestDashboardIsForEverybody(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{`"id": null`, "__inputs", "localhost", "127.0.0.1"} {
		if bytes.Contains(text, []byte(word)) {
			t.Errorf("it has %s", word)
		}
	}
}
