package hooks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/internal/privateaddr"
	"github.com/godwit-io/godwit/server/tracing"
)

// The circuit breaker of a question: when most of what was asked lately had no
// answer, nothing is asked for a while, and then one question is the test.
const (
	breakerWindow   = 10 * time.Second
	breakerSlice    = time.Second // by which the window moves
	breakerAsked    = 10          // in the window, before it judges
	breakerFailures = 0.5         // of those
	breakerOpen     = 5 * time.Second
)

// retryPause is before the second attempt of what could not be sent.
const retryPause = 100 * time.Millisecond

// asker asks one question.
type asker struct {
	*endpoint
	ctx      context.Context // ends the questions under way
	timeout  time.Duration
	channels []access.Pattern
	forward  []string // canonical
	most     struct{ running, waiting, answerBytes int }
	observer *Observer
	breaker  *gobreaker.TwoStepCircuitBreaker[struct{}]
	turned   atomic.Int32 // one more than the breaker's new state, until that is logged
	workers  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []*call    // in order; there are as many workers as there may be, if any waits
	running int
	closed  bool
}

// call is one question under way.
type call struct {
	kind       string // of the message; "" is that of the hook
	asked, due time.Time
	ctx        context.Context // ends when nobody waits for the answer; nil: somebody does
	fields     http.Header
	trace      string // that it is a part of, or ""
	data       func(*object)
	read       func(answer []byte) (Outcome, error) // returns a *access.Refusal, a *hub.CallError, or what makes no sense
	failed     func(cause error) error              // what is told without a usable answer; nil: a *access.Refusal
	done       func(error)
}

func newAsker(ctx context.Context, hook, name string, q *Question, o *Options, s *signer) (*asker, error) {
	e, err := newEndpoint(hook, name+".URL", q.URL, o.Concurrency, q.Timeout, o, s)
	if err != nil {
		return nil, err
	}
	forward, err := forwarded(name+".Forward", q.Forward, e.url.User != nil)
	if err != nil {
		return nil, err
	}
	a := &asker{endpoint: e, ctx: ctx, timeout: q.Timeout, channels: slices.Clone(q.Channels), forward: forward, observer: o.Observer}
	a.most.running, a.most.waiting, a.most.answerBytes = o.Concurrency, o.WaitingMax, o.AnswerBytesMax
	a.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Interval: breakerWindow, BucketPeriod: breakerSlice, Timeout: breakerOpen,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.Requests >= breakerAsked && float64(c.TotalFailures) >= breakerFailures*float64(c.Requests)
		},
		IsExcluded:    func(err error) bool { return errors.Is(err, context.Canceled) },
		OnStateChange: func(_ string, _, to gobreaker.State) { a.turned.Store(int32(to) + 1) }, // it holds a lock
	})
	return a, nil
}

// tellTurn logs what has become of the breaker, once.
func (a *asker) tellTurn() {
	switch gobreaker.State(a.turned.Swap(0) - 1) {
	case gobreaker.StateOpen:
		a.logger.Warn("the application does not answer; what it decides is refused without asking", "hook", a.hook, "url", a.shown, "for", breakerOpen)
	case gobreaker.StateClosed:
		a.logger.Info("the application answers again", "hook", a.hook, "url", a.shown)
	}
}

// forwarded checks the names of fields that are handed on.
func forwarded(option string, names []string, hasUser bool) (canonical []string, err error) {
	for _, name := range names {
		c := textproto.CanonicalMIMEHeaderKey(name)
		wrong := ""
		switch {
		case !httpsyntax.IsToken(name):
			wrong = "is no name of a header field"
		case slices.Contains(ownFields, c):
			wrong = "is a field of the request itself, which a client must not set; leave it out"
		case c == "Authorization" && hasUser:
			wrong = "would take the place of the user in the URL; leave out one of them"
		case slices.Contains(canonical, c):
			wrong = "is there twice"
		}
		if wrong != "" {
			return nil, &OptionError{option, fmt.Sprintf("%.40q %s", name, wrong)}
		}
		canonical = append(canonical, c)
	}
	return canonical, nil
}

// ownFields frame a request, or are what the application relies on.
var ownFields = []string{
	"Accept", "Accept-Encoding", "Connection", "Content-Encoding", "Content-Length", "Content-Type", "Expect", "Host", "Keep-Alive",
	"Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent",
	"Webhook-Id", "Webhook-Signature", "Webhook-Timestamp",
}

// pick returns the fields that are handed on, copied.
func (a *asker) pick(fields [][2]string) http.Header {
	var picked http.Header
	if len(a.forward) == 0 {
		return nil
	}
	for _, f := range fields {
		name := textproto.CanonicalMIMEHeaderKey(f[0])
		if slices.Contains(a.forward, name) && httpsyntax.IsFieldValue(f[1]) {
			if picked == nil {
				picked = http.Header{}
			}
			name, value := strings.Clone(name), strings.Clone(f[1])
			picked[name] = append(picked[name], value)
		}
	}
	return picked
}

// ask puts a question. It does not wait.
func (a *asker) ask(c *call) {
	c.asked = time.Now()
	c.due = c.asked.Add(a.timeout)
	if r := a.enter(c); r != nil {
		a.observe(c, Refused)
		c.done(r)
	}
}

// enter has a worker see to c, or says why none will.
func (a *asker) enter(c *call) *access.Refusal {
	if a.breaker.State() == gobreaker.StateOpen {
		return refuseOpen()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return &access.Refusal{Cause: access.Unavailable, Reason: "the server is going away"}
	case a.running < a.most.running:
		a.running++
		a.workers.Add(1)
		a.waiting = append(a.waiting, c)
		go a.workLoop()
	case len(a.waiting) < a.most.waiting:
		a.waiting = append(a.waiting, c)
	default:
		return &access.Refusal{Cause: access.Unavailable, Reason: "too many questions wait for the application; try again in a moment", RetryAfter: time.Second}
	}
	return nil
}

func refuseOpen() *access.Refusal {
	return &access.Refusal{Cause: access.Unavailable, Reason: "the application does not answer at present; try again later", RetryAfter: breakerOpen}
}

// workLoop sees to what waits, until nothing does.
func (a *asker) workLoop() {
	defer a.workers.Done()
	for {
		a.mu.Lock()
		if len(a.waiting) == 0 {
			a.waiting = nil // the array may have been long
			a.running--
			a.mu.Unlock()
			return
		}
		c := a.waiting[0]
		a.waiting[0] = nil
		a.waiting = a.waiting[1:]
		a.mu.Unlock()
		outcome, err := a.answer(c)
		a.observe(c, outcome)
		c.done(err)
	}
}

// answer gets the answer to c. The error is a *access.Refusal, or what c reads or says
// instead.
func (a *asker) answer(c *call) (Outcome, error) {
	parent := a.ctx
	if c.ctx != nil {
		parent = c.ctx
	}
	if !time.Now().Before(c.due) {
		a.complain("a question has waited too long for a free place", errTimeout)
		return Failed, &access.Refusal{Cause: access.Unavailable, Reason: "too many questions wait for the application; try again in a moment", RetryAfter: time.Second}
	}
	report, err := a.breaker.Allow()
	if err != nil {
		return Refused, refuseOpen()
	}
	ctx, cancel := context.WithDeadline(tracing.WithTrace(parent, c.trace), c.due)
	defer cancel()
	id := newID()
	body := appendMessage(nil, cmp.Or(c.kind, a.hook), c.asked, c.data)
	r, err := a.post(ctx, id, c.fields, body, a.most.answerBytes)
	var failed *postError
	if errors.As(err, &failed) && failed.unsent && !isForbidden(err) && pause(ctx, retryPause) {
		r, err = a.post(ctx, id, c.fields, body, a.most.answerBytes)
	}
	report(presence(r, err))
	a.tellTurn()
	if err != nil && parent.Err() != nil && a.ctx.Err() == nil {
		return Canceled, hub.ErrCanceled
	}
	unusable := &access.Refusal{Cause: access.Unavailable, Reason: "the application gave no usable answer; try again later"}
	if err == nil && r.status/100 != 2 {
		unusable.RetryAfter = r.retryAfter
		err = statusError(r.status)
	}
	if err != nil {
		a.complain("the application could not be asked", err)
		return Failed, c.failure(err, unusable)
	}
	outcome, err := c.read(r.body)
	if err == nil {
		return outcome, nil
	}
	switch err.(type) {
	case *access.Refusal:
		return Denied, err
	case *hub.CallError:
		return Errored, err
	}
	a.complain("the application's answer makes no sense", err)
	return Failed, c.failure(err, unusable)
}

// failure is the error of a question that has no usable answer.
func (c *call) failure(cause error, unusable *access.Refusal) error {
	if c.failed != nil {
		return c.failed(cause)
	}
	return unusable
}

// presence is what the breaker learns: whether the application is there. One that
// answers, with whatever, is: else a client whose questions it fails could stop those of all
// others.
func presence(r *reply, err error) error {
	if err != nil {
		return err
	}
	switch r.status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return statusError(r.status)
	}
	return nil
}

func isForbidden(err error) bool {
	var forbidden *privateaddr.Error
	return errors.As(err, &forbidden)
}

// pause waits, and reports whether ctx has not ended meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (a *asker) observe(c *call, outcome Outcome) {
	if a.observer.Answered != nil {
		a.observer.Answered(a.hook, outcome, time.Since(c.asked))
	}
}

// close refuses questions from now on.
func (a *asker) close() {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
}

func (a *asker) stats() QuestionStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return QuestionStats{Running: a.running, Waiting: len(a.waiting), Open: a.breaker.State() == gobreaker.StateOpen}
}
