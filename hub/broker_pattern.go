package hub

import "context"

// PatternBroker is a Broker that can deliver the publications of every channel that a
// pattern matches, see CheckPattern. Without it a session cannot subscribe to patterns:
// the answer is ErrNotSupported.
type PatternBroker interface {
	Broker

	// ListenPattern begins delivery to the Receiver of the publications of every channel
	// that pattern matches now or later: all that are accepted after it has returned
	// are delivered, or announced by Receiver.Lost. MutePattern ends it. Both are
	// idempotent; a delivery under way may still arrive after MutePattern.
	//
	// A publication that several patterns and a Listen match is delivered once. The end of
	// one of them leaves the deliveries for the others alone, also those under way.
	ListenPattern(ctx context.Context, pattern string) error
	MutePattern(ctx context.Context, pattern string) error
}
