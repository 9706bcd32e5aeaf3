package inspect

import "fmt"

// Grade says how bad a finding is.
type Grade uint8

const (
	OK      Grade = iota // as it should be
	Note                 // worth knowing
	Warning              // works, and will surprise somebody
	Error                // does not work, in browsers at least
)

var gradeNames = [...]string{"ok", "note", "warning", "error"}

func (g Grade) String() string { return gradeNames[g] }

// MarshalText writes the grade as its name.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText reads the name of a grade.
func (g *Grade) UnmarshalText(b []byte) error {
	for i, name := range gradeNames {
		if name == string(b) {
			*g = Grade(i)
			return nil
		}
	}
	return fmt.Errorf("inspect: there is no grade %.20q", b)
}

// Finding is something that was found out, and what follows from it.
type Finding struct {
	ID      string `json:"id"` // stable, see Catalogue
	Grade   Grade  `json:"grade"`
	Step    string `json:"step"`
	Means   string `json:"means"`             // one sentence
	Do      string `json:"do,omitempty"`      // one sentence; empty if there is nothing to do
	Example string `json:"example,omitempty"` // lines of configuration
}

// found adds a finding of the catalogue. Each ID is found once; the first text stays.
func (in *inspector) found(id, means, do string) *Finding {
	kind, ok := catalogue[id]
	if !ok {
		panic("inspect: there is no finding " + id)
	}
	for i := range in.report.Findings {
		if in.report.Findings[i].ID == id {
			return new(Finding)
		}
	}
	in.report.Findings = append(in.report.Findings, Finding{ID: id, Grade: kind.Grade, Step: kind.Step, Means: means, Do: do})
	return &in.report.Findings[len(in.report.Findings)-1]
}

// has reports whether id was found.
func (in *inspector) has(id string) bool {
	for i := range in.report.Findings {
		if in.report.Findings[i].ID == id {
			return true
		}
	}
	return false
}
