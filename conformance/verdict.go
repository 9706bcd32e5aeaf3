package conformance

import (
	"fmt"
	"time"
)

// Verdict is what became of a case.
type Verdict uint8

// The verdicts, from the best to the worst. A case that observes several keeps
// the worst.
const (
	// Pass: the peer did what the specification says.
	Pass Verdict = iota
	// Informational: the specification leaves it open; the detail says what the
	// peer does.
	Informational
	// Unsupported: the peer does not have what the case is about, and need not.
	Unsupported
	// NonStrict: the peer departs from the specification in a way that does no
	// harm, such as failing late or with another close code.
	NonStrict
	// Fail: the peer does what it must not, or does not do what it must.
	Fail
)

var verdictNames = [...]string{"pass", "informational", "unsupported", "non-strict", "fail"}

// Verdicts lists all verdicts in the order of their declaration.
func Verdicts() []Verdict { return []Verdict{Pass, Informational, Unsupported, NonStrict, Fail} }

func (v Verdict) String() string {
	if int(v) < len(verdictNames) {
		return verdictNames[v]
	}
	return fmt.Sprintf("verdict %d", uint8(v))
}

// MarshalText writes the verdict as its name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the name of a verdict.
func (v *Verdict) UnmarshalText(b []byte) error {
	for i, name := range verdictNames {
		if name == string(b) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("conformance: there is no verdict %.20q", b)
}

// Result is the outcome of one case.
type Result struct {
	ID      string  `json:"id"`
	Group   string  `json:"group"`
	Checks  string  `json:"checks"`
	Section string  `json:"section"`
	Verdict Verdict `json:"verdict"`

	// Detail says what was seen, in one sentence or a few. It is empty for most
	// passes. Text of the peer in it is quoted, truncated and in ASCII.
	Detail string `json:"detail,omitempty"`

	// Duration is how long the case took.
	Duration time.Duration `json:"duration_ns"`

	// Log is what went over the wire, kept unless the case passed. Of a long
	// dialogue it has the beginning and the end.
	Log []Entry `json:"log,omitempty"`
}

// Report is the outcome of a run. Results are in the order of the cases.
type Report struct {
	Role     Role          `json:"role"`
	Target   string        `json:"target"` // the URL of the server, or how the client calls itself
	Started  time.Time     `json:"started"`
	Duration time.Duration `json:"duration_ns"`
	Results  []Result      `json:"results"`

	// Interrupted says that the run ended before all cases had run. Those that
	// had not are missing.
	Interrupted bool `json:"interrupted"`

	// Suspects are the cases that had begun last when a server stopped accepting
	// connections: one of them probably ended it.
	Suspects []string `json:"suspects,omitempty"`
}

// Count returns how many results have verdict v.
func (r *Report) Count(v Verdict) int {
	n := 0
	for i := range r.Results {
		if r.Results[i].Verdict == v {
			n++
		}
	}
	return n
}

// OK reports whether all cases ran and none failed.
func (r *Report) OK() bool { return !r.Interrupted && r.Count(Fail) == 0 }
