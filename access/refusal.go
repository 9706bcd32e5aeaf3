package access

import "time"

// Refusal is an error that says why a client is refused, in a way that it may be
// told.
type Refusal struct {
	Cause  Cause
	Reason string // for the client: the fault, and how to mend it

	// RetryAfter is when it may be tried again, with TooMany and Unavailable.
	RetryAfter time.Duration
}

// Cause is the kind of a Refusal.
type Cause uint8

// The causes.
const (
	Unauthenticated Cause = iota + 1 // the identity is not known or not proven: 401
	Expired                          // it was known, until now: 401
	Denied                           // it is known, and may not: 403
	TooMany                          // too often, or too many at once: 429
	Unavailable                      // it cannot be decided now: 503
)

// Error is the reason.
func (r *Refusal) Error() string { return r.Reason }
