package membroker

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

// errUsed is the error of Restore for a Broker that holds something of its own.
var errUsed = errors.New("membroker: Restore is for a broker that was not used yet")

// Restore takes over what a Snapshot has written: first the bulk, then, by a second
// call, the rest. The Broker was started, and nothing else is called until the last part is
// in; after an error it can only be closed. The epoch is that of the other Broker
// then, and channels and patterns count as listened to that were listened to there, see
// Listened and ListenedPatterns.
//
// More channels than the Options of this Broker allow are taken all the same; of too
// many publications and keys the oldest go.
func (b *Broker) Restore(r io.Reader) error {
	b.life.Lock()
	defer b.life.Unlock()
	if err := b.checkOpen(); err != nil {
		return err
	}
	if !b.restored && (b.channels.Load() > 0 || b.keys.expire() > 0) {
		return errUsed
	}
	d := recordReader{r: bufio.NewReaderSize(r, flushBytes), broker: b}
	if err := d.run(); err != nil {
		return fmt.Errorf("membroker: cannot read the snapshot: %w", err)
	}
	if b.bytes.Load() > b.options.HistoryBytesMax {
		b.evict()
	}
	if d.isRest { // until then nothing goes, of what more belongs to
		b.janitor.wake()
	}
	return nil
}

// Listened calls yield with the name of each channel that counts as listened to. It
// locks a part of the channels at a time, and calls yield with no lock held.
func (b *Broker) Listened(yield func(channel string) bool) {
	for i := range b.shards {
		var names []string
		s := &b.shards[i]
		s.mu.Lock()
		for name, c := range s.channels.All {
			if c.listening {
				names = append(names, name)
			}
		}
		s.mu.Unlock()
		for _, name := range names {
			if !yield(name) {
				return
			}
		}
	}
}

// errRecord is the error for a record that nothing here has written.
var errRecord = errors.New("a record is malformed")

// recordReader reads what recordWriter has written.
type recordReader struct {
	r      *bufio.Reader
	broker *Broker
	b      []byte // the record

	raised  *floors // nil for the broker's own
	isState bool    // of Broker.WriteState: the time that has passed since counts in full

	begun    bool // the head was there
	version  uint64
	isRest   bool // floors were, which come with the rest
	shard    *shard
	channel  *channel // what follows belongs to it; nil for none
	top      uint64   // the offset that it has to have come to in the end
	channels uint64
	held     uint64
}

func (d *recordReader) run() error {
	for {
		kind, err := d.next()
		if err != nil {
			return err
		}
		f := pubcodec.Fields{B: d.b}
		if d.begun == (kind == recordHead) {
			return errRecord
		}
		if kind != recordHeld {
			if err := d.endChannel(); err != nil {
				return err
			}
		}
		switch kind {
		case recordHead:
			err = d.head(&f)
		case recordChannel:
			d.beginChannel(&f)
		case recordHeld:
			err = d.hold(&f)
		case recordForgotten:
			d.forgotten(&f)
		case recordKeys:
			d.keys(&f)
		case recordPatterns:
			d.patterns(&f)
		case recordFloors:
			d.isRest = true
			d.places(&f, cmp.Or(d.raised, &d.broker.floors))
		case recordDrops:
			d.places(&f, &d.broker.drops)
		case recordEnd:
			if f.Uint() != d.channels || f.Uint() != d.held || f.Rest() != nil {
				return errRecord
			}
			return d.atEnd()
		default:
			return errRecord
		}
		if err != nil {
			return err
		}
		if f.Rest() != nil {
			return errRecord
		}
	}
}

// next reads a record. Its memory grows with the bytes that have arrived, and not with
// the announced length.
func (d *recordReader) next() (kind byte, err error) {
	n, err := binary.ReadUvarint(d.r)
	if err != nil {
		return 0, unexpected(err)
	}
	if n == 0 || n > recordBytesMax {
		return 0, errRecord
	}
	if kind, err = d.r.ReadByte(); err != nil {
		return 0, unexpected(err)
	}
	n--
	d.b = d.b[:0]
	for uint64(len(d.b)) < n {
		have := len(d.b)
		step := min(int(n)-have, max(have, flushBytes))
		d.b = append(d.b, make([]byte, step)...)
		if _, err := io.ReadFull(d.r, d.b[have:]); err != nil {
			return 0, unexpected(err)
		}
	}
	return kind, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// atEnd reports what follows the end.
func (d *recordReader) atEnd() error {
	if _, err := d.r.ReadByte(); err != io.EOF {
		return errRecord
	}
	if d.version == 1 {
		d.broker.doubtDrops()
	}
	return nil
}

// head takes over the epoch, the key, and the clock: moments are those of the other broker.
func (d *recordReader) head(f *pubcodec.Fields) error {
	d.begun = true
	if d.version = f.Uint(); f.Err == nil && (d.version > SnapshotVersion || d.version+1 < SnapshotVersion) {
		return fmt.Errorf("it has version %d, and this program reads %d and the one before it", d.version, SnapshotVersion)
	}
	epoch := f.String()
	var key nameKey
	for i := range key {
		key[i] = f.Uint()
	}
	wall, clock := f.Int(), f.Int()
	if _, err := hub.ParsePosition(epoch + ":0"); err != nil || f.Err != nil || clock < 0 {
		return errRecord
	}
	b := d.broker
	if b.restored && !d.isState {
		if b.epoch != epoch || b.key != key {
			return errRecord // it is the rest of something else
		}
		return nil
	}
	b.restored = true
	now := time.Now()
	passed := max(0, now.Sub(time.Unix(0, wall))) // since it was written
	if !d.isState {
		passed = min(passed, time.Hour)
	}
	b.epoch, b.key = epoch, key
	b.began = now.Add(-time.Duration(clock)).Add(-passed)
	return nil
}

// beginChannel makes or changes a channel: what of its history is older than the
// oldest that the other holds goes.
func (d *recordReader) beginChannel(f *pubcodec.Fields) {
	name, top, oldest, listening := f.String(), f.Uint(), f.Uint(), f.Bool()
	var dropped stamp
	if d.version > 1 {
		dropped = stamp(f.Uint())
	}
	if f.Err != nil {
		return
	}
	if hub.CheckChannel(name) != nil {
		f.Err = errRecord
		return
	}
	d.channels++
	b := d.broker
	s, hash := b.locate(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	c, is := s.channels.Get(name)
	if !is {
		c = b.revive(s, hash, name)
		s.channels.Set(name, c)
		b.channels.Add(1)
	}
	d.shard, d.channel, d.top = s, c, top
	c.listening = listening
	gone := 0
	for gone < c.history.held.len() && c.history.held.at(gone).publication.Position.Offset < oldest {
		gone++
	}
	b.count(c.history.drop(gone))
	c.history.dropped = max(c.history.dropped, dropped)
}

// hold adds a publication to the history of the channel.
func (d *recordReader) hold(f *pubcodec.Fields) error {
	c, b := d.channel, d.broker
	if c == nil {
		return errRecord
	}
	h := held{goneWith: f.Uint(), goneAfter: moment(f.Int())}
	h.publication = f.Publication(c.name, b.epoch)
	if f.Rest() != nil {
		return errRecord
	}
	d.held++
	offset := h.publication.Position.Offset
	d.shard.mu.Lock()
	defer d.shard.mu.Unlock()
	if n := c.history.held.len(); n > 0 && offset != c.history.held.at(n-1).publication.Position.Offset+1 {
		return errRecord // a history has no holes
	}
	if offset == 0 || offset > d.top || h.publication.Previous >= offset || h.goneWith <= offset {
		return errRecord
	}
	b.count(c.history.restore(h))
	return nil
}

// endChannel ends a channel that was begun: it has come as far as the other's.
func (d *recordReader) endChannel() error {
	c := d.channel
	if c == nil {
		return nil
	}
	d.channel = nil
	d.shard.mu.Lock()
	defer d.shard.mu.Unlock()
	if n := c.history.held.len(); n > 0 && c.history.held.at(n-1).publication.Position.Offset != d.top {
		return errRecord
	}
	c.top = max(c.top, d.top)
	d.shard.reschedule(c)
	d.broker.forgetIdle(d.shard, c)
	return nil
}

// restore is add for a publication that was held already: older ones are lowered to it,
// and nothing is dropped.
func (h *history) restore(e held) tally {
	h.lower(e)
	h.held.push(e)
	return tally{1, charge(e.publication)}
}

func (d *recordReader) forgotten(f *pubcodec.Fields) {
	b := d.broker
	for len(f.B) > 0 && f.Err == nil {
		hash, r := f.Uint(), remembered(f.Uint())
		if f.Err != nil {
			return
		}
		s := &b.shards[hash%shardCount]
		s.mu.Lock()
		s.forgotten.remember(hash, r.offset(), &b.floors)
		if r&usedAgain != 0 {
			now, _ := s.forgotten.offsets.Get(hash)
			s.forgotten.offsets.Set(hash, now|usedAgain)
		}
		s.mu.Unlock()
	}
}

func (d *recordReader) keys(f *pubcodec.Fields) {
	for len(f.B) > 0 && f.Err == nil {
		var k keyEntry
		if len(f.B) < len(k.key) {
			f.Err = errRecord
			return
		}
		copy(k.key[:], f.B)
		f.B = f.B[len(k.key):]
		k.offset, k.forgets = f.Uint(), moment(f.Int())
		if f.Err == nil {
			d.broker.keys.restore(k)
		}
	}
}

func (d *recordReader) patterns(f *pubcodec.Fields) {
	p := &d.broker.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(f.B) > 0 && f.Err == nil {
		pattern := f.String()
		switch {
		case f.Err != nil:
		case hub.CheckPattern(pattern) != nil:
			f.Err = errRecord
		default:
			p.add(pattern)
		}
	}
}

// places raises the places of to.
func (d *recordReader) places(f *pubcodec.Fields, to *floors) {
	for len(f.B) > 0 && f.Err == nil {
		place, value := f.Uint(), f.Uint()
		if f.Err == nil && place >= uint64(len(to)) {
			f.Err = errRecord
		}
		if f.Err == nil {
			to.raise(place<<52, value)
		}
	}
}

// doubtDrops has it that any channel may have dropped what was accepted until now.
func (b *Broker) doubtDrops() {
	now := uint64(max(0, time.Now().UnixNano()))
	for place := range b.drops {
		b.drops.raise(uint64(place)<<52, now)
	}
	for i := range b.shards {
		s := &b.shards[i]
		s.mu.Lock()
		for _, c := range s.channels.All {
			c.history.dropped = max(c.history.dropped, stamp(now))
		}
		s.mu.Unlock()
	}
}

// allKeys has newest return all keys.
const allKeys = math.MaxUint64

// newest returns the keys that came after the first n, oldest first, and how many have
// come in all. With allKeys it is all of them.
func (i *idempotency) newest(n uint64) (keys []keyEntry, total uint64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	first := 0
	if n != allKeys {
		first = max(0, i.order.len()-int(min(i.total-n, math.MaxInt32)))
	}
	keys = make([]keyEntry, 0, i.order.len()-first)
	for at := first; at < i.order.len(); at++ {
		key := *i.order.at(at)
		seen, _ := i.seen.Get(key)
		keys = append(keys, keyEntry{key, seen})
	}
	return keys, i.total
}

// restore adds a key that another has remembered.
func (i *idempotency) restore(k keyEntry) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, is := i.seen.Get(k.key); !is {
		i.push(k.key)
	}
	i.seen.Set(k.key, k.keySeen)
}
