package transport

import (
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Observer is told what a Transport does. Every field may be nil. The functions
// are called on the path of delivery, from many goroutines: they must be quick
// and must not block.
type Observer struct {
	// Published is called for every publication a client made: over which
	// transport, how long its payload is, and how long the hub and its broker
	// took. Duplicates of an idempotent publish are not reported.
	Published func(transport string, bytes int, took time.Duration)

	// Delivered is called when publications were written to a client: how many,
	// how many bytes of encoding, and how long ago the oldest of them was
	// accepted by the broker. Replays say nothing about how quick delivery is;
	// for a batch of nothing else latency is negative.
	Delivered func(transport string, n, bytes int, latency time.Duration)

	// Ended is called when a WebSocket or a stream is over.
	Ended func(transport string, end End)
}

// End says why a WebSocket or a stream was over.
type End string

// The reasons of an End.
const (
	EndClient   End = "client"   // the client left
	EndShutdown End = "shutdown" // the hub is going away
	EndSlow     End = "slow"     // the client did not read within WriteTimeout
	EndLost     End = "lost"     // position lost on a bare WebSocket
	EndRefused  End = "refused"  // the client sent something that may not be published
	EndFailure  End = "failure"  // the broker failed
)

// observer is an *Observer that may be nil.
type observer struct{ *Observer }

func (o observer) published(transport string, bytes int, start time.Time) {
	if o.Observer != nil && o.Published != nil {
		o.Published(transport, bytes, time.Since(start))
	}
}

// batch adds up what one write delivers.
type batch struct {
	n, bytes int
	oldest   time.Time // of the publications newer than the session, zero if none
}

// add counts p, which left as size bytes to a session that began at since.
func (b *batch) add(p *hub.Publication, size int, since time.Time) {
	b.n++
	b.bytes += size
	if !p.Time.Before(since) && (b.oldest.IsZero() || p.Time.Before(b.oldest)) {
		b.oldest = p.Time
	}
}

func (o observer) delivered(transport string, b batch) {
	if o.Observer == nil || o.Delivered == nil || b.n == 0 {
		return
	}
	latency := time.Duration(-1)
	if !b.oldest.IsZero() {
		latency = max(0, time.Since(b.oldest))
	}
	o.Delivered(transport, b.n, b.bytes, latency)
}

func (o observer) ended(transport string, end End) {
	if o.Observer != nil && o.Ended != nil {
		o.Ended(transport, end)
	}
}
