package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/godwit-io/godwit/client/internal/session"
	"github.com/godwit-io/godwit/clientproto"
)

// Call is a question to a Handler. Its memory belongs to the Handler.
type Call struct {
	Method  string
	Data    Data            // without Bytes if there is none
	User    string          // the caller, as the server knows it; "" if that is not known
	Info    json.RawMessage // what others may know of the user, nil for nothing
	Session string          // the ID of the session that asks, "" if the application does
	Trace   string          // the traceparent of the call, "" for none
}

// HandleOptions are for Handle. Nil and the zero value are the defaults.
type HandleOptions struct {
	// Concurrency is how many calls are answered at a time: more are given to other sessions that answer the
	// method, or refused. Default 64; the server has a maximum of its own, 1000 by default.
	Concurrency int
}

// concurrencyDefault is that of the server, too.
const concurrencyDefault = 64

// Handler answers the calls of a method, or of all methods that a pattern matches, see Client.Handle.
// All methods are safe for concurrent use.
type Handler struct {
	client *Client
	inner  *session.Registration
	f      func(context.Context, Call) (Data, error)
	slots  chan struct{} // has room for as many as may run
	began  chan struct{} // closed when the server gives it calls
	over   chan struct{} // closed when it gives it no more
	idle   chan struct{} // closed when, besides, all calls have been answered

	// Guarded by client.mu:

	calls   int // that are not answered
	waiting int // of them for a slot
	err     error
}

// Handle has f answer the calls of a method, or of the methods that a pattern matches: RPCs of other
// sessions, and of the application. It waits until the server gives this Client the
// calls, or ctx is done, and returns a *Problem if it does not, an error that wraps ErrOptions, or why the Client
// has ended. A Client has one Handler for a method or pattern. Among several that match
// a method, the most specific one is given the call.
//
// f is called in a goroutine of its own. Its context ends when no answer is wanted any more: the caller has given up, or is gone,
// or the time is over; context.Cause says which. f should return then, and its answer is dropped.
// An error of f that is a *Problem is the caller's as it is, with the Type that f gives it;
// it needs one. Any other error is logged, and so is a panic; the caller is told that the call has failed, without the reason.
//
// The Handler stays when a connection breaks. Calls go on meanwhile, and their answers are sent, once, when
// the Client is back. If the server does not know the session any more by then, their contexts end, and their callers
// have been told that the answerer is gone. A call that was on its way when the connection broke is lost: its caller is told
// that it has timed out.
func (c *Client) Handle(ctx context.Context, method string, f func(context.Context, Call) (Data, error), o *HandleOptions) (*Handler, error) {
	if o == nil {
		o = new(HandleOptions)
	}
	concurrency := o.Concurrency
	switch {
	case f == nil:
		return nil, fmt.Errorf("%w: Handle needs a function", ErrOptions)
	case concurrency < 0:
		return nil, fmt.Errorf("%w: option Concurrency: %d is negative; 0 is the default", ErrOptions, concurrency)
	case concurrency == 0:
		concurrency = concurrencyDefault
	}
	h := &Handler{
		client: c, inner: &session.Registration{Method: method, Concurrency: concurrency}, f: f,
		slots: make(chan struct{}, concurrency), began: make(chan struct{}), over: make(chan struct{}), idle: make(chan struct{}),
	}
	var err error
	c.do(func(m *session.Machine) {
		for r := range c.handlers {
			if r.Method == method {
				err = fmt.Errorf("%w: %q has a Handler already", ErrOptions, method)
				return
			}
		}
		if err = m.Register(h.inner); err == nil {
			c.handlers[h.inner] = h
		} else if m.State() != Ended {
			err = fmt.Errorf("%w: %w", ErrOptions, err)
		}
	})
	if err != nil {
		return nil, err
	}
	select {
	case <-h.began:
		return h, nil
	case <-h.over:
		return nil, h.Err()
	case <-ctx.Done():
		c.do(func(m *session.Machine) { m.Unregister(h.inner) })
		return nil, errors.Join(ctx.Err(), c.Status().Err)
	}
}

// Done is closed when no more calls come: after Stop, when the server does not give this Client any, or with
// the Client.
func (h *Handler) Done() <-chan struct{} { return h.over }

// Err is why no more calls come: nil while they do and after Stop, else a *Problem of the server or why the Client
// has ended.
func (h *Handler) Err() error {
	h.client.mu.Lock()
	defer h.client.mu.Unlock()
	return h.err
}

// Stop has no more calls come, and waits until those that have come were answered, or until ctx is done: it
// returns the error of ctx then. It must not be called by the function of the Handler.
func (h *Handler) Stop(ctx context.Context) error {
	h.client.do(func(m *session.Machine) { m.Unregister(h.inner) })
	select {
	case <-h.idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answering takes what the machine says of a handler; c.mu is held.
func (c *Client) answering(a *session.Answering) {
	switch h := c.handlers[a.To]; {
	case a.Over != nil:
		if cancel, ok := c.calls[a.Over]; ok {
			cancel(a.Why)
		}
	case h == nil:
	case a.Began:
		close(h.began)
	case a.Call != nil:
		h.begin(a.Call)
	case a.Err != nil:
		delete(c.handlers, a.To)
		if a.Err != session.ErrUnregistered {
			h.err = a.Err
		}
		close(h.over)
		h.settle()
	}
}

// begin has a call be answered; client.mu is held.
func (h *Handler) begin(call *session.Call) {
	c := h.client
	isRefused := h.waiting >= cap(h.slots) // calls that are over are not let go of
	ctx, cancel := context.WithCancelCause(c.ctx)
	c.calls[call] = cancel
	h.calls++
	h.waiting++
	c.running.Go(func() {
		ctx, stop := context.WithTimeout(ctx, call.Timeout)
		h.answer(ctx, call, isRefused)
		stop()
		c.do(func(m *session.Machine) {
			m.Forget(call)
			delete(c.calls, call)
			h.calls--
			h.settle()
		})
		cancel(nil)
	})
}

// settle notes when nothing is left; client.mu is held.
func (h *Handler) settle() {
	select {
	case <-h.over:
		if h.calls == 0 {
			close(h.idle)
		}
	default:
	}
}

var (
	errBusy   = &Problem{Type: clientproto.ProblemTooManyCalls.Type(), Title: clientproto.ProblemTooManyCalls.Title, Detail: "the answerer has as many calls as it can deal with"}
	errFailed = &Problem{Type: clientproto.ProblemCallFailed.Type(), Title: clientproto.ProblemCallFailed.Title, Detail: "the answerer has failed; its log says why"}
)

// answer calls f, and sends its answer to the server.
func (h *Handler) answer(ctx context.Context, call *session.Call, isRefused bool) {
	if !isRefused {
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			isRefused = true
		}
	}
	h.client.mu.Lock()
	h.waiting--
	h.client.mu.Unlock()
	var d Data
	err := error(errBusy)
	if !isRefused {
		d, err = h.call(ctx, call)
		<-h.slots
	}
	if err == nil {
		err = d.check()
	}
	problem, isProblem := errors.AsType[*Problem](err)
	if isProblem && problem.Data != nil && !json.Valid(problem.Data) {
		isProblem, err = false, fmt.Errorf("the Data of its error is not JSON: %w", err)
	}
	if err != nil && !isProblem {
		if ctx.Err() == nil { // otherwise no caller waits for it
			h.log(call, err)
		}
		problem = errFailed
	}
	err = h.client.sendAnswer(call, d, problem)
	if refused, ok := errors.AsType[*Problem](err); ok && !refused.IsA(clientproto.ProblemCallUnknown) {
		h.log(call, fmt.Errorf("the server does not take the answer: %w", err))
		_ = h.client.sendAnswer(call, Data{}, errFailed)
	}
}

// call calls f. A panic is an error.
func (h *Handler) call(ctx context.Context, call *session.Call) (d Data, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return h.f(ctx, Call{Method: call.Method, Data: Data{call.Kind, call.Data}, User: call.User, Info: call.Info, Session: call.Session, Trace: call.Trace})
}

func (h *Handler) log(call *session.Call, err error) {
	h.client.options.Logger.Error("client: a handler has failed", "method", call.Method, "error", err)
}

// sendAnswer has the server know the answer to a call, and waits until it does.
func (c *Client) sendAnswer(call *session.Call, d Data, problem *Problem) error {
	var failure *clientproto.Failure
	if problem != nil {
		failure = &clientproto.Failure{Type: problem.Type, Title: problem.Title, Detail: problem.Detail, Data: problem.Data}
	}
	outcome := make(chan session.Outcome, 1)
	c.do(func(m *session.Machine) { m.Answer(call, d.Kind, d.Bytes, failure, c.wait(outcome)) })
	return (<-outcome).Err
}
