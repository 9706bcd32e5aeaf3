package conformance

import (
	"crypto/tls"
	"net/http"
	"time"
)

// The defaults of Options.
const (
	DefaultTimeout = 5 * time.Second
	DefaultJobs    = 16
)

// slowFactor is how much longer than Timeout a case may take that moves many
// bytes or waits on purpose.
const slowFactor = 6

// Options configures a run. The zero value works.
type Options struct {
	// Only and Skip choose cases, see Select.
	Only, Skip []string

	// Timeout is how long one case may take, and so how long the peer may take to
	// react. A few cases that move megabytes get six times as much, and what should
	// be noticed at once may take a fifth of it, but a second at least. Default 5 s.
	Timeout time.Duration

	// Jobs is how many cases run at once. Default 16. A client under test decides
	// itself how many connections it makes; it is held to 64.
	Jobs int

	// Seed varies masks and random payloads. Runs with the same seed, also 0,
	// send the same bytes.
	Seed uint64

	// Header is sent with every request to a server: Authorization, for example.
	Header http.Header

	// TLS is for servers with wss URLs. Nil verifies the certificate against the
	// system's roots.
	TLS *tls.Config

	// Progress, if not nil, is called after each case, with how many are done and
	// how many there are. Calls do not overlap, and r must not be kept or changed.
	Progress func(done, total int, r *Result)
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Jobs <= 0 {
		o.Jobs = DefaultJobs
	}
	return o
}
