package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"
)

// Publish validates m, publishes it and waits for the outcome, see
// Broker.Publish. It keeps m.Data. It returns a *NameError, ErrTooLarge, ErrKind,
// ErrTextNotUTF8, ErrNotJSON, ErrIdempotencyKey, ErrShutdown, ErrClosed,
// ErrUnanswered, the error of ctx, or an error wrapping the Broker's. After
// ErrUnanswered and an error of ctx it is not known whether m was published.
//
// When the Broker delivers in the publisher's goroutine, as membroker does,
// Publish takes the time of one pass over the subscribers. It must not be called
// from a session's wake, nor in an event loop: BeginPublish and Session.Publish
// do not wait.
func (h *Hub) Publish(ctx context.Context, m Message) (pos Position, duplicate bool, err error) {
	if err := ctx.Err(); err != nil {
		return Position{}, false, err
	}
	p, err := h.publish(ctx, &m)
	return p.Position, p.Duplicate, err
}

func (h *Hub) publish(ctx context.Context, m *Message) (Published, error) {
	w, _ := h.waiters.Get().(*waiter)
	if w == nil {
		w = &waiter{outcome: make(chan struct{}, 1)}
	}
	ticket := w.next()
	began := h.now()
	if err := h.hand("", m, w, ticket); err != nil {
		h.waiters.Put(w)
		return Published{}, err
	}
	if !w.isAnswered() {
		timeout := time.NewTimer(callTimeout)
		defer timeout.Stop()
		select {
		case <-w.outcome:
		case <-ctx.Done():
			return Published{}, ctx.Err() // w is the Broker's until it answers
		case <-timeout.C:
			h.counters.brokerFailures.Add(1)
			return Published{}, ErrUnanswered
		}
	}
	p := w.p
	h.waiters.Put(w)
	h.countPublished("", len(m.Data), began, p)
	return p, h.brokerError(p.Err)
}

// now is the time, if anybody asks how long publishing takes.
func (h *Hub) now() (t time.Time) {
	if !h.immediate() || h.options.Observer != nil {
		t = time.Now()
	}
	return t
}

// waiter waits for the outcomes of publications, one after another. Mostly the
// outcome is there when the Broker returns, so it takes no lock:
//
//	asked ─► claimed ─► claimed, answered               it was there
//	asked ─► waited ─► waited, claimed ─► all three     it comes through the channel
type waiter struct {
	state   atomic.Uint64 // the ticket of the publication, and what follows
	p       Published     // written by the goroutine that has claimed it, before it is answered
	outcome chan struct{} // capacity 1; gets one when it is answered and waited for
}

// The bits of waiter.state below the ticket.
const (
	claimed     = 1 << iota // an outcome came, and another one is ignored
	answered                // p is the outcome
	waited                  // the publisher waits for outcome
	ticketShift = iota
)

// next returns the ticket of the next publication.
func (w *waiter) next() uint64 {
	ticket := w.state.Load()>>ticketShift + 1
	w.state.Store(ticket << ticketShift)
	return ticket
}

// isAnswered reports whether the outcome is there. If not, outcome gets one when it
// is.
func (w *waiter) isAnswered() bool {
	return w.state.Load()&answered != 0 || w.state.Or(waited)&answered != 0
}

// Published implements Completer.
func (w *waiter) Published(ticket uint64, p Published) {
	for {
		state := w.state.Load()
		if state>>ticketShift != ticket || state&claimed != 0 {
			return
		}
		if w.state.CompareAndSwap(state, state|claimed) {
			break
		}
	}
	w.p = p
	if w.state.Or(answered)&waited != 0 {
		w.outcome <- struct{}{}
	}
}

// BeginPublish validates m and hands it to the Broker, without waiting: to is
// told of the outcome with ticket, also when it is at once that m may not be
// published. The errors are those of Publish. It keeps m.Data. transport names
// the edge to the Observer.
func (h *Hub) BeginPublish(transport string, m Message, to Completer, ticket uint64) {
	p, _ := h.publishings.Get().(*publishing)
	if p == nil {
		p = &publishing{hub: h}
	}
	number := p.begin(transport, len(m.Data), to, ticket)
	if err := h.hand(transport, &m, p, number); err != nil {
		p.drop()
		to.Published(ticket, Published{Err: err})
		return
	}
	if !h.immediate() {
		p.expectAnswer(number)
	}
}

// publishing is a publication that no session has. It is used again for another one.
type publishing struct {
	hub *Hub

	mu        sync.Mutex // guards what follows
	number    uint64     // of the publication: a second outcome of an earlier one has another
	answered  bool
	timer     *time.Timer
	transport string
	bytes     int
	began     time.Time
	to        Completer
	ticket    uint64
}

// begin begins the next publication, and returns its number.
func (p *publishing) begin(transport string, bytes int, to Completer, ticket uint64) (number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number++
	p.answered, p.transport, p.bytes, p.began, p.to, p.ticket = false, transport, bytes, p.hub.now(), to, ticket
	return p.number
}

// drop ends a publication that the Broker was not given.
func (p *publishing) drop() {
	p.mu.Lock()
	p.answered, p.to = true, nil
	p.mu.Unlock()
	p.hub.publishings.Put(p)
}

func (p *publishing) expectAnswer(number uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.number == number && !p.answered {
		p.timer = time.AfterFunc(callTimeout, func() { p.Published(number, Published{Err: ErrUnanswered}) })
	}
}

// Published implements Completer.
func (p *publishing) Published(number uint64, outcome Published) {
	p.mu.Lock()
	if p.number != number || p.answered {
		p.mu.Unlock()
		return
	}
	p.answered = true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	transport, bytes, began, to, ticket := p.transport, p.bytes, p.began, p.to, p.ticket
	p.to = nil
	p.mu.Unlock()
	h := p.hub
	h.publishings.Put(p)
	h.countPublished(transport, bytes, began, outcome)
	outcome.Err = h.brokerError(outcome.Err)
	to.Published(ticket, outcome)
}

// hand checks m and gives it to the Broker.
func (h *Hub) hand(transport string, m *Message, to Completer, ticket uint64) error {
	p := h.policy(m.Channel)
	if err := h.check(m, p); err != nil {
		return err
	}
	if err := h.checkOpen(); err != nil {
		return err
	}
	h.give(transport, *m, p, to, ticket)
	return nil
}

// give gives the Broker a checked publication.
func (h *Hub) give(transport string, m Message, p *Policy, to Completer, ticket uint64) {
	if o := h.options.Observer; o != nil && o.Publishing != nil {
		trace, done := o.Publishing(transport, m)
		if trace != "" {
			m.Attributes = m.Attributes.withTrace(trace)
		}
		if done != nil {
			to = &watched{Completer: to, done: done}
		}
	}
	h.broker.Publish(m, h.retention(p), to, ticket)
}

// watched tells the Observer of an outcome, too.
type watched struct {
	Completer
	done   func(Published)
	isDone atomic.Bool
}

// Published implements Completer.
func (w *watched) Published(ticket uint64, p Published) {
	if !w.isDone.Swap(true) {
		w.done(p)
	}
	w.Completer.Published(ticket, p)
}

// countPublished counts an outcome of the Broker.
func (h *Hub) countPublished(transport string, bytes int, began time.Time, p Published) {
	switch {
	case p.Err != nil:
		h.counters.brokerFailures.Add(1)
	case p.Duplicate:
		h.counters.duplicates.Add(1)
	default:
		h.counters.publications.Add(1)
		h.counters.publicationBytes.Add(uint64(bytes))
		if o := h.options.Observer; o != nil && o.Published != nil {
			o.Published(transport, bytes, time.Since(began))
		}
	}
}

func (h *Hub) check(m *Message, p *Policy) error {
	if err := CheckChannel(m.Channel); err != nil {
		return err
	}
	if err := h.checkPayload(m.Kind, m.Data, h.publicationBytesMax(p)); err != nil {
		return err
	}
	if a := m.Attributes; a != nil {
		if err := a.check(m.Kind, m.Data); err != nil {
			return err
		}
	}
	if len(m.IdempotencyKey) > IdempotencyKeyBytesMax {
		return ErrIdempotencyKey
	}
	for _, c := range []byte(m.IdempotencyKey) {
		if c < ' ' || c > '~' {
			return ErrIdempotencyKey
		}
	}
	return nil
}

func (h *Hub) checkPayload(kind Kind, data []byte, most int) error {
	if len(data) > most {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(data), most)
	}
	switch kind {
	case Text:
		if !utf8.Valid(data) {
			return ErrTextNotUTF8
		}
	case Binary:
	case JSON:
		// RFC 8259 §8.1: JSON between systems is UTF-8, which json.Valid does
		// not ask of the inside of strings.
		if !json.Valid(data) || !utf8.Valid(data) {
			return ErrNotJSON
		}
	default:
		return fmt.Errorf("%w: %d", ErrKind, kind)
	}
	return nil
}

// History reads a part of a channel's history and waits for it, see
// Broker.History. It returns a *NameError, ErrClosed, the error of ctx, or an
// error wrapping the Broker's. It still answers during Shutdown.
func (h *Hub) History(ctx context.Context, channel string, q Query) (page Page, err error) {
	if err := CheckChannel(channel); err != nil {
		return Page{}, err
	}
	if err := ctx.Err(); err != nil {
		return Page{}, err
	}
	if h.immediate() {
		page, err = h.askHistory(ctx, channel, q)
		return page, h.brokerError(err)
	}
	var read Page
	var failed error
	if err := h.calls.do(ctx, channel, func(ctx context.Context) {
		read, failed = h.askHistory(ctx, channel, q)
	}); err != nil {
		return Page{}, err // read may still be written to
	}
	return read, h.brokerError(failed)
}

// BeginHistory reads a part of a channel's history without waiting: done is
// called with it, before BeginHistory returns or later and from any goroutine.
// The errors are those of History, without those of a context.
func (h *Hub) BeginHistory(channel string, q Query, done func(Page, error)) {
	if err := CheckChannel(channel); err != nil {
		done(Page{}, err)
		return
	}
	if !h.call(channel, func(ctx context.Context) {
		page, err := h.askHistory(ctx, channel, q)
		done(page, h.brokerError(err))
	}) {
		done(Page{}, ErrClosed)
	}
}
