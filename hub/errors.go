package hub

import (
	"errors"
	"fmt"
)

// Errors of publishing.
var (
	ErrTooLarge       = errors.New("hub: publication too large")
	ErrTextNotUTF8    = errors.New("hub: text publication is not valid UTF-8")
	ErrNotJSON        = errors.New("hub: JSON publication is not one valid JSON value in UTF-8")
	ErrAttribute      = errors.New("hub: attribute of a publication cannot be used")
	ErrKind           = errors.New("hub: unknown kind of publication")
	ErrUnanswered     = errors.New("hub: the broker did not answer in time; it is not known whether this was published")
	ErrIdempotencyKey = errors.New("hub: idempotency key is not 1 to 255 printable ASCII characters")
)

// Errors of subscribing.
var (
	ErrSubscribed           = errors.New("hub: session is subscribed to this channel already")
	ErrUnsubscribed         = errors.New("hub: unsubscribed before the subscription began")
	ErrTooManySubscriptions = errors.New("hub: session has too many subscriptions")

	// ErrRemoved is a reason for Session.Remove that says nothing else.
	ErrRemoved = errors.New("hub: unsubscribed by the server")
)

// Reasons for which a session ended, and answers of a hub that is ending.
var (
	// ErrShutdown means that the server is going away and the client should
	// come back, to it or to another.
	ErrShutdown = errors.New("hub: shutting down")

	// ErrClosed means that a Session, Hub or Broker was closed.
	ErrClosed = errors.New("hub: closed")
)

// ErrTooManyCommands ends a session whose edge goes on handing in commands while
// Session.IsBusy.
var ErrTooManyCommands = errors.New("hub: too many commands without an outcome")

// ErrSessionID is the answer of Hub.Restore to an ID that no session can have.
var ErrSessionID = errors.New("hub: this is no ID of a session")

// ErrTooManyChannels is a Broker's answer when it would have to hold the state
// of one more channel than its limit allows.
var ErrTooManyChannels = errors.New("hub: too many channels")

// brokerError gives an error of the Broker the hub's prefix, once: the
// sentinels of this package have it already.
func brokerError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrClosed):
		return ErrClosed
	case errors.Is(err, ErrTooManyChannels), err == ErrUnanswered:
		return err
	}
	return fmt.Errorf("hub: broker: %w", err)
}
