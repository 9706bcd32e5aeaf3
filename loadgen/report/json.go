package report

import (
	"encoding/json"
	"io"

	"github.com/godwit-io/godwit/loadgen"
)

// document is the JSON form of a report. Fields are only ever added.
type document struct {
	Suite string `json:"suite"`
	*loadgen.Report
}

// JSON writes r as one JSON object, indented.
func JSON(w io.Writer, r *loadgen.Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(document{Suite: "godwit bench", Report: r})
}
