package clientproto

import (
	"strconv"

	"github.com/godwit-io/godwit/internal/jsontext"
)

// ProblemBase is what every problem type begins with.
const ProblemBase = "https://godwit.io/problems/"

// Problem is a kind of error that a client can recognise: an RFC 9457 problem
// type, of a request or of a command. Names are stable and never reused; titles and
// details are for people and may improve.
type Problem struct {
	Name   string // the end of the type URI
	Status int    // of HTTP, also where nothing but a command has it
	Title  string
	Remedy string // what a client does about it, for docs/problems.md
}

// Type is the type URI of the problem.
func (p *Problem) Type() string { return ProblemBase + p.Name }

// AppendTo appends the problem document and a line end. detail says what is wrong
// with this request and what would be right; text of the client in it must be quoted
// and bounded. extension is members to add, beginning with a comma, or nil.
func (p *Problem) AppendTo(dst []byte, detail string, extension []byte) []byte {
	dst = append(dst, `{"type":`...)
	dst = jsontext.AppendString(dst, p.Type())
	dst = append(dst, `,"title":`...)
	dst = jsontext.AppendString(dst, p.Title)
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(p.Status), 10)
	dst = append(dst, `,"detail":`...)
	dst = jsontext.AppendString(dst, detail)
	dst = append(dst, extension...)
	return append(dst, "}\n"...)
}

// Problems returns the table of problems, in the order of their statuses. It is
// shared: it must not be modified.
func Problems() []*Problem { return problems }
