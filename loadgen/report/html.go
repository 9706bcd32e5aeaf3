package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"

	"github.com/godwit-io/godwit/loadgen"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("report").Funcs(template.FuncMap{"count": func(n int64) string { return loadgen.Count(float64(n)) }}).Parse(pageSource))

type pageData struct {
	Report   *loadgen.Report
	Title    string
	Headline []figure
	Rows     []row
	Table    []row // of percentiles
	Steps    []stepRow
	Searched string
	Charts   []*chart
	Width    int
	Height   int
	Left     int
	Right    int
	Bottom   int
}

// figure is one of the few numbers that a reader looks for first.
type figure struct{ Value, Unit, Name string }

// HTML writes r as one page that needs nothing else: no network, no script, no
// other file.
func HTML(w io.Writer, r *loadgen.Report) error {
	d := pageData{
		Report: r, Rows: rows(r), Charts: charts(r), Headline: headline(r), Title: titles[r.Kind],
		Width: sheetWidth, Height: sheetHeight, Left: marginLeft, Right: sheetWidth - marginRight, Bottom: sheetHeight - marginBelow,
	}
	if r.Search != nil {
		d.Steps, d.Searched = stepRows(r.Search), searched(r.Kind, r.Search)
	}
	if l := r.Latency; l != nil {
		d.Table = []row{
			{"min", l.Min.String()}, {"mean", l.Mean.String()}, {"50 %", l.P50.String()}, {"75 %", l.P75.String()}, {"90 %", l.P90.String()},
			{"99 %", l.P99.String()}, {"99.9 %", l.P999.String()}, {"99.99 %", l.P9999.String()}, {"max", l.Max.String()},
		}
	}
	return page.Execute(w, d)
}

var titles = map[loadgen.Kind]string{
	loadgen.KindEcho: "Echo", loadgen.KindFanout: "Fan-out", loadgen.KindConnections: "Idle connections",
	loadgen.KindSSE: "Event streams", loadgen.KindPublish: "Publishing",
	loadgen.KindHandshakes: "Opening connections", loadgen.KindStorm: "Reconnect storm",
}

func headline(r *loadgen.Report) []figure {
	var list []figure
	if m := r.Messages; m != nil {
		list = append(list, figure{loadgen.Count(m.PerSecond), "/s", received(r.Kind)})
	}
	if r.Kind != loadgen.KindHandshakes {
		list = append(list, figure{loadgen.Count(float64(r.Connections.Opened)), "", population(r.Kind)})
	}
	if s := r.Server; s != nil && s.PerConnection > 0 {
		list = append(list, figure{loadgen.Bytes(s.PerConnection), "", "memory for each"})
	}
	if l := r.Latency; l != nil {
		list = append(list, figure{l.P50.String(), "", latencyName(r.Kind) + ", median"}, figure{l.P99.String(), "", latencyName(r.Kind) + ", 99 %"})
	}
	if s := r.Server; s != nil && r.Kind != loadgen.KindConnections {
		list = append(list, figure{fmt.Sprintf("%.2f", s.Cores), "cores", "server CPU"})
	}
	var errors int64
	for _, e := range r.Errors {
		errors += e.Count
	}
	return append(list, figure{loadgen.Count(float64(errors)), "", "errors"})
}
