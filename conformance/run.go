package conformance

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// RunServer plays the cases against the server at url, which must echo text and
// binary messages. It returns when all cases have run, or ctx has ended, or the
// server accepts no connections any more; then the report is marked as
// interrupted. Nothing is left running.
//
// The error says that there is nothing to judge: no case is selected, an option or
// url (ErrURL) makes no sense, or what it names is not an echo server.
func RunServer(ctx context.Context, url string, o Options) (*Report, error) {
	return runServer(ctx, url, o, new(net.Dialer).DialContext)
}

// runServer is RunServer over connections that dial makes.
func runServer(ctx context.Context, url string, o Options, dial dialer) (*Report, error) {
	cases, err := Select(Server, o.Only, o.Skip)
	if err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return nil, errors.New("conformance: no case is selected")
	}
	t, err := parseTarget(url, o.TLS)
	if err != nil {
		return nil, err
	}
	t.connect = dial
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	s := &suite{role: Server, options: o, target: t, secrets: t.secrets(o.Header)}
	if err := s.preflight(ctx); err != nil {
		return nil, err
	}
	c := newCollector(s, t.shown, cases)
	var begun []int // in the order in which they began
	// Cases that keep a server busy come last: cases beside them would wait and fail.
	for _, slow := range []bool{false, true} {
		work := make(chan int)
		var workers sync.WaitGroup
		for range min(s.options.Jobs, len(cases)) {
			workers.Go(func() {
				for i := range work {
					r := s.run(ctx, &cases[i], nil)
					if ctx.Err() == nil {
						c.add(i, r)
					}
				}
			})
		}
		for i := range cases {
			if cases[i].slow != slow || s.gone.Load() {
				continue
			}
			select {
			case work <- i:
				begun = append(begun, i)
			case <-ctx.Done():
			}
		}
		close(work)
		workers.Wait()
	}
	report := c.report(ctx.Err() != nil)
	if s.gone.Load() {
		report.Interrupted = true
		for _, i := range begun[max(0, len(begun)-2*s.options.Jobs):] {
			report.Suspects = append(report.Suspects, cases[i].ID)
		}
	}
	return report, nil
}

// preflight checks that the server is one that echoes, so that a mistake in the
// URL is reported once and not by every case.
func (s *suite) preflight(ctx context.Context) error {
	c := &Case{ID: "preflight", play: script(echoes(text("preflight")))}
	r := s.run(ctx, c, nil)
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Verdict == Fail {
		return fmt.Errorf("conformance: there is no WebSocket server at %s that echoes a text message: %s", s.target.addr, r.Detail)
	}
	return nil
}

// run plays one case. arrived is the connection of a client under test.
func (s *suite) run(ctx context.Context, c *Case, arrived *arrivedClient) Result {
	limit := s.options.Timeout
	if c.slow {
		limit *= slowFactor
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	session := newSession(ctx, s, c)
	if arrived != nil {
		session.log = arrived.log
		session.attach(arrived.conn, arrived.br)
		session.request = arrived.head
		session.key = arrived.head.get("Sec-WebSocket-Key")
	}
	start := time.Now()
	c.play(session)
	session.detach()
	if s.fresh != nil && len(session.keys) > 0 {
		s.fresh.addMask(session.keys[0])
	}
	r := Result{
		ID:       c.ID,
		Group:    c.Group(),
		Checks:   c.Checks,
		Section:  c.Section,
		Verdict:  session.verdict,
		Detail:   session.detail(),
		Duration: time.Since(start),
	}
	if r.Verdict != Pass {
		r.Log = session.log.entries()
	}
	return r
}

// collector puts the results of a run together. It is safe for concurrent use.
type collector struct {
	suite *suite
	cases []Case
	start time.Time

	mu      sync.Mutex // guards the fields below, and serialises Progress
	target  string
	named   bool // by an agent parameter
	results []*Result
	done    int
}

func newCollector(s *suite, target string, cases []Case) *collector {
	return &collector{suite: s, cases: cases, start: time.Now(), target: target, results: make([]*Result, len(cases))}
}

// add notes the result of case i. A later one replaces it.
func (c *collector) add(i int, r Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.results[i] == nil {
		c.done++
	}
	c.results[i] = &r
	if c.suite.options.Progress != nil {
		c.suite.options.Progress(c.done, len(c.cases), &r)
	}
}

// name notes what a client calls itself. An agent parameter counts for more than
// a User-Agent.
func (c *collector) name(agent, userAgent string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch agent, userAgent = strings.TrimSpace(agent), strings.TrimSpace(userAgent); {
	case agent != "":
		c.target, c.named = visible(agent), true
	case userAgent != "" && !c.named:
		c.target = visible(userAgent)
	}
}

func (c *collector) report(interrupted bool) *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	report := &Report{
		Role:        c.suite.role,
		Target:      c.target,
		Started:     c.start,
		Duration:    time.Since(c.start),
		Interrupted: interrupted,
	}
	for _, r := range c.results {
		if r != nil {
			report.Results = append(report.Results, *r)
		}
	}
	return report
}
