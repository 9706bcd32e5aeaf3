package membroker

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

// WriteState writes everything the Broker knows, for a Recovery, while it goes on: one shard after
// another, each as it is at a moment. Together with all entries appended to its Journal from
// before WriteState on it is the Broker's later state. It does not contain which channels are
// listened to. It returns the error of w.
func (b *Broker) WriteState(w io.Writer) error {
	e := &recordWriter{w: w, version: SnapshotVersion}
	e.head(b)
	for i := range b.shards {
		channels, forgotten := b.shards[i].copyHeld()
		for j := range channels {
			e.channel(&channels[j])
		}
		e.forgotten(forgotten)
		if e.err != nil {
			return e.err
		}
	}
	keys, _ := b.keys.newest(allKeys)
	e.idempotency(keys)
	// These come last: they have what a shard has forgotten meanwhile.
	e.drops(&b.drops)
	e.floors(&b.floors)
	return e.end()
}

// copyHeld copies everything but the listeners.
func (s *shard) copyHeld() (channels []copied, entries []forgottenEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	channels = make([]copied, 0, s.channels.Len())
	for _, c := range s.channels.All {
		v := c.copyOf(0)
		v.listening = false
		channels = append(channels, v)
	}
	return channels, s.forgotten.all()
}

// Recovery restores the state of a Broker whose process has ended: first State, with the last
// output of its WriteState, then Record, with each record of its Journal since that
// WriteState began, in order; and in the end End. A change that both State and Record contain
// has an effect once.
//
// Nothing was published to the Broker yet, and nothing else is called before End.
type Recovery struct {
	broker *Broker
	floors *floors // raised in the end: the floors that are read are exact, and no guess
	read   bool
}

// Recover begins a Recovery. It returns an error if the Broker holds something already.
func (b *Broker) Recover() (*Recovery, error) {
	b.life.Lock()
	defer b.life.Unlock()
	if b.stage.Load() > stageOpen {
		return nil, b.checkOpen()
	}
	if b.restored || b.channels.Load() > 0 || b.keys.expire() > 0 {
		return nil, errUsed
	}
	b.restored = true
	return &Recovery{broker: b, floors: new(floors)}, nil
}

// State reads what WriteState has written. After an error, what could be read before it is
// there, and End is to begin another epoch.
func (r *Recovery) State(from io.Reader) error {
	b := r.broker
	d := recordReader{r: bufio.NewReaderSize(from, flushBytes), broker: b, raised: r.floors, isState: true}
	err := d.run()
	r.read = d.begun
	if err != nil {
		if c := d.channel; c != nil { // the channel that was being read ends with what it has
			if n := c.history.held.len(); n > 0 {
				d.top = c.history.held.at(n - 1).publication.Position.Offset
			}
			_ = d.endChannel() // it has come as far as what it holds
		}
		return fmt.Errorf("membroker: cannot read the state: %w", err)
	}
	r.makeRoom()
	return nil
}

func (r *Recovery) makeRoom() {
	if b := r.broker; b.bytes.Load() > b.options.HistoryBytesMax {
		b.evict()
	}
}

// Record reads what Entry.AppendTo has appended. It keeps nothing of record. It returns an
// error if nothing here has made it.
func (r *Recovery) Record(record []byte) error {
	b := r.broker
	if !r.read { // there is no State: older entries than this Broker have to have a moment, too
		b.began, r.read = b.began.Add(-longAgo), true
	}
	f := pubcodec.Fields{B: record}
	kind := f.Byte()
	name := f.String()
	if f.Err != nil || hub.CheckChannel(name) != nil {
		return errRecord
	}
	switch kind {
	case entryClear:
		offset := f.Uint()
		if f.Rest() != nil {
			return errRecord
		}
		s, _ := b.locate(name)
		s.mu.Lock()
		if c, is := s.channels.Get(name); is {
			b.clear(s, c, offset)
		}
		s.mu.Unlock()
		return nil
	case entryPublication, entryPosition:
		return r.publication(kind, name, &f)
	}
	return errRecord
}

// longAgo is longer than anything is kept for, mostly.
const longAgo = 366 * 24 * time.Hour

func (r *Recovery) publication(kind byte, name string, f *pubcodec.Fields) error {
	b := r.broker
	var k keyEntry
	hasKey := f.Bool()
	var keyAge time.Duration
	if hasKey {
		if len(f.B) < len(k.key) {
			return errRecord
		}
		copy(k.key[:], f.B)
		f.B = f.B[len(k.key):]
		keyAge = time.Duration(f.Int())
	}
	var retention hub.Retention
	var p *hub.Publication
	if kind == entryPublication {
		retention.Count, retention.Age = int(f.Int()), time.Duration(f.Int())
		p = f.Publication(name, b.epoch)
	} else {
		p = &hub.Publication{Channel: name, Position: hub.Position{Epoch: b.epoch, Offset: f.Uint()}}
		p.Time = time.Unix(0, f.Int())
	}
	if f.Rest() != nil || p.Position.Offset == 0 || p.Position.Offset >= 1<<63 || p.Previous >= p.Position.Offset || keyAge < 0 {
		return errRecord
	}
	at := moment(max(0, p.Time.Sub(b.began.Round(0))))
	// A state that has the publication has its key, too, unless newer ones have taken its place.
	if k.offset, k.forgets = p.Position.Offset, at.add(keyAge); r.hold(p, retention, at) && hasKey && k.forgets >= b.clock() {
		b.keys.restore(k)
	}
	r.makeRoom()
	return nil
}

// hold makes p the newest of its channel, unless the channel has come as far already, and reports whether
// it did.
func (r *Recovery) hold(p *hub.Publication, retention hub.Retention, at moment) bool {
	b := r.broker
	s, hash := b.locate(p.Channel)
	s.mu.Lock()
	defer s.mu.Unlock()
	offset := p.Position.Offset
	c, is := s.channels.Get(p.Channel)
	if !is {
		known, _ := s.forgotten.offsets.Get(hash)
		if known.offset() >= offset {
			return false
		}
		c = b.revive(s, hash, p.Channel)
		c.top = known.offset()
		s.channels.Set(c.name, c)
		b.channels.Add(1)
	}
	if c.top >= offset {
		return false
	}
	if n := c.history.held.len(); n > 0 && c.top+1 != offset {
		b.count(c.history.drop(n)) // a history has no holes
	}
	p.Channel = c.name
	c.top = offset
	b.count(c.history.add(p, retention, at))
	b.count(c.history.expire(b.clock()))
	s.reschedule(c)
	b.forgetIdle(s, c)
	return true
}

// End ends the Recovery. With another epoch, every position that was given out before is of
// an epoch that is over: clients that come back with it are told of a gap.
func (r *Recovery) End(otherEpoch bool) {
	b := r.broker
	if otherEpoch {
		r.beginEpoch()
	}
	for place := range r.floors {
		b.floors.raise(uint64(place)<<52, r.floors[place].Load())
	}
	if b.stage.Load() == stageOpen {
		b.janitor.wake()
	}
}

// beginEpoch moves the held publications into another epoch, which begins now, as does the clock.
func (r *Recovery) beginEpoch() {
	b := r.broker
	b.epoch = newEpoch()
	now := time.Now()
	passed := moment(now.Sub(b.began))
	b.began = now
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for _, c := range s.channels.All {
			for j := range c.history.held.len() {
				h := c.history.held.at(j)
				h.publication.Position.Epoch = b.epoch
				h.goneAfter -= passed
			}
			c.dueAt -= passed
		}
		s.mu.Unlock()
	}
	b.keys.shift(passed)
	b.doubtDrops() // what was not found was dropped, too
}

// newEpoch makes an epoch that no broker has had.
func newEpoch() string { return rand.Text()[:10] } // 50 bits

// Epoch is the epoch of all positions.
func (b *Broker) Epoch() string { return b.epoch }

// shift takes passed from every moment.
func (i *idempotency) shift(passed moment) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for at := range i.order.len() {
		key := *i.order.at(at)
		if seen, is := i.seen.Get(key); is {
			seen.forgets -= passed
			i.seen.Set(key, seen)
		}
	}
}
