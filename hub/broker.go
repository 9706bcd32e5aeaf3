package hub

import (
	"context"
	"time"
)

// Broker keeps the histories of channels and carries publications between
// everything that publishes and every Hub that listens. Package brokertest is
// the contract in executable form.
//
// Publish never waits: its outcome comes through a Completer. Listen, Mute and
// History may take a network's time. The Hub calls them from goroutines of its
// own, a bounded number of them, with a context that ends after CallTimeout; they
// return when it does. A panic there is an error of the call, and is logged. A
// Broker in this process can save the Hub that, see ImmediateBroker.
//
// All methods are safe for concurrent use, but none may be called from
// Receiver.Receive except History and Publish.
type Broker interface {
	// Start sets the Receiver. It is called once, before any other method.
	Start(Receiver) error

	// Publish gives m the next position in its channel, adds it to the history
	// that retention allows, and then arranges for its delivery to the Receiver
	// of every Hub that listens to the channel: a delivered publication can be read already.
	// The broker keeps m.Data; the caller must not modify it afterwards.
	//
	// Publish returns at once, and calls to.Published with ticket once: before it
	// returns, or later and from any goroutine. Of calls for one channel that are
	// made one after another, the positions ascend in the order of the calls. A
	// broker that accepts faster than it delivers answers later, which is the
	// brake on its publishers.
	//
	// When the outcome is an error, m may still have been published if the error
	// is one of a network or of a time-out, and never otherwise.
	//
	// If m.IdempotencyKey is not empty and was seen in this channel within the
	// broker's idempotency window, nothing is published and the outcome is the
	// position of the first publication, with Duplicate set. Of concurrent calls
	// with one key, one publishes.
	Publish(m Message, retention Retention, to Completer, ticket uint64)

	// Listen begins delivery of the channel's publications to the Receiver, and
	// returns the newest position of the channel, read after delivery began:
	// every publication after it is delivered, or announced by Receiver.Lost.
	// Mute ends it. Both are idempotent; a delivery under way may still arrive
	// after Mute.
	Listen(ctx context.Context, channel string) (Position, error)
	Mute(ctx context.Context, channel string) error

	// History reads the publications q asks for, oldest first. A channel that
	// was never heard of has an empty history. What this broker has delivered or
	// acknowledged before the call is found, unless it was not kept.
	History(ctx context.Context, channel string, q Query) (Page, error)

	// Close ends all deliveries, waits for one under way, sees that no publication
	// is left without an outcome, and releases what the broker holds. Every later
	// call answers ErrClosed, also a second Close.
	Close() error
}

// ImmediateBroker is a Broker whose methods never wait, because everything is in
// this process. The Hub then calls them where it stands, without a goroutine.
type ImmediateBroker interface {
	Broker

	// IsImmediate reports whether that is so now. It may change, at any time: a method
	// that was called before it did may then wait, and the caller with it. It must
	// be quick, and is asked with every publication.
	IsImmediate() bool
}

// TransientBroker is a Broker whose histories begin with it and hold nothing published before.
type TransientBroker interface {
	Broker

	// Began is when that was. A client of a pattern whose Vector is older may have missed
	// something in channels that the Vector does not name, and is told so.
	Began() time.Time
}

// HealthBroker is a Broker that knows how it is.
type HealthBroker interface {
	Broker

	// Health returns nil while the broker can serve, and otherwise the error.
	// It may take a network's time, until ctx is done.
	Health(ctx context.Context) error
}

// Completer is told what became of a publication. See Broker.Publish.
type Completer interface {
	// Published is called once for each ticket, with no lock of the broker held.
	// It does not block. A call with a ticket that is not known, or was answered
	// already, is ignored.
	Published(ticket uint64, p Published)
}

// Published is the outcome of publishing. Without Err it was accepted by the
// Broker, which does not mean that anyone has received it.
type Published struct {
	Position  Position // of the publication, or of the first one with its idempotency key
	Duplicate bool     // nothing was published: the idempotency key has been seen
	Err       error
}

// Receiver is given publications by a Broker.
type Receiver interface {
	// Receive takes a publication. For one channel the calls come one at a time
	// and in the order of positions. It does not block, and it is never called
	// with a lock of the broker held.
	Receive(*Publication)

	// Lost says that publications of a channel may have been accepted and not
	// delivered: after a connection broke, for example. An empty name says it of
	// every channel. Subscribers then read the history once, each from where it
	// is. A Broker that can repair a loss itself, once for the channel, delivers the missed
	// publications instead. Lost does not block.
	Lost(channel string)
}

// Message is what a publisher hands to a Broker.
type Message struct {
	Channel        string
	Kind           Kind
	Data           []byte
	Publisher      string      // see Publication.Publisher
	IdempotencyKey string      // at most IdempotencyKeyBytesMax bytes of printable ASCII; empty for none
	Attributes     *Attributes // nil for none
}

// Retention says how much of a channel's history to keep. A publication is held
// until it is older than Age, or Count newer ones exist, or a newer one is no
// longer held: there are no holes in a history.
type Retention struct {
	Count int           // 0 keeps no history
	Age   time.Duration // 0 keeps no history

	// KeyAge is how long the Broker remembers the idempotency key of a publication. 0
	// is what the Broker does by itself.
	KeyAge time.Duration
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
	// Publications are oldest first. The slice is the caller's, the publications are shared.
	Publications []*Publication

	// Position is where the page ends: asking for what came after it continues
	// without a gap. For a page that was not cut by Limit it is the channel's
	// newest position, also when the page is empty.
	Position Position

	// Begin is where the page begins: the position just before its first
	// publication, or Position when it is empty. Asking for what came after it
	// gives this page again.
	Begin Position

	// WholeAfter is set by a Broker that knows it for a page that asked from the oldest: no
	// publication accepted after that time is missing before the page. Zero is unknown.
	WholeAfter time.Time

	// Gap is set when publications after Query.Since could not be served: some
	// are not held any more, or Since is of another epoch or newer than the
	// channel's newest. The page then begins with the oldest that is held, and
	// Gap.To is Begin.
	Gap *Gap
}
