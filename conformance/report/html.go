package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"time"

	"github.com/godwit-io/godwit/conformance"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"ms":    func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) },
	"share": func(n, total int) string { return fmt.Sprintf("%.3f", 100*float64(n)/float64(max(total, 1))) },
	"rsv": func(f *conformance.FrameEntry) (bits []string) {
		for i, bit := range []uint8{4, 2, 1} {
			if f.RSV&bit != 0 {
				bits = append(bits, fmt.Sprint("RSV", i+1))
			}
		}
		return bits
	},
	"arrow": arrow,
}).Parse(pageSource))

type pageData struct {
	Report   *conformance.Report
	Sentence string
	Took     string
	All      Counts
	Failed   []*conformance.Result
	Late     []*conformance.Result // that are not strict
	Table    []GroupSummary        // in the order of the catalogue
	Groups   []pageGroup           // those with failures first
	Verdicts []pageVerdict
}

type pageGroup struct {
	GroupSummary
	Results []*conformance.Result
	Open    bool
}

type pageVerdict struct {
	Name  string
	Count int
	On    bool
}

// rank is the place of a verdict among others: failures come first, and
// the rest stays together.
func rank(v conformance.Verdict) int {
	switch v {
	case conformance.Fail:
		return 0
	case conformance.NonStrict:
		return 1
	}
	return 2
}

// HTML writes r as one page that needs nothing else: no network, no other file.
// It can be read without scripts, which only filter.
func HTML(w io.Writer, r *conformance.Report) error {
	all, groups := Summarize(r)
	d := pageData{
		Report: r, Sentence: Sentence(r), Took: r.Duration.Round(10 * time.Millisecond).String(),
		All: all, Failed: of(r, conformance.Fail), Late: of(r, conformance.NonStrict), Table: groups,
	}
	for _, g := range groups {
		p := pageGroup{GroupSummary: g, Open: g.Fail+g.NonStrict > 0}
		for i := range r.Results {
			if r.Results[i].Group == g.Name {
				p.Results = append(p.Results, &r.Results[i])
			}
		}
		slices.SortStableFunc(p.Results, func(a, b *conformance.Result) int { return cmp.Compare(rank(a.Verdict), rank(b.Verdict)) })
		d.Groups = append(d.Groups, p)
	}
	slices.SortStableFunc(d.Groups, func(a, b pageGroup) int {
		return cmp.Compare(rank(a.Results[0].Verdict), rank(b.Results[0].Verdict))
	})
	for _, v := range []conformance.Verdict{conformance.Fail, conformance.NonStrict, conformance.Unsupported, conformance.Informational, conformance.Pass} {
		if n := r.Count(v); n > 0 {
			// When something is wrong, that is what the reader came for.
			on := v != conformance.Pass || all.Fail+all.NonStrict == 0
			d.Verdicts = append(d.Verdicts, pageVerdict{v.String(), n, on})
		}
	}
	return page.Execute(w, d)
}
