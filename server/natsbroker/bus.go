package natsbroker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"unicode"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/hub"
)

// bus is messages from node to node: core subjects, which nothing keeps.
type bus struct {
	came chan *nats.Msg

	work  *sync.Cond // of mu: there is something to send
	mu    sync.Mutex // guards what follows
	queue []busMessage
	bytes int
	ears  map[string]*ear // by subject

	telling sync.Mutex // held while a Hearer is called; taken before mu
}

// ear is a subject that somebody hears.
type ear struct {
	sub     *nats.Subscription
	hearers []*hearer
}

type hearer struct{ to hub.Hearer }

type busMessage struct {
	subject string
	data    []byte
}

func (u *bus) init() {
	u.work = sync.NewCond(&u.mu)
	u.came = make(chan *nats.Msg, waitingMax)
	u.ears = make(map[string]*ear)
}

func (u *bus) wake() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.work.Broadcast()
}

// Errors of the bus.
var (
	errTopic   = errors.New("natsbroker: a topic is 1 to 320 bytes without control characters and white space")
	errTooLong = errors.New("natsbroker: a message of the bus is at most 512 KiB long")
)

// busSubject is the subject of a topic.
func (b *Broker) busSubject(topic string) (string, error) {
	if topic == "" || len(topic) > hub.BusTopicBytesMax {
		return "", errTopic
	}
	for _, r := range topic {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return "", errTopic
		}
	}
	// A topic may have empty segments, which a subject cannot: the slash is escaped, too.
	subject := append(make([]byte, 0, len(b.names.bus)+len(topic)+8), b.names.bus...)
	for i := range len(topic) {
		if c := topic[i]; c == '/' || needsEscape(c) {
			subject = append(subject, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			subject = append(subject, c)
		}
	}
	return string(subject), nil
}

// Send implements hub.BusBroker. Messages beyond 16 MiB that wait are lost.
func (b *Broker) Send(topic string, data []byte) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	subject, err := b.busSubject(topic)
	if err != nil {
		return err
	}
	if len(data) > hub.BusBytesMax {
		return errTooLong
	}
	u := &b.bus
	u.mu.Lock()
	defer u.mu.Unlock()
	if size := len(subject) + len(data); u.bytes+size <= busBytesMax {
		u.bytes += size
		u.queue = append(u.queue, busMessage{subject, data})
		u.work.Signal()
	}
	return nil
}

// busSendLoop sends what waits. It is a goroutine of its own for the same reason as
// sendLoop.
func (b *Broker) busSendLoop() {
	u := &b.bus
	var batch []busMessage
	for {
		u.mu.Lock()
		for len(u.queue) == 0 && !b.isClosed() {
			u.work.Wait()
		}
		batch, u.queue, u.bytes = u.queue, batch[:0], 0
		u.mu.Unlock()
		if b.isClosed() {
			return
		}
		for i := range batch {
			_ = b.nc.Publish(batch[i].subject, batch[i].data) // without a connection it is lost
		}
		clear(batch)
	}
}

// Hear implements hub.BusBroker.
func (b *Broker) Hear(ctx context.Context, topic string, to hub.Hearer) (stop func(), err error) {
	if err := b.checkOpen(); err != nil {
		return nil, err
	}
	subject, err := b.busSubject(topic)
	if err != nil {
		return nil, err
	}
	h := &hearer{to}
	if err := b.bus.add(b.nc, subject, h); err != nil {
		return nil, b.failed(err)
	}
	if err := b.flush(ctx); err != nil {
		b.bus.remove(subject, h)
		return nil, b.failed(err)
	}
	return sync.OnceFunc(func() { b.bus.remove(subject, h) }), nil
}

func (u *bus) add(nc *nats.Conn, subject string, h *hearer) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := u.ears[subject]
	if e == nil {
		sub, err := nc.ChanSubscribe(subject, u.came)
		if err != nil {
			return err
		}
		e = &ear{sub: sub}
		u.ears[subject] = e
	}
	e.hearers = append(e.hearers, h)
	return nil
}

func (u *bus) remove(subject string, h *hearer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	e := u.ears[subject]
	if e == nil {
		return
	}
	// Copied: busLoop may be at the old ones.
	e.hearers = slices.DeleteFunc(slices.Clone(e.hearers), func(other *hearer) bool { return other == h })
	if len(e.hearers) == 0 {
		_ = e.sub.Unsubscribe() // it fails when the connection was closed, which ends it, too
		delete(u.ears, subject)
	}
}

// busLoop tells of what came.
func (b *Broker) busLoop() {
	u := &b.bus
	b.each(u.came, func(m *nats.Msg) {
		u.telling.Lock()
		defer u.telling.Unlock()
		u.mu.Lock()
		var hearers []*hearer
		if e := u.ears[m.Subject]; e != nil {
			hearers = e.hearers
		}
		u.mu.Unlock()
		for _, h := range hearers {
			h.to.Heard(m.Data)
		}
	})
}

// missed tells everybody that messages may have been lost.
func (u *bus) missed() {
	u.telling.Lock()
	defer u.telling.Unlock()
	u.mu.Lock()
	var hearers []*hearer
	for _, e := range u.ears {
		hearers = append(hearers, e.hearers...)
	}
	u.mu.Unlock()
	for _, h := range hearers {
		h.to.Missed()
	}
}
