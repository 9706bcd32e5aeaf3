package natsbroker

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/hub"
)

// ring holds the publications that have no outcome yet, in the order of the calls.
//
//	head          next           tail
//	│ sent, some  │ to be sent   │
//	│ answered    │              │
//
// A publication is known by its number, which is in the subject of its answer. When something may be wrong the ring stalls:
// nothing more is sent. Once the broker knows better, what has no answer is sent again, all of it and in
// order; the stream knows by its ID what it has stored already.
type ring struct {
	broker *Broker
	work   *sync.Cond // of mu: there may be something to send

	mu      sync.Mutex // guards what follows
	entries []entry    // a power of two of them, at their number modulo that
	head    uint64
	next    uint64
	tail    uint64
	bytes   int64
	stalled bool
	newest  uint64 // the newest number of the stream in an answer that was no duplicate

	// After a resend, up to resent: the newest offset with an outcome by channel.
	// A publication that would come before it has an error.
	resent uint64
	order  map[string]uint64
}

type entry struct {
	m        hub.Message
	subject  string
	id       string
	meta     string
	kept     int // how many are kept
	to       hub.Completer
	ticket   uint64
	since    time.Time // of the call
	sentAt   time.Time // the last time; zero if it was never sent
	isResent bool      // it was sent before that
	done     bool      // it has its outcome
	accepted bool      // which is no error
}

// outcome is told to a Completer, with no lock held.
type outcome struct {
	to     hub.Completer
	ticket uint64
	p      hub.Published
}

func give(outcomes []outcome) {
	for i := range outcomes {
		o := &outcomes[i]
		o.to.Published(o.ticket, o.p)
	}
}

func (r *ring) init(b *Broker) {
	r.broker = b
	r.work = sync.NewCond(&r.mu)
	r.entries = make([]entry, 64)
	r.stalled = true
}

func (r *ring) at(number uint64) *entry { return &r.entries[number&uint64(len(r.entries)-1)] }

// Publish implements hub.Broker.
func (b *Broker) Publish(m hub.Message, retention hub.Retention, to hub.Completer, ticket uint64) {
	err := b.checkOpen()
	if err == nil {
		err = b.checkAway()
	}
	if err == nil {
		e := b.newEntry(m, retention, to, ticket)
		err = b.ring.push(&e)
	}
	if err != nil {
		to.Published(ticket, hub.Published{Err: err})
	}
}

func (b *Broker) newEntry(m hub.Message, retention hub.Retention, to hub.Completer, ticket uint64) entry {
	kept := b.keep(retention)
	room := make([]byte, 0, 128)
	return entry{
		m: m, to: to, ticket: ticket, since: time.Now(),
		subject: b.names.subject(m.Channel),
		id:      messageID(&m),
		meta:    string(appendMeta(room, &meta{kind: m.Kind, count: kept.Count, age: kept.Age, publisher: m.Publisher, attributes: m.Attributes})),
		kept:    kept.Count,
	}
}

// messageID is the ID of a message with an idempotency key: IDs are those of the whole stream, so the
// channel is a part of it. The length keeps ("a", "bc") and ("ab", "c") apart. Without
// a key an ID is given when the message is sent.
func messageID(m *hub.Message) string {
	if m.IdempotencyKey == "" {
		return ""
	}
	b := make([]byte, 0, 8+hub.ChannelNameBytesMax+hub.IdempotencyKeyBytesMax)
	b = binary.BigEndian.AppendUint64(b, uint64(len(m.Channel)))
	b = append(b, m.Channel...)
	b = append(b, m.IdempotencyKey...)
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}

func (r *ring) push(e *entry) error {
	o := &r.broker.options
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.broker.isClosed() {
		return hub.ErrClosed
	}
	n := r.tail - r.head
	if n >= uint64(o.PendingMax) || n > 0 && r.bytes+int64(len(e.m.Data)) > o.PendingBytesMax {
		return ErrBusy
	}
	if n == uint64(len(r.entries)) {
		r.grow()
	}
	*r.at(r.tail) = *e
	r.tail++
	r.bytes += int64(len(e.m.Data))
	r.work.Signal()
	return nil
}

func (r *ring) grow() {
	bigger := make([]entry, 2*len(r.entries))
	for n := r.head; n != r.tail; n++ {
		bigger[n&uint64(len(bigger)-1)] = *r.at(n)
	}
	r.entries = bigger
}

func (r *ring) wake() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.work.Broadcast()
}

// stall sends nothing more until resume.
func (r *ring) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stalled = true
}

// toSend is what the sender takes with it.
type toSend struct {
	number            uint64
	subject, id, meta string
	data              []byte
	kept              int
}

// take waits for publications to send, and appends them to batch. It returns none when
// the broker is closed.
func (r *ring) take(batch []toSend) []toSend {
	const most = 64
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.broker.isClosed() && (r.stalled || r.next == r.tail || r.next-r.head >= sentMax) {
		r.work.Wait()
	}
	if r.broker.isClosed() {
		return nil
	}
	now := time.Now()
	for ; r.next != r.tail && r.next-r.head < sentMax && len(batch) < most; r.next++ {
		e := r.at(r.next)
		if e.done {
			continue
		}
		e.sentAt, e.isResent = now, !e.sentAt.IsZero()
		batch = append(batch, toSend{r.next, e.subject, e.id, e.meta, e.m.Data, e.kept})
	}
	return batch
}

// finish ends a publication, and lets go of finished ones; mu is held.
func (r *ring) finish(e *entry, p hub.Published) outcome {
	o := outcome{e.to, e.ticket, p}
	r.bytes -= int64(len(e.m.Data))
	*e = entry{done: true, accepted: p.Err == nil, m: hub.Message{Channel: e.m.Channel}}
	wasFull := r.next-r.head >= sentMax
	for r.head != r.tail && r.at(r.head).done {
		*r.at(r.head) = entry{}
		if r.head == r.next {
			r.next++
		}
		r.head++
	}
	if wasFull && r.next-r.head < sentMax {
		r.work.Signal()
	}
	if r.order != nil && r.head >= r.resent {
		r.order = nil
	}
	return o
}

// sendLoop sends publications. It is a goroutine of its own because a
// connection whose peer does not read blocks its writer.
func (b *Broker) sendLoop() {
	ids := newID() + "."
	reply := make([]byte, 0, 64)
	batch := make([]toSend, 0, 64)
	for {
		batch = b.ring.take(batch[:0])
		if b.isClosed() {
			return
		}
		for i := range batch {
			s := &batch[i]
			reply = strconv.AppendUint(append(reply[:0], b.names.inbox+ackToken...), s.number, 36)
			id := s.id
			if id == "" {
				id = ids + string(reply[len(b.names.inbox)+len(ackToken):])
			}
			m := &nats.Msg{Subject: s.subject, Reply: string(reply), Data: s.data, Header: nats.Header{metaHeader: {s.meta}, nats.MsgIdHdr: {id}}}
			if s.kept == 0 {
				m.Header[rollUpHeader] = []string{"sub"}
			}
			if err := b.nc.PublishMsg(m); errors.Is(err, nats.ErrMaxPayload) {
				b.ring.refuse(s.number, fmt.Errorf("%w: %d bytes with its header", ErrPayload, m.Size()))
			} else if err != nil {
				b.disturb() // it is sent again with those behind it
				break
			}
			if keep := b.trims.published(s.subject, s.kept, b.limits.Load().count); keep > 0 {
				b.trim(s.subject, keep)
			}
		}
		clear(batch)
	}
}

// rollUpHeader has the stream forget what it holds of the subject: a history ends where
// something newer is not kept.
const rollUpHeader = "Nats-Rollup"

// acknowledged takes the answer to a publication.
func (b *Broker) acknowledged(token string, m *nats.Msg) {
	number, err := strconv.ParseUint(token, 36, 64)
	if err != nil {
		return
	}
	if isNoResponders(m) {
		b.disturb()
		return
	}
	a, err := ParseAck(b.names.stream, m.Data)
	if err != nil {
		b.log.Error("natsbroker: what answered a publication is no stream", "error", err)
		b.disturb()
		return
	}
	if a.err != nil && a.err.isPassing() && a.err.ErrCode != codeDuplicateBusy {
		b.disturb()
		return
	}
	now := b.era.Load()
	if !b.isConfirmed() {
		return // it is sent again once it is known what the number means
	}
	o, ok, strange := b.ring.answer(number, a, now)
	if ok {
		now.saw(a.seq)
		o.to.Published(o.ticket, o.p)
	}
	if strange {
		b.disturb()
	}
}

// answer is the outcome of a publication. It is strange that the stream goes backwards.
func (r *ring) answer(number uint64, a ack, now *era) (o outcome, ok, strange bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number < r.head || number >= r.next {
		return o, false, false
	}
	e := r.at(number)
	if e.done || e.sentAt.IsZero() {
		return o, false, false
	}
	switch {
	case a.err != nil && a.err.ErrCode == codeDuplicateBusy && e.isResent:
		return o, false, true // what is being stored may be itself
	case a.err != nil && a.err.ErrCode == codeDuplicateBusy:
		r.putBehind(e)
		return o, false, false
	case a.err != nil:
		return r.finish(e, hub.Published{Err: fmt.Errorf("natsbroker: %w", a.err)}), true, false
	case a.seq <= now.base:
		return r.finish(e, hub.Published{Err: ErrUnknown}), true, false
	case !a.duplicate && a.seq <= r.newest:
		return o, false, true
	}
	if !a.duplicate {
		r.newest = a.seq
	}
	p := hub.Published{Position: hub.Position{Epoch: now.epoch, Offset: a.seq}, Duplicate: a.duplicate && e.m.IdempotencyKey != ""}
	if r.order != nil && !p.Duplicate {
		if a.seq < r.order[e.m.Channel] {
			p = hub.Published{Err: ErrUnknown} // a later one of the channel came before it
		} else {
			r.order[e.m.Channel] = a.seq
		}
	}
	return r.finish(e, p), true, false
}

// putBehind has a publication sent again, behind the others: another one with its key is
// being stored, so its place will be that of the other. mu is held.
func (r *ring) putBehind(e *entry) {
	again := *e
	r.finish(e, hub.Published{Err: ErrUnknown}) // whose outcome is not given
	if r.tail-r.head == uint64(len(r.entries)) {
		r.grow()
	}
	again.sentAt, again.isResent = time.Time{}, false
	*r.at(r.tail) = again
	r.tail++
	r.bytes += int64(len(again.m.Data))
	r.work.Signal()
}

// resume sends what has no answer again, and then what waits. A publication of which a
// later one of its channel was accepted is not sent again: it would come after that.
func (r *ring) resume() {
	var outcomes []outcome
	r.mu.Lock()
	accepted := make(map[string]bool)
	for n := r.next; n > r.head; n-- {
		switch e := r.at(n - 1); {
		case e.done && e.accepted:
			accepted[e.m.Channel] = true
		case !e.done && accepted[e.m.Channel] && !e.sentAt.IsZero():
			outcomes = append(outcomes, r.finish(e, hub.Published{Err: ErrUnknown}))
		}
	}
	if r.next > r.head {
		r.resent, r.order = r.next, make(map[string]uint64)
	}
	r.next, r.newest = r.head, 0
	r.stalled = false
	r.work.Signal()
	r.mu.Unlock()
	give(outcomes)
}

// refuse ends a publication that cannot be sent.
func (r *ring) refuse(number uint64, err error) {
	r.mu.Lock()
	e := r.at(number)
	if number < r.head || number >= r.tail || e.done {
		r.mu.Unlock()
		return
	}
	o := r.finish(e, hub.Published{Err: err})
	r.mu.Unlock()
	give([]outcome{o})
}

// sweep ends publications that have waited for too long. It reports whether the oldest
// one that was sent has waited for an answer for long enough to be strange.
func (r *ring) sweep(now time.Time) (strange bool) {
	var outcomes []outcome
	r.mu.Lock()
	for n := r.head; n < r.tail; n = max(n+1, r.head) { // finish moves head
		e := r.at(n)
		if e.done {
			continue
		}
		if now.Sub(e.since) < r.broker.options.PublishTimeout {
			strange = !e.sentAt.IsZero() && now.Sub(e.sentAt) > silenceMax && !r.stalled
			break
		}
		err := ErrAway
		if !e.sentAt.IsZero() {
			err = ErrUnknown
		}
		outcomes = append(outcomes, r.finish(e, hub.Published{Err: err}))
	}
	r.mu.Unlock()
	give(outcomes)
	return strange
}

// close ends all publications.
func (r *ring) close() {
	var outcomes []outcome
	r.mu.Lock()
	for n := r.head; n < r.tail; n = max(n+1, r.head) { // finish moves head
		if e := r.at(n); !e.done {
			outcomes = append(outcomes, r.finish(e, hub.Published{Err: hub.ErrClosed}))
		}
	}
	r.mu.Unlock()
	give(outcomes)
}
