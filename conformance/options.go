package conformance

import (
	"cmp"
	"crypto/tls"
	"fmt"
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

// Options configures a run. The zero value works: zero is the default of every
// number. A negative one is refused.
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

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Timeout < 0:
		return o, fmt.Errorf("conformance: option Timeout: %v is negative; 0 is the default", o.Timeout)
	case o.Jobs < 0:
		return o, fmt.Errorf("conformance: option Jobs: %d is negative; 0 is the default", o.Jobs)
	}
	o.Timeout = cmp.Or(o.Timeout, DefaultTimeout)
	o.Jobs = cmp.Or(o.Jobs, DefaultJobs)
	return o, nil
}
