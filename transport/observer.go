package transport

import (
	"time"

	"github.com/godwit-io/godwit/transport/dialect"
)

// Observer is told what a Transport does. Every field may be nil. The functions
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

func (o observer) originRefused(origin, host string) {
	if o.Observer != nil && o.OriginRefused != nil {
		o.OriginRefused(origin, host)
	}
}
