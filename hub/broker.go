package hub

import (
	"context"
	"time"
)

// Broker keeps the histories of channels and carries publications between
// everything that publishes and every Hub that listens. Package brokertest is
// the contract in executable form.
//
// All methods are safe for concurrent use, but none may be called from
// Receiver.Receive except History.
type Broker interface {
	// Publish gives m the next position in its channel, adds it to the history
	// that retention allows, and then arranges for its delivery to the Receiver
	// of every Hub that listens to the channel: what is delivered can be read
	// already. The broker keeps m.Data; the caller must not modify it
	// afterwards. When an error is returned, it may still have been published
	// if the error is one of ctx or of a network, and never otherwise.
	//
	// If m.IdempotencyKey is not empty and was seen in this channel within the
	// broker's idempotency window, nothing is published and the position of the
	// first publication is returned with duplicate set. Of concurrent calls
	// with one key, one publishes.
	Publish(ctx context.Context, m Message, retention Retention) (pos Position, duplicate bool, err error)

	// Listen begins delivery of the channel's publications to the Receiver:
	// every publication accepted after Listen returned is delivered. Mute ends
	// it. Both are idempotent; a delivery under way may still arrive after Mute.
	Listen(ctx context.Context, channel string) error
	Mute(ctx context.Context, channel string) error

	// History reads the publications q asks for, oldest first. A channel that
	// was never heard of has an empty history.
	History(ctx context.Context, channel string, q Query) (Page, error)

	// Start sets the Receiver. It is called once, before any other method.
	Start(Receiver) error

	// Close ends all deliveries, waits for one under way, and releases what the
	// broker holds. Every later call answers ErrClosed, also a second Close.
	Close() error
}

// Receiver is given publications by a Broker. For one channel the calls come
// one at a time and in the order of positions. It does not block, and it is
// never called with a lock of the broker held.
type Receiver interface {
	Receive(*Publication)
}

// Message is what a publisher hands to a Broker.
type Message struct {
	Channel        string
	Kind           Kind
	Data           []byte
	Publisher      string // see Publication.Publisher
	IdempotencyKey string // at most IdempotencyKeyBytesMax bytes of printable ASCII; empty for none
}

// Retention says how much of a channel's history to keep. A publication is held
// until it is older than Age, or Count newer ones exist, or a newer one is no
// longer held: there are no holes in a history.
type Retention struct {
	Count int           // 0 keeps no history
	Age   time.Duration // 0 keeps no history
}

// Query selects a part of a channel's history.
type Query struct {
	// Since asks for what came after this position. The zero Position asks
	// from the oldest that is held.
	Since Position

	// Last, when positive and Since is zero, asks for only the newest Last
	// publications.
	Last int

	// Limit, when positive, ends the page after that many publications.
	Limit int
}

// Page is a run of a channel's history with nothing missing inside it.
type Page struct {
	// Publications are oldest first. The slice is the caller's, what it points
	// to is shared.
	Publications []*Publication

	// Position is where the page ends: asking for what came after it continues
	// without a gap. For a page that was not cut by Limit it is the channel's
	// newest position, also when the page is empty.
	Position Position

	// Gap is set when publications after Query.Since could not be served: some
	// are not held any more, or Since is of another epoch or newer than the
	// channel's newest. The page then begins with the oldest that is held, and
	// Gap.To is just before it, or the newest position when none is held.
	Gap *Gap
}
