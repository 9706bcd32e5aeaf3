package transport

import (
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
)

// Observer is told of the acts of a Transport. Every field may be nil. The functions
// are called on the path of delivery, from many goroutines: they must be quick
// and must not block.
type Observer struct {
	// Delivered is called when publications were written to a client: how many,
	// how many bytes of encoding, and how long ago the oldest of them was
	// accepted by the broker. Replays say nothing about how quick delivery is;
	// for a batch of nothing else latency is negative.
	Delivered func(transport string, n, bytes int, latency time.Duration)

	// Ended is called when a WebSocket or a stream is over.
	Ended func(transport string, end End)

	// SessionRefused is called when a session must not begin because of
	// Options.SessionsPerSecond.
	SessionRefused func(transport string)

	// Disconnected is called when the connection of a session is over, which Ended is told
	// of: with the session's ID, "" if it had none, and of a WebSocket the *ws.CloseError or
	// another error, nil if there was none. The session may have ended before.
	Disconnected func(session string, end End, err error)

	// Suspended is called when a session of ConnectPath has lost its carrier and waits for
	// another, after Disconnected; not between two polls, or when another has taken it over.
	Suspended func(session string)

	// Resumed is called with what became of the wish of a client to go on with a session.
	// With SessionUnknown, session is that of the new one.
	Resumed func(session string, how Resumption)

	// InboxRefused is called when commands are refused that came by a request of their own,
	// because too many wait for the session that they are for.
	InboxRefused func()

	// OriginRefused is called when a page of another origin is refused, with what
	// its request said; origin is "" if it did not say.
	OriginRefused func(origin, host string)
}

// End says why a WebSocket or a stream was over.
type End = dialect.End

// The reasons of an End.
const (
	EndClient   = dialect.EndClient
	EndShutdown = dialect.EndShutdown
	EndSlow     = dialect.EndSlow
	EndLost     = dialect.EndLost
	EndRefused  = dialect.EndRefused
	EndFailure  = dialect.EndFailure
)

// Resumption says what became of the wish of a client to go on with a session.
type Resumption string

// The outcomes.
const (
	SessionResumed   Resumption = "resumed"    // it had no carrier
	SessionTakenOver Resumption = "taken-over" // it still had another one
	SessionUnknown   Resumption = "unknown"    // it is not here, or is another client's: a new one begins
)

// observer is an *Observer that may be nil.
type observer struct{ *Observer }

func (o observer) delivered(transport string, b dialect.Batch) {
	if o.Observer == nil || o.Delivered == nil || b.N == 0 {
		return
	}
	latency := time.Duration(-1)
	if !b.Oldest.IsZero() {
		latency = max(0, time.Since(b.Oldest))
	}
	o.Delivered(transport, b.N, b.Bytes, latency)
}

func (o observer) ended(transport string, end End) {
	if o.Observer != nil && o.Ended != nil {
		o.Ended(transport, end)
	}
}

func (o observer) sessionRefused(transport string) {
	if o.Observer != nil && o.SessionRefused != nil {
		o.SessionRefused(transport)
	}
}

func (o observer) disconnected(session string, end End, err error) {
	if o.Observer != nil && o.Disconnected != nil {
		o.Disconnected(session, end, err)
	}
}

func (o observer) suspended(session string) {
	if o.Observer != nil && o.Suspended != nil {
		o.Suspended(session)
	}
}

func (o observer) resumed(session string, how Resumption) {
	if o.Observer != nil && o.Resumed != nil {
		o.Resumed(session, how)
	}
}

func (o observer) inboxRefused() {
	if o.Observer != nil && o.InboxRefused != nil {
		o.InboxRefused()
	}
}

func (o observer) originRefused(origin, host string) {
	if o.Observer != nil && o.OriginRefused != nil {
		o.OriginRefused(origin, host)
	}
}
