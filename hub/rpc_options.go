package hub

import (
	"cmp"
	"time"
)

// RPC bounds calls, see Call. The zero value of every field means its default; a
// negative number is refused. What reaches a bound is answered with
// ErrTooManyCalls at once: no call waits for another one.
type RPC struct {
	// Timeout is how long an answer may take of which the call does not say how long.
	// Default 10 seconds. TimeoutMax is the longest that a call may ask for. Default
	// 1 minute.
	Timeout    time.Duration
	TimeoutMax time.Duration

	// OpenMax bounds the calls of the hub that have no outcome yet. Default 10,000.
	// MethodOpenMax bounds those of one method. Default 1000.
	OpenMax       int
	MethodOpenMax int

	// SessionOpenMax bounds the calls of one session without an outcome, or with an outcome
	// that was not taken. Default 64.
	SessionOpenMax int

	// RegistrationsMax bounds the patterns for which one session may register. Default
	// 100. AnswererOpenMax bounds RegisterOptions.ConcurrentMax. Default 1000.
	RegistrationsMax int
	AnswererOpenMax  int

	// HandlersMax bounds the goroutines in which handlers of Hub.Handle run. Default
	// 256.
	HandlersMax int
}

// Defaults of RPC.
const (
	DefaultCallTimeout      = 10 * time.Second
	DefaultCallTimeoutMax   = time.Minute
	DefaultOpenMax          = 10_000
	DefaultMethodOpenMax    = 1000
	DefaultSessionOpenMax   = 64
	DefaultRegistrationsMax = 100
	DefaultAnswererOpenMax  = 1000
	DefaultHandlersMax      = 256

	// DefaultConcurrentMax is that of RegisterOptions.
	DefaultConcurrentMax = 64
)

// resolve fills in every default.
func (r *RPC) resolve() error {
	return cmp.Or(
		resolve("RPC.Timeout", &r.Timeout, DefaultCallTimeout),
		resolve("RPC.TimeoutMax", &r.TimeoutMax, DefaultCallTimeoutMax),
		resolve("RPC.OpenMax", &r.OpenMax, DefaultOpenMax),
		resolve("RPC.MethodOpenMax", &r.MethodOpenMax, DefaultMethodOpenMax),
		resolve("RPC.SessionOpenMax", &r.SessionOpenMax, DefaultSessionOpenMax),
		resolve("RPC.RegistrationsMax", &r.RegistrationsMax, DefaultRegistrationsMax),
		resolve("RPC.AnswererOpenMax", &r.AnswererOpenMax, DefaultAnswererOpenMax),
		resolve("RPC.HandlersMax", &r.HandlersMax, DefaultHandlersMax),
	)
}
