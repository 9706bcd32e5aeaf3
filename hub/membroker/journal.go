package membroker

import (
	"context"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

// Journal writes down every change of a Broker's state before it happens. A publication has
// its position when it is appended, and is delivered, answered and found in the history when
// the Journal has called Done of its Entry. After the end of the process another Broker
// reads the records through a Recovery.
type Journal interface {
	// Append puts an entry behind the others. It is called with a lock of the Broker held: it
	// does not wait, and calls nothing of the Broker but e.AppendTo. After an error e is
	// forgotten, and its Done is not called.
	//
	// Done is called once for each Entry that was appended. Entries of one Lane are done in the
	// order in which they were appended. When an entry has failed, all entries fail that were
	// appended to its Lane until its Done has returned.
	Append(e Entry) error

	// Health returns nil if appended entries are written, and otherwise the error.
	Health(ctx context.Context) error

	// Close writes the appended entries and calls their Done. Every later Append fails.
	Close() error
}

// Entry is something that is on its way through a Journal.
type Entry struct {
	broker *Broker
	shard  *shard
	kind   byte
	index  uint8 // of the shard

	channel     *channel         // entryPublication
	publication *hub.Publication // entryPublication
	retention   hub.Retention    // entryPublication
	key         *keyHash         // entryPublication; nil for none
	now         moment           // entryPublication

	offset uint64    // entryAnswer: of the publication that it is about; entryClear: up to which
	clear  *clearing // entryClear

	to     hub.Completer // of all but entryClear
	ticket uint64
}

// clearing is a history that is to be forgotten.
type clearing struct {
	channel string
	done    chan error // capacity 1
}

// The kinds of an Entry. A kind that is written is also the kind of the record, and its number
// is never used again for something else.
const (
	entryPublication = 1
	entryPosition    = 2 // a publication that no history keeps
	entryClear       = 3
	entryAnswer      = 4 // nothing changes: it waits for the entries before it
)

// Lane is one of n numbers below n. All entries that are about one channel have the same.
func (e *Entry) Lane(n int) int { return int(e.index) % n }

// AppendTo appends the written form of e to dst: a record for Recovery.Record, or nothing.
func (e *Entry) AppendTo(dst []byte) []byte {
	if e.kind == entryAnswer {
		return dst
	}
	if e.kind == entryClear {
		dst = append(dst, entryClear)
		dst = pubcodec.AppendString(dst, e.clear.channel)
		return pubcodec.AppendUint(dst, e.offset)
	}
	keeps := e.retention.Count > 0 && e.retention.Age > 0
	kind := byte(entryPosition)
	if keeps {
		kind = entryPublication
	}
	dst = append(dst, kind)
	dst = pubcodec.AppendString(dst, e.publication.Channel)
	dst = pubcodec.AppendBool(dst, e.key != nil)
	if e.key != nil {
		dst = append(dst, e.key[:]...)
		dst = pubcodec.AppendInt(dst, int64(e.keyAge()))
	}
	if !keeps {
		dst = pubcodec.AppendUint(dst, e.publication.Position.Offset)
		return pubcodec.AppendInt(dst, e.publication.Time.UnixNano())
	}
	dst = pubcodec.AppendInt(dst, int64(e.retention.Count))
	dst = pubcodec.AppendInt(dst, int64(e.retention.Age))
	return pubcodec.AppendPublication(dst, e.publication)
}

// keyAge is how long the key is remembered.
func (e *Entry) keyAge() time.Duration {
	if e.retention.KeyAge == 0 {
		return e.broker.options.IdempotencyWindow
	}
	return e.retention.KeyAge
}

// Done tells that e was written, or that it was not, because of err. It delivers and
// answers.
func (e *Entry) Done(err error) {
	b := e.broker
	defer b.delivery.Done()
	switch e.kind {
	case entryPublication:
		e.published(err)
	case entryClear:
		if err == nil {
			e.shard.mu.Lock()
			if c, ok := e.shard.channels.Get(e.clear.channel); ok {
				b.clear(e.shard, c, e.offset)
			}
			e.shard.mu.Unlock()
		}
		e.clear.done <- err
	case entryAnswer:
		p := hub.Published{Err: err}
		if err == nil {
			p.Position, p.Duplicate = hub.Position{Epoch: b.epoch, Offset: e.offset}, true
		}
		e.to.Published(e.ticket, p)
	}
}

// published is Done of a publication.
func (e *Entry) published(err error) {
	b, s, c := e.broker, e.shard, e.channel
	p := hub.Published{Position: e.publication.Position}
	var deliver, waits bool
	s.mu.Lock()
	c.ahead--
	if e.key != nil {
		s.preparing.Delete(*e.key)
	}
	switch {
	case err != nil:
		p = hub.Published{Err: err}
		b.forgetIdle(s, c)
	case b.stage.Load() != stageClosed: // or else it is in the journal, and here everything goes
		deliver = b.hold(s, c, e.publication, e.retention, e.key, e.now)
		if waits = len(c.pending) > pendingMax; waits {
			c.answers = append(c.answers, answer{e.to, e.ticket, p})
		}
	}
	s.mu.Unlock()
	if err == nil {
		b.tidy(e.key, e.retention)
	}
	if deliver {
		b.deliver(s, c, deliverMax)
	}
	if !waits {
		e.to.Published(e.ticket, p)
	}
}

// prepare is publish with a Journal.
func (b *Broker) prepare(m *hub.Message, r hub.Retention, key *keyHash, to hub.Completer, ticket uint64, evenFrozen bool) {
	s, hash := b.locate(m.Channel)
	s.mu.Lock()
	answered, p, err := b.append(s, hash, m, r, key, to, ticket, evenFrozen)
	s.mu.Unlock()
	switch {
	case err == ErrFrozen:
		(*b.aside.Load()).Publish(*m, r, to, ticket)
	case err != nil:
		to.Published(ticket, hub.Published{Err: err})
	case answered:
		to.Published(ticket, p)
	}
}

// append gives m its position and appends it to the journal, or knows the outcome; s.mu is held.
func (b *Broker) append(s *shard, hash uint64, m *hub.Message, r hub.Retention, key *keyHash, to hub.Completer, ticket uint64, evenFrozen bool) (answered bool, p hub.Published, err error) {
	if err := b.checkOpen(); err != nil && !(evenFrozen && err == ErrFrozen) {
		return false, p, err
	}
	e := Entry{broker: b, shard: s, index: s.index, to: to, ticket: ticket}
	if key != nil {
		if offset, ok := b.keys.offset(*key); ok {
			return true, hub.Published{Position: hub.Position{Epoch: b.epoch, Offset: offset}, Duplicate: true}, nil
		}
		if offset, ok := s.preparing.Get(*key); ok {
			e.kind, e.offset = entryAnswer, offset
			return false, p, b.hand(e)
		}
	}
	c, err := b.channel(s, hash, m.Channel)
	if err != nil {
		return false, p, err
	}
	now := time.Now()
	e.kind, e.channel, e.retention, e.key, e.now = entryPublication, c, r, key, moment(now.Sub(b.began))
	e.publication = b.publication(c, c.top+uint64(c.ahead), m, now)
	c.ahead++
	if err := b.hand(e); err != nil {
		c.ahead--
		b.forgetIdle(s, c)
		return false, p, err
	}
	if key != nil {
		s.preparing.Set(*key, e.publication.Position.Offset)
	}
	return false, p, nil
}

// hand hands an entry to the journal; the lock of its shard is held.
func (b *Broker) hand(e Entry) error {
	b.delivery.Add(1)
	err := b.options.Journal.Append(e)
	if err != nil {
		b.delivery.Done()
	}
	return err
}

// prepareClear is Clear with a Journal.
func (b *Broker) prepareClear(ctx context.Context, channel string) error {
	s, _ := b.locate(channel)
	done := make(chan error, 1)
	s.mu.Lock()
	err := b.checkOpen()
	if err == nil {
		c, ok := s.channels.Get(channel)
		if !ok {
			s.mu.Unlock()
			return nil
		}
		err = b.hand(Entry{broker: b, shard: s, index: s.index, kind: entryClear, offset: c.top + uint64(c.ahead), clear: &clearing{c.name, done}})
	}
	s.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
