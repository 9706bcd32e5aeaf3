package hub

import (
	"fmt"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind says what a payload is, so that every edge can present it faithfully.
type Kind uint8

const (
	Text   Kind = iota // valid UTF-8
	Binary             // any bytes
	JSON               // one valid JSON value, kept byte for byte as published
)

// Publication is one message in a channel. It is immutable once published and
// is shared by all its receivers: Data must not be modified.
type Publication struct {
	Channel  string
	Position Position

	// Previous is the offset of the publication before this one in its channel and
	// epoch: a subscriber that has seen less has missed something. It is 0 when
	// the broker holds none before it.
	Previous uint64

	Time time.Time // when the Broker accepted it, UTC
	Kind Kind
	Data []byte

	// Publisher is the ID of the session that published it, empty when it did
	// not come from a session. It is not shown to subscribers.
	Publisher string

	// Attributes are nil for a publication that has none.
	Attributes *Attributes
}

// Attributes are what a publication may have besides its payload. They are
// immutable once published.
type Attributes struct {
	// Event is a name that tells publications of one channel apart, "" for none.
	// It is none of ReservedEvents.
	Event string

	// User is the publisher. An edge sets it, and never takes it
	// from a client.
	User string

	// Key says what a publication is about: a newer one with the same Key replaces
	// it, for subscribers that want the newest state. "" for none.
	Key string

	// Exclude is the ID of a session that is not given the publication.
	Exclude string

	// Expires is when the publication is worth nothing any more to a subscriber that
	// has not got it yet: it is passed over then, with a Gap that says so. The history
	// keeps it like others. Zero is never.
	Expires time.Time

	// Shape is how the payload is to be read, by clients that can tell more of it than JSON
	// says. The edge that made the payload so sets it; a payload of another Kind than JSON
	// has none.
	Shape Shape

	// Trace is the span that the publication belongs to, as the header field
	// traceparent of W3C Trace Context has it, "" for none. The hub only carries it:
	// Observer.Publishing may replace it. It is not shown to subscribers.
	Trace string
}

// withTrace is a with Trace set, or a value that has only that.
func (a *Attributes) withTrace(trace string) *Attributes {
	var attributes Attributes
	if a != nil {
		attributes = *a
	}
	attributes.Trace = trace
	return &attributes
}

// reservedEvents are names of events that edges use themselves.
var reservedEvents = []string{"position", "gap", "end", "error", "binary", "behind"}

// ReservedEvents are the names that no event of a publication can have, because
// edges use them themselves. The caller owns the slice.
func ReservedEvents() []string { return slices.Clone(reservedEvents) }

// AttributeBytesMax is the length of the longest attribute.
const AttributeBytesMax = 255

// check returns an error that wraps ErrAttribute. The payload is valid.
func (a *Attributes) check(kind Kind, data []byte) error {
	if slices.Contains(reservedEvents, a.Event) {
		return fmt.Errorf("%w: event %s is a name that the server uses itself; choose another", ErrAttribute, quoted(a.Event))
	}
	if err := a.Shape.check(kind, data); err != nil {
		return err
	}
	for _, attribute := range [...]struct{ name, value string }{{"event", a.Event}, {"user", a.User}, {"key", a.Key}, {"exclude", a.Exclude}, {"trace", a.Trace}} {
		if problem := attributeProblem(attribute.value); problem != "" {
			return fmt.Errorf("%w: %s %s %s", ErrAttribute, attribute.name, quoted(attribute.value), problem)
		}
	}
	return nil
}

func attributeProblem(value string) string {
	if len(value) > AttributeBytesMax {
		return fmt.Sprintf("is %d bytes long; at most %d are allowed", len(value), AttributeBytesMax)
	}
	if !utf8.ValidString(value) {
		return "is not valid UTF-8"
	}
	for _, r := range value {
		if unicode.IsControl(r) {
			return fmt.Sprintf("contains the control character %U; only printable characters are allowed", r)
		}
	}
	return ""
}
