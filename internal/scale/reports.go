package scale

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// suites name the two kinds of documents that ParseFigures reads.
const (
	suiteBench = "godwit bench"
	suitePlan  = "godwit plan"
)

// report has the fields used of a report of `godwit bench --json`.
type report struct {
	Suite string `json:"suite"`
	Kind  string `json:"kind"`

	Load struct {
		Connections int `json:"connections"`
		Size        int `json:"size"`
	} `json:"load"`
	Connections struct {
		AtEnd int `json:"at_end"`
	} `json:"connections"`
	Messages *struct {
		PerSecond float64 `json:"per_second"`
	} `json:"messages"`
	Server *struct {
		CPUPerItem    float64 `json:"cpu_us_per_item"`
		PerConnection float64 `json:"bytes_per_connection"`
	} `json:"server"`

	Figures json.RawMessage `json:"figures"` // of suitePlan
}

// ParseFigures reads a document, or several one behind another: reports of `godwit bench --json`, and figures
// as AppendFigures writes them. Their values replace those in f; deliveries of reports
// replace all of f's together. It returns a *FiguresError.
func ParseFigures(f Figures, b []byte) (Figures, error) {
	decoder := json.NewDecoder(bytes.NewReader(b))
	var deliveries []Delivery
	for n := 1; ; n++ {
		var r report
		err := decoder.Decode(&r)
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return f, &FiguresError{"there is nothing"}
			}
			break
		}
		if err != nil {
			return f, &FiguresError{fmt.Sprintf("document %d is no JSON: %v", n, err)}
		}
		switch r.Suite {
		case suitePlan:
			var own Figures
			d := json.NewDecoder(bytes.NewReader(r.Figures))
			d.DisallowUnknownFields()
			if err := d.Decode(&own); err != nil {
				return f, &FiguresError{fmt.Sprintf("document %d: figures: %v", n, err)}
			}
			f = own
		case suiteBench:
			if err := r.apply(&f, &deliveries); err != nil {
				return f, &FiguresError{fmt.Sprintf("document %d, a report of bench %.20q: %v", n, r.Kind, err)}
			}
		default:
			return f, &FiguresError{fmt.Sprintf("document %d is of %.30q and no report of %q", n, r.Suite, suiteBench)}
		}
	}
	if len(deliveries) > 0 {
		slices.SortFunc(deliveries, func(a, b Delivery) int {
			switch {
			case a.PerSecond < b.PerSecond:
				return -1
			case a.PerSecond > b.PerSecond:
				return 1
			}
			return 0
		})
		f.Deliveries = slices.CompactFunc(deliveries, func(a, b Delivery) bool { return a.PerSecond == b.PerSecond })
	}
	return f, f.Check()
}

// apply takes what a report has.
func (r *report) apply(f *Figures, deliveries *[]Delivery) error {
	if r.Server == nil {
		return errors.New("it does not say what the server used; it has to be on the same machine, or --metrics given")
	}
	from := ""
	switch r.Kind {
	case "connections":
		if r.Server.PerConnection <= 0 {
			return errors.New("it does not say what a connection takes")
		}
		f.ConnectionBytes = r.Server.PerConnection
		from = fmt.Sprintf("memory of a connection: bench connections, %d of them", r.Connections.AtEnd)
	case "fanout", "sse":
		if r.Messages == nil || r.Messages.PerSecond <= 0 || r.Server.CPUPerItem <= 0 || r.Connections.AtEnd <= 0 {
			return errors.New("it does not say what a delivery takes")
		}
		rate := r.Messages.PerSecond / float64(r.Connections.AtEnd)
		*deliveries = append(*deliveries, Delivery{PerSecond: rate, Micros: r.Server.CPUPerItem})
		from = fmt.Sprintf("a delivery: bench %s, %d connections, %.3g deliveries a second to each", r.Kind, r.Connections.AtEnd, rate)
	case "publish":
		if r.Server.CPUPerItem <= 0 {
			return errors.New("it does not say what a publication takes")
		}
		f.PublishMicros = r.Server.CPUPerItem
		from = "a publication: bench publish"
	default:
		return errors.New("it is not about connections, deliveries or publications: connections, fanout, sse and publish are")
	}
	f.From = append(slices.Clone(f.From), from)
	return nil
}

// AppendFigures appends figures as JSON that ParseFigures reads, indented.
func AppendFigures(dst []byte, f *Figures) []byte {
	b, err := json.MarshalIndent(struct {
		Suite   string   `json:"suite"`
		Figures *Figures `json:"figures"`
	}{suitePlan, f}, "", "  ")
	if err != nil { // a number that JSON does not have: Check refuses it
		return dst
	}
	return append(append(dst, b...), '\n')
}
