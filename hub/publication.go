package hub

import "time"

// Kind says what a payload is, so that every edge can present it faithfully.
type Kind uint8

const (
	Text   Kind = iota // valid UTF-8
	Binary             // any bytes
	JSON               // one valid JSON value, kept byte for byte as published
)

// Publication is one message in a channel. It is immutable once published and
// is shared by everyone it is delivered to: nobody may modify Data.
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
}

// Gap tells a subscriber what could not be delivered: everything after From,
// up to and including To. When the epochs differ, the history that From belongs
// to no longer exists, and how much was lost cannot be known.
type Gap struct {
	From Position // the last position the subscriber had
	To   Position // the last position it will not be given
}
