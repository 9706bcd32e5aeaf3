package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-io/godwit/conformance"
)

// GroupSummary counts the results of one group.
type GroupSummary struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Counts
}

// Counts says how many results there are of each verdict.
type Counts struct {
	Total         int `json:"total"`
	Pass          int `json:"pass"`
	Informational int `json:"informational"`
	Unsupported   int `json:"unsupported"`
	NonStrict     int `json:"non_strict"`
	Fail          int `json:"fail"`
}

func (c *Counts) add(v conformance.Verdict) {
	c.Total++
	switch v {
	case conformance.Pass:
		c.Pass++
	case conformance.Informational:
		c.Informational++
	case conformance.Unsupported:
		c.Unsupported++
	case conformance.NonStrict:
		c.NonStrict++
	case conformance.Fail:
		c.Fail++
	}
}

// Summarize counts the results of r, in all and by group. Groups without a
// result are left out.
func Summarize(r *conformance.Report) (all Counts, groups []GroupSummary) {
	at := map[string]int{}
	for _, g := range conformance.Groups() {
		at[g.Name] = len(groups)
		groups = append(groups, GroupSummary{Name: g.Name, Title: g.Title})
	}
	for i := range r.Results {
		result := &r.Results[i]
		all.add(result.Verdict)
		n, ok := at[result.Group]
		if !ok {
			n = len(groups)
			at[result.Group] = n
			groups = append(groups, GroupSummary{Name: result.Group, Title: result.Group})
		}
		groups[n].add(result.Verdict)
	}
	kept := groups[:0]
	for _, g := range groups {
		if g.Total > 0 {
			kept = append(kept, g)
		}
	}
	return all, kept
}

// of returns the results with a verdict, in their order.
func of(r *conformance.Report, v conformance.Verdict) []*conformance.Result {
	var list []*conformance.Result
	for i := range r.Results {
		if r.Results[i].Verdict == v {
			list = append(list, &r.Results[i])
		}
	}
	return list
}

// namedMax is how many failures the last line of a summary names.
const namedMax = 10

// Text writes a summary for a terminal: failures, non-strict cases, a table
// of groups, a sentence, and the names of what failed once more, since the first
// of it may have scrolled away.
func Text(w io.Writer, r *conformance.Report) error {
	var b strings.Builder
	all, groups := Summarize(r)
	failed := of(r, conformance.Fail)
	if len(failed) > 0 {
		fmt.Fprintf(&b, "%d OF %s FAILED\n\n", len(failed), strings.ToUpper(cases(all.Total)))
		explain(&b, failed)
	}
	if late := of(r, conformance.NonStrict); len(late) > 0 {
		fmt.Fprintf(&b, "%d NOT STRICT, which is no failure\n\n", len(late))
		explain(&b, late)
	}
	fmt.Fprintf(&b, "%-22s %6s %6s %6s %10s %6s %6s\n", "", "cases", "pass", "fail", "non-strict", "unsup.", "info")
	for _, g := range groups {
		row(&b, g.Title, &g.Counts)
	}
	row(&b, "all", &all)
	b.WriteString("\n" + Sentence(r) + "\n")
	if len(failed) > 0 {
		var names []string
		for _, c := range failed[:min(len(failed), namedMax)] {
			names = append(names, c.ID)
		}
		b.WriteString("Failed: " + strings.Join(names, ", "))
		if more := len(failed) - namedMax; more > 0 {
			fmt.Fprintf(&b, " and %d more", more)
		}
		b.WriteString(".\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// explain says of each result what was checked and what was seen.
func explain(b *strings.Builder, list []*conformance.Result) {
	for _, c := range list {
		fmt.Fprintf(b, "%-10s  %s\n            %s (%s)\n            %s\n", strings.ToUpper(c.Verdict.String()), c.ID, c.Checks, c.Section, c.Detail)
	}
	b.WriteByte('\n')
}

func cases(n int) string {
	if n == 1 {
		return "1 case"
	}
	return fmt.Sprint(n, " cases")
}

func row(b *strings.Builder, title string, c *Counts) {
	number := func(n int) string {
		if n == 0 {
			return "·"
		}
		return fmt.Sprint(n)
	}
	fmt.Fprintf(b, "%-22s %6d %6d %6s %10s %6s %6s\n", title, c.Total, c.Pass, number(c.Fail), number(c.NonStrict), number(c.Unsupported), number(c.Informational))
}

// Sentence sums r up.
func Sentence(r *conformance.Report) string {
	all, _ := Summarize(r)
	s := fmt.Sprintf("%s against the %s %s in %s: ", cases(all.Total), r.Role, r.Target, r.Duration.Round(10*time.Millisecond))
	if all.Fail > 0 {
		s += fmt.Sprintf("%d failed", all.Fail)
	} else {
		s += "none failed"
	}
	for _, c := range []struct {
		n    int
		what string
	}{{all.NonStrict, "not strict"}, {all.Unsupported, "unsupported"}, {all.Informational, "informational"}, {all.Pass, "passed"}} {
		if c.n > 0 {
			s += fmt.Sprintf(", %d %s", c.n, c.what)
		}
	}
	s += "."
	switch {
	case len(r.Suspects) > 0:
		s += " The server stopped accepting connections and the run was given up; one of these cases may have ended it: " + strings.Join(r.Suspects, ", ") + "."
	case r.Interrupted:
		s += " The run was interrupted before all cases had run."
	}
	return s
}
