package report

import (
	"encoding/json"
	"io"

	"github.com/godwit-io/godwit/conformance"
)

// document is the JSON form of a report. Fields are only ever added.
type document struct {
	Suite  string         `json:"suite"`
	Counts Counts         `json:"counts"`
	Groups []GroupSummary `json:"groups"`
	*conformance.Report
}

// JSON writes r as one JSON object, indented.
func JSON(w io.Writer, r *conformance.Report) error {
	d := document{Suite: "godwit conform", Report: r}
	d.Counts, d.Groups = Summarize(r)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
