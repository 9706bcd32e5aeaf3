package hub

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/godwit-io/godwit/access"
)

// Answerer names the answerer of a call, for the Observer.
type Answerer string

// The answerers.
const (
	NoAnswerer      Answerer = "none"    // the method has no answerer, or the call was not given to any
	HandlerAnswerer Answerer = "handler" // of the program
	SessionAnswerer Answerer = "session"
)

// handler answers the methods of a pattern. One of its functions is set.
type handler struct {
	run   func(context.Context, *IncomingCall) (Answer, error)
	begin func(c *IncomingCall, done func(Answer, error)) (cancel func())
}

// Handle has f answer the methods that pattern matches, see Call and access.Pattern.
// It is called in a goroutine of its own, of which there are RPC.HandlersMax, with a
// context that ends when the call is over for any reason. Close waits for it.
//
// An error of f that is a *CallError or an *access.Refusal is the caller's, and so are
// ErrNoMethod, ErrTooManyCalls, ErrCallTimeout, ErrAnswererGone and ErrAnswererFailed. Any other is logged, and so is a panic; the caller gets
// ErrAnswererFailed.
//
// Handle returns a *MethodError, or ErrRegistered if the pattern has a handler. remove
// takes the handler away; calls that it has are not concerned.
func (h *Hub) Handle(pattern string, f func(context.Context, *IncomingCall) (Answer, error)) (remove func(), err error) {
	if f == nil {
		return nil, errors.New("hub: Handle needs a function")
	}
	return h.exchange.handle(pattern, &handler{run: f})
}

// HandleAsync is Handle for what answers later. f must not block, as it may be called
// on an event loop. It calls done once, before it returns or later, and from any
// goroutine; another call of done does nothing. It returns a function that is called
// once when the call is over without its answer, unless it was before f returned, or nil.
// Close waits for none of it.
func (h *Hub) HandleAsync(pattern string, f func(c *IncomingCall, done func(Answer, error)) (cancel func())) (remove func(), err error) {
	if f == nil {
		return nil, errors.New("hub: HandleAsync needs a function")
	}
	return h.exchange.handle(pattern, &handler{begin: f})
}

func (x *exchange) handle(pattern string, f *handler) (remove func(), err error) {
	if err := checkMethodPattern(pattern); err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return nil, ErrClosed
	}
	if x.handlers.get(pattern) != nil {
		return nil, fmt.Errorf("%w: %s", ErrRegistered, quoted(pattern))
	}
	x.handlers.set(pattern, f)
	return sync.OnceFunc(func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.handlers.remove(pattern)
	}), nil
}

// hand hands a call to a handler.
func (x *exchange) hand(f *handler, c *openCall) {
	if f.run != nil {
		go x.run(f, c) // it was counted
		return
	}
	var cancel func()
	func() {
		defer x.recoverHandler(c)
		cancel = f.begin(&c.incoming, func(a Answer, err error) { x.handled(c, a, err) })
	}()
	if cancel == nil {
		return
	}
	x.mu.Lock()
	isWithdrawn := c.over != nil
	if !c.isOver {
		c.withdrawn = cancel
	}
	x.mu.Unlock()
	if isWithdrawn { // it was over before anybody could be told
		cancel()
	}
}

// run is the goroutine of a handler.
func (x *exchange) run(f *handler, c *openCall) {
	ctx, cancel := context.WithDeadline(x.ctx, c.incoming.Deadline)
	defer func() {
		cancel()
		x.mu.Lock()
		x.running--
		x.mu.Unlock()
		x.wg.Done()
	}()
	x.mu.Lock()
	isOver := c.isOver
	c.withdrawn = cancel
	x.mu.Unlock()
	if isOver {
		return
	}
	defer x.recoverHandler(c)
	a, err := f.run(ctx, &c.incoming)
	x.handled(c, a, err)
}

// handled takes what a handler says.
func (x *exchange) handled(c *openCall, a Answer, err error) {
	err = x.checkHandled(c, &a, err)
	if err != nil {
		a = Answer{}
	}
	x.finishAs(c, a, err, true)
}

// checkHandled returns what the caller gets for the error of a handler.
func (x *exchange) checkHandled(c *openCall, a *Answer, err error) error {
	h := x.hub
	var answered *CallError
	var refused *access.Refusal
	var wrong error
	switch {
	case err == nil:
		wrong = h.checkPayload(a.Kind, a.Data, h.options.PublicationBytesMax)
	case errors.As(err, &answered):
		if wrong = answered.check(h.options.PublicationBytesMax); wrong == nil {
			return answered
		}
	case errors.As(err, &refused):
		return refused
	case errors.Is(err, ErrNoMethod):
		return ErrNoMethod
	case errors.Is(err, ErrTooManyCalls):
		return ErrTooManyCalls
	case err == ErrCallTimeout, err == ErrAnswererFailed, err == ErrAnswererGone:
		return err // the function that returned it has logged why
	case errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(c.incoming.Deadline):
		return ErrCallTimeout
	case x.ctx.Err() != nil:
		return ErrClosed
	default:
		wrong = err
	}
	if wrong == nil {
		return nil
	}
	if x.isOpen(c) { // otherwise no caller waits for it
		h.options.Logger.Error("hub: a handler has failed", "method", c.incoming.Method, "error", wrong)
	}
	return ErrAnswererFailed
}

func (x *exchange) isOpen(c *openCall) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return !c.isOver
}

// recoverHandler is deferred around a handler. What panics has failed.
func (x *exchange) recoverHandler(c *openCall) {
	if v := recover(); v != nil {
		x.hub.options.Logger.Error("hub: a handler panicked; its call has failed",
			"method", c.incoming.Method, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		x.finishAs(c, Answer{}, ErrAnswererFailed, true)
	}
}

// Call asks the answerer of c.Method and waits for the answer. as is the caller's
// identity as the answerer sees it, or nil. It keeps c.Data. The errors are a
// *MethodError, those of the payload, the errors of calls in this package, a *CallError,
// an *access.Refusal, ErrShutdown, ErrClosed, and that of ctx.
func (h *Hub) Call(ctx context.Context, as *access.Identity, c Call) (Answer, error) {
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	type outcome struct {
		a   Answer
		err error
	}
	outcomes := make(chan outcome, 1)
	cancel := h.BeginCall(as, c, func(a Answer, err error) { outcomes <- outcome{a, err} })
	select {
	case o := <-outcomes:
		return o.a, o.err
	case <-ctx.Done():
		cancel()
		return Answer{}, ctx.Err()
	}
}

// BeginCall is Call without waiting: done is called once with the outcome, before
// BeginCall returns or later and from any goroutine. cancel gives up the call if it is
// still open: its outcome is ErrCanceled then.
func (h *Hub) BeginCall(as *access.Identity, c Call, done func(Answer, error)) (cancel func()) {
	if err := h.checkCall(&c); err != nil {
		done(Answer{}, err)
		return func() {}
	}
	open := newCall(c)
	open.done = done
	open.incoming.setCaller(as)
	h.exchange.begin(open, c.Timeout)
	return func() { h.exchange.finish(open, Answer{}, ErrCanceled) }
}

func (c *IncomingCall) setCaller(id *access.Identity) {
	if id != nil {
		c.User, c.Info = id.User, string(id.Info)
	}
}
