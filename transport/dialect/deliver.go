package dialect

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Deliver hands the content of a request to a session that is on another carrier: the
// way up for carriers that can only be read. The answer is 202; the outcomes of the
// commands are told in the session.
type Deliver struct {
	listener
	content []byte
}

// NewDeliver returns the dialect. SetContent gives it the commands.
func NewDeliver() *Deliver { return &Deliver{} }

// SetContent gives it the commands, which it keeps.
func (d *Deliver) SetContent(content []byte) { d.content = content }

// Transport implements Dialect.
func (d *Deliver) Transport() string { return "post" }

// Begin hands them in.
func (d *Deliver) Begin(_ time.Time, out *Effects) {
	out.Commands = append(out.Commands, Command{Kind: CommandDeliver, Tag: tagBegin, Data: d.content})
}

// Push answers.
func (d *Deliver) Push(_ time.Time, pushes []hub.Push, out *Effects) {
	if len(pushes) == 0 {
		return
	}
	out.Closing = &Closing{End: EndClient}
	if err := pushes[0].Outcome.Err; err != nil {
		out.Answer = &Answer{Err: err}
		return
	}
	out.Answer = &Answer{Status: 202, IsWhole: true}
}

// End implements Dialect. Whether the commands were read is not known.
func (d *Deliver) End(reason error, out *Effects) {
	out.Answer = &Answer{Err: reason}
	out.Closing = &Closing{End: endOf(reason)}
}

// Deadline is never.
func (d *Deliver) Deadline() time.Time { return time.Time{} }

// Expire is never called.
func (d *Deliver) Expire(time.Time, *Effects) {}
