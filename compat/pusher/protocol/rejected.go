package protocol

import (
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// Rejected is the dialect of a connection that is accepted only to be told why it is
// not wanted: a browser shows nobody the status of a handshake that was refused.
type Rejected struct {
	code     int
	reason   string
	compress bool
}

// NewRejected returns the dialect, for a code of the protocol.
func NewRejected(code int, reason string) *Rejected { return &Rejected{code: code, reason: reason} }

// Transport implements dialect.Dialect.
func (*Rejected) Transport() string { return Transport }

// Subprotocols implements dialect.OverSocket.
func (*Rejected) Subprotocols() []string { return nil }

// Agree implements dialect.OverSocket.
func (d *Rejected) Agree(_ string, isCompressed bool) { d.compress = isCompressed }

// Begin says why, and ends the connection.
func (d *Rejected) Begin(_ time.Time, out *dialect.Effects) {
	out.Answer = &dialect.Answer{Status: 101}
	s := Socket{compress: d.compress}
	s.close(d.code, d.reason, dialect.EndRefused, out)
}

// Receive is not called: the conversation is over.
func (*Rejected) Receive(time.Time, dialect.Frame, *dialect.Effects) {}

// Push is not called.
func (*Rejected) Push(time.Time, []hub.Push, *dialect.Effects) {}

// End is not called.
func (*Rejected) End(error, *dialect.Effects) {}

// Deadline is never.
func (*Rejected) Deadline() time.Time { return time.Time{} }

// Expire is not called.
func (*Rejected) Expire(time.Time, *dialect.Effects) {}
