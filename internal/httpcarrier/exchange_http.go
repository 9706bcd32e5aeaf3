package httpcarrier

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/driver"
)

// ServeHTTP answers a request of net/http as route says, on the goroutine of its handler:
// it reads the content, makes the calls of the Responder and sends what they write, each
// chunk by itself. It returns when the exchange has ended, and panics with
// http.ErrAbortHandler where a response is cut, so that the client sees it.
//
// An option that is negative is answered with 500, and OnEnd gets a *driver.OptionError.
func ServeHTTP(w http.ResponseWriter, r *http.Request, route Route) {
	x := &httpExchange{w: w, control: http.NewResponseController(w), r: r, responder: route.Responder,
		endsWithInput: route.EndsWithInput, signal: make(chan struct{}, 1), phase: phaseAsked}
	returned := false
	defer func() {
		if !returned { // a callback has panicked, and net/http reports it
			x.finish(errPanicked)
		}
	}()
	err := x.serve(&route)
	returned = true
	x.finish(err)
	if err != nil && !x.answered {
		panic(http.ErrAbortHandler)
	}
}

var (
	errPanicked = errors.New("httpcarrier: a callback panicked")
	errAborted  = fmt.Errorf("httpcarrier: the exchange was aborted: %w", net.ErrClosed)
)

// halfClosedMax is how long a client that has closed its half, or has gone, is answered
// where that does not end the exchange. net/http does not tell one from the other.
const halfClosedMax = 30 * time.Second

// phase is the progress of an exchange.
type phase uint8

const (
	phaseOver   phase = iota
	phaseAsked        // nothing was answered yet
	phaseStream       // the response has begun
	phaseDone         // the response is complete, and is being sent
)

// httpExchange is an Exchange that net/http serves.
type httpExchange struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	r         *http.Request
	responder Responder

	// The handler's own.
	writeTimeout  time.Duration
	queueBytesMax int
	endsWithInput bool
	answered      bool // the response is whole, whatever ended the exchange

	signal chan struct{} // there is something for the handler's goroutine

	mu        sync.Mutex // guards what follows; never held across I/O or a callback
	phase     phase
	status    int         // of a head that was not sent yet, else 0
	header    http.Header // of that head
	queue     chunks
	spare     chunks // memory for the next queue
	sending   int    // bytes that were in queue and are being sent
	wakeAt    time.Time
	woken     bool
	owesDrain bool // OnDrain is to be called when all is sent
	last      bool // the connection ends behind the response
	aborted   bool
}

// chunks are sent one after another.
type chunks struct {
	bytes []byte
	ends  []int
}

func (c *chunks) add(data ...[]byte) {
	for _, p := range data {
		c.bytes = append(c.bytes, p...)
	}
	c.ends = append(c.ends, len(c.bytes))
}

// chunksKept is how much memory a stream keeps for what it will send.
const chunksKept = 16 << 10

// reset empties c and keeps its memory if it is not much.
func (c *chunks) reset() {
	if cap(c.bytes) > chunksKept {
		*c = chunks{}
		return
	}
	*c = chunks{c.bytes[:0], c.ends[:0]}
}

// poke has the handler's goroutine look.
func (x *httpExchange) poke() {
	select {
	case x.signal <- struct{}{}:
	default: // it is about to
	}
}

// Respond implements Exchange.
func (x *httpExchange) Respond(status int, fields, body []byte) error {
	return x.begin(status, fields, body, phaseDone)
}

// Begin implements Exchange.
func (x *httpExchange) Begin(status int, fields []byte) error {
	if err := checkStatus(status); err == nil && isBodiless(status) {
		return engine.ErrNoContent
	}
	return x.begin(status, fields, nil, phaseStream)
}

func (x *httpExchange) begin(status int, fields, body []byte, next phase) error {
	if err := checkStatus(status); err != nil {
		return err
	}
	header, err := parseFields(fields)
	if err != nil {
		return err
	}
	if isBodiless(status) {
		if len(body) > 0 {
			return engine.ErrNoContent
		}
	} else if next == phaseDone {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	switch x.phase {
	case phaseOver, phaseDone:
		return engine.ErrExchangeOver
	case phaseStream:
		return engine.ErrResponseBegun
	}
	x.status, x.header, x.phase = status, header, next
	if len(body) > 0 {
		x.queue.add(body)
	}
	x.poke()
	return nil
}

// Write implements Exchange.
func (x *httpExchange) Write(data ...[]byte) error {
	size := 0
	for _, p := range data {
		size += len(p)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.mayAppend(); err != nil {
		return err
	}
	if waiting := x.buffered(); waiting > 0 && waiting+size > x.queueBytesMax {
		x.owesDrain = true
		return engine.ErrQueueFull
	}
	if size > 0 && x.r.Method != http.MethodHead {
		x.queue.add(data...)
		x.poke()
	}
	return nil
}

// End implements Exchange.
func (x *httpExchange) End() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.mayAppend(); err != nil {
		return err
	}
	x.phase = phaseDone
	x.poke()
	return nil
}

// mayAppend returns nil, or why nothing may be added to the response; mu is held.
func (x *httpExchange) mayAppend() error {
	switch x.phase {
	case phaseOver, phaseDone:
		return engine.ErrExchangeOver
	case phaseAsked:
		return engine.ErrNotBegun
	}
	return nil
}

// Abort implements Exchange.
func (x *httpExchange) Abort() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase == phaseOver || x.aborted {
		return
	}
	x.aborted = true
	if x.sending > 0 {
		// An error is of a writer that has no deadlines, or of a client that has gone.
		_ = x.control.SetWriteDeadline(longAgo)
	}
	x.poke()
}

var longAgo = time.Unix(1, 0)

// CloseAfter implements Exchange.
func (x *httpExchange) CloseAfter() {
	x.mu.Lock()
	x.last = true
	x.mu.Unlock()
}

// Wake implements Exchange.
func (x *httpExchange) Wake() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != phaseOver && !x.woken {
		x.woken = true
		x.poke()
	}
}

// WakeAt implements Exchange.
func (x *httpExchange) WakeAt(t time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != phaseOver {
		x.wakeAt = t
		x.poke()
	}
}

// Buffered implements Exchange. A caller that learns that something waits may wait for OnDrain.
func (x *httpExchange) Buffered() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	waiting := x.buffered()
	x.owesDrain = x.owesDrain || waiting > 0
	return waiting
}

// buffered is how many bytes wait; mu is held.
func (x *httpExchange) buffered() int { return len(x.queue.bytes) + x.sending }

// RemoteAddr implements Exchange.
func (x *httpExchange) RemoteAddr() net.Addr {
	addr, err := netip.ParseAddrPort(x.r.RemoteAddr)
	if err != nil {
		return nil // a socket file has none
	}
	return net.TCPAddrFromAddrPort(addr)
}

// resolve fills in the defaults of route.
func (x *httpExchange) resolve(route *Route) error {
	x.writeTimeout, x.queueBytesMax = driver.DefaultWriteTimeout, driver.DefaultQueueBytesMax
	var o driver.Options
	if route.Limits != nil {
		o.WriteTimeout, o.QueueBytesMax = route.Limits.WriteTimeout, route.Limits.QueueBytesMax
	}
	o, err := o.WithDefaults()
	if err == nil {
		err = driver.Resolve("BodyTimeout", &route.BodyTimeout, engine.DefaultBodyTimeout)
	}
	if err != nil {
		return fmt.Errorf("httpcarrier: %w", err)
	}
	x.writeTimeout, x.queueBytesMax = o.WriteTimeout, o.QueueBytesMax
	return nil
}

// serve returns nil when the response is complete, or why it is not.
func (x *httpExchange) serve(route *Route) error {
	if err := x.resolve(route); err != nil {
		return errors.Join(err, x.refuse(http.StatusInternalServerError, "internal error\n"))
	}
	if err := x.takeBody(route); err != nil {
		return err
	}
	return x.run()
}

// run makes the calls and sends what they lead to, until the response is complete.
func (x *httpExchange) run() error {
	gone := x.r.Context().Done()
	var timer *time.Timer
	alarm := func(d time.Duration) <-chan time.Time {
		if timer == nil {
			timer = time.NewTimer(d)
		} else {
			timer.Reset(d)
		}
		return timer.C
	}
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	var ends time.Time // of a client that has ended its half
	for {
		if done, err := x.send(); done || err != nil {
			return err
		}
		select {
		case <-gone:
			if x.endsWithInput || x.r.ProtoMajor != 1 {
				return engine.ErrClientGone
			}
			gone, ends = nil, time.Now().Add(halfClosedMax)
		default:
		}
		now := time.Now()
		if !ends.IsZero() && !now.Before(ends) {
			return engine.ErrClientGone
		}
		woken, drained, at := x.next(now)
		if drained {
			x.responder.OnDrain(x)
		}
		if woken {
			x.responder.OnWake(x)
		}
		if woken || drained {
			continue
		}
		if !ends.IsZero() && (at.IsZero() || ends.Before(at)) {
			at = ends
		}
		var due <-chan time.Time
		if !at.IsZero() {
			due = alarm(time.Until(at))
		}
		select {
		case <-x.signal:
		case <-due:
		case <-gone:
		}
	}
}

// next returns the next call to make, and else the time of the next WakeAt.
func (x *httpExchange) next(now time.Time) (woken, drained bool, at time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	woken = x.woken
	if !x.wakeAt.IsZero() && !now.Before(x.wakeAt) {
		woken, x.wakeAt = true, time.Time{}
	}
	x.woken = false
	if x.owesDrain && x.buffered() == 0 && x.phase == phaseStream {
		drained, x.owesDrain = true, false
	}
	return woken, drained, x.wakeAt
}

// finish ends the exchange, once.
func (x *httpExchange) finish(err error) {
	x.mu.Lock()
	over := x.phase == phaseOver
	x.phase = phaseOver
	x.queue, x.spare, x.sending = chunks{}, chunks{}, 0
	x.mu.Unlock()
	if !over {
		x.responder.OnEnd(x, err)
	}
}

// ended says why a write failed.
func (x *httpExchange) ended(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.aborted:
		return errAborted
	case errors.Is(err, os.ErrDeadlineExceeded):
		return engine.ErrWriteTimeout
	}
	return fmt.Errorf("%w: %w", engine.ErrClientGone, err)
}
