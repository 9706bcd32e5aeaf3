package membroker

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/pubcodec"
)

// ErrFrozen is the answer of a Broker that is frozen, or has moved, to what would
// change it. See Snapshot.
var ErrFrozen = errors.New("membroker: its state is on the way to another broker")

// ErrSnapshot is the error for a second Snapshot at a time.
var ErrSnapshot = errors.New("membroker: a snapshot is being made already")

// Publisher takes the publications while a Broker is frozen. It has the contract of
// hub.Broker's method.
type Publisher interface {
	Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64)
}

// Snapshot is everything a Broker knows, on its way to another one: the epoch, the
// histories, how far each channel has come, the idempotency keys, and which channels
// and patterns are listened to. Most of it is written while the Broker goes on, and the changes made
// meanwhile when it stands still:
//
//	Snapshot ─► WriteBulk ─► Freeze ─► WriteRest ─┬─► Release    the other one has it
//	     └──────────┴───────────┴─────────┴───────┴─► Thaw       it goes on as before
//
// The other one is given both parts by Restore, in this order. The methods are called one
// after another.
type Snapshot struct {
	// Version is that of what is written: SnapshotVersion, which is the default, or the one before
	// it. It is set before WriteBulk.
	Version int

	broker *Broker
	keys   uint64 // how many keys had been remembered when the bulk was written
}

// Snapshot begins one. It returns ErrSnapshot, or what checkOpen says of a Broker that
// is not open. From now on the Broker notes what changes, until Release or Thaw.
func (b *Broker) Snapshot() (*Snapshot, error) {
	b.life.Lock()
	defer b.life.Unlock()
	if err := b.checkOpen(); err != nil {
		return nil, err
	}
	if b.snapshot != nil {
		return nil, ErrSnapshot
	}
	b.snapshot = &Snapshot{Version: SnapshotVersion, broker: b}
	return b.snapshot, nil
}

// track is the changes in a shard since its bulk was written.
type track struct {
	tops   map[string]uint64 // how far a channel had come before it changed first
	forgot []uint64          // hashes of channels that were forgotten; with doubles
}

// note is called before c changes, s.mu being held.
func (s *shard) note(c *channel) {
	if s.track == nil {
		return
	}
	if _, is := s.track.tops[c.name]; !is {
		s.track.tops[c.name] = c.top
	}
}

// copied is a channel as it was at a moment.
type copied struct {
	name      string
	top       uint64
	oldest    uint64 // the offset of the first that is held, or the next to come
	listening bool
	dropped   stamp
	held      []held // the publications to be written
}

// copyOf copies what of c is newer than since; the shard's lock is held.
func (c *channel) copyOf(since uint64) copied {
	n := c.history.held.len()
	v := copied{name: c.name, top: c.top, oldest: c.top + 1, listening: c.listening, dropped: c.history.dropped}
	if n > 0 {
		v.oldest = c.history.held.at(0).publication.Position.Offset
	}
	first := 0
	if since >= v.oldest {
		first = int(min(since-v.oldest+1, uint64(n)))
	}
	if first < n {
		v.held = make([]held, 0, n-first)
		for i := first; i < n; i++ {
			v.held = append(v.held, *c.history.held.at(i))
		}
	}
	return v
}

// WriteBulk writes the present state, one shard after another, and locks each only while
// it copies the shard's entries, without payloads. It returns the error of w.
func (s *Snapshot) WriteBulk(w io.Writer) error {
	b := s.broker
	e := &recordWriter{w: w, version: s.Version}
	e.head(b)
	for i := range b.shards {
		channels, forgotten := b.shards[i].copyAll()
		for j := range channels {
			e.channel(&channels[j])
		}
		e.forgotten(forgotten)
		if e.err != nil {
			return e.err
		}
	}
	keys, total := b.keys.newest(allKeys)
	s.keys = total
	e.idempotency(keys)
	return e.end()
}

// copyAll copies everything, and begins to track what changes.
func (s *shard) copyAll() (channels []copied, entries []forgottenEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.track = &track{tops: make(map[string]uint64)}
	channels = make([]copied, 0, s.channels.Len())
	for _, c := range s.channels.All {
		channels = append(channels, c.copyOf(0))
	}
	return channels, s.forgotten.all()
}

// all are the entries, in their order.
func (f *forgotten) all() []forgottenEntry {
	entries := make([]forgottenEntry, 0, f.order.len())
	for i := range f.order.len() {
		hash := *f.order.at(i)
		r, _ := f.offsets.Get(hash)
		entries = append(entries, forgottenEntry{hash, r})
	}
	return entries
}

// Freeze makes the Broker stand still: publications go to p from now on, and Listen,
// Mute and Clear answer ErrFrozen. Reading goes on. It returns when nothing is delivered
// any more. Or it returns the error of ctx, and then Thaw is to be called.
func (s *Snapshot) Freeze(ctx context.Context, p Publisher) error {
	b := s.broker
	b.life.Lock()
	if err := b.checkOpen(); err != nil {
		b.life.Unlock()
		return err
	}
	b.aside.Store(&p)
	b.stage.Store(stageFrozen)
	b.life.Unlock()
	for i := range b.shards { // every later holder of the lock finds it frozen
		b.shards[i].mu.Lock()
		b.shards[i].mu.Unlock() //nolint:staticcheck // that it is free for a moment is the point
	}
	b.patterns.mu.Lock()
	b.patterns.mu.Unlock() //nolint:staticcheck // as above
	delivered := make(chan struct{})
	go func() {
		b.delivery.Wait()
		close(delivered)
	}()
	select {
	case <-delivered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// WriteRest writes the changes since WriteBulk. It returns the error of w.
func (s *Snapshot) WriteRest(w io.Writer) error {
	b := s.broker
	e := &recordWriter{w: w, version: s.Version}
	e.head(b)
	for i := range b.shards {
		channels, forgotten := b.shards[i].copyChanged(&b.floors)
		for j := range channels {
			e.channel(&channels[j])
		}
		e.forgotten(forgotten)
	}
	keys, _ := b.keys.newest(s.keys)
	e.idempotency(keys)
	e.patterns(b.ListenedPatterns())
	e.drops(&b.drops)
	e.floors(&b.floors)
	return e.end()
}

func (s *shard) copyChanged(shared *floors) (channels []copied, entries []forgottenEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.track == nil {
		return nil, nil
	}
	for name, since := range s.track.tops {
		if c, is := s.channels.Get(name); is {
			channels = append(channels, c.copyOf(since))
		} else {
			// It was forgotten. Its hash is among the forgotten, and the other broker drops its
			// copy.
			channels = append(channels, copied{name: name, top: since, oldest: math.MaxUint64})
		}
	}
	for _, hash := range s.track.forgot {
		if r, is := s.forgotten.offsets.Get(hash); is {
			entries = append(entries, forgottenEntry{hash, r})
		}
	}
	return channels, entries
}

// Publish publishes although the Broker is frozen: before Thaw, the publications that
// were put aside, in their order.
func (s *Snapshot) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	s.broker.publish(m, r, to, ticket, true)
}

// Thaw has the Broker go on as if there had been no Snapshot.
func (s *Snapshot) Thaw() { s.finish(stageOpen) }

// Release lets go of everything the Broker holds: another one has it. Publications here
// still go to the Publisher of Freeze, and the Broker has to be closed.
func (s *Snapshot) Release() { s.finish(stageMoved) }

func (s *Snapshot) finish(stage uint32) {
	b := s.broker
	b.life.Lock()
	defer b.life.Unlock()
	if b.snapshot != s {
		return
	}
	b.snapshot = nil
	if stage == stageMoved && b.stage.CompareAndSwap(stageFrozen, stageMoved) {
		b.drop() // no caller waits for an answer: Freeze has waited for the deliveries
		return
	}
	for i := range b.shards {
		b.shards[i].mu.Lock()
		b.shards[i].track = nil
		b.shards[i].mu.Unlock()
	}
	b.stage.CompareAndSwap(stageFrozen, stageOpen)
}

// The format is a sequence of records, each with its length before it. A number is never
// used again for something else.
//
//	version epoch key wall clock
//	name top oldest listening dropped   { goneWith goneAfter publication }…
//	{ hash offset }…   { key offset forgets }…   { place offset }…   { pattern }…
//	{ place dropped }…
//	how many of each
//
// Version 1 had no dropped.
const (
	recordHead      = 1
	recordChannel   = 2
	recordHeld      = 3 // of the channel before it
	recordForgotten = 4
	recordKeys      = 5
	recordFloors    = 6
	recordEnd       = 7
	recordPatterns  = 8
	recordDrops     = 9
)

// SnapshotVersion is that of the format. A version is read by itself and the next.
const SnapshotVersion = 2

const (
	recordBytesMax = 1 << 30 // of a record: a publication and a little
	flushBytes     = 64 << 10
	entriesMax     = 1024 // in a record that has many
)

type forgottenEntry struct {
	hash   uint64
	offset remembered
}

type keyEntry struct {
	key keyHash
	keySeen
}

// recordWriter writes records. After an error it does nothing.
type recordWriter struct {
	w        io.Writer
	version  int
	b        []byte
	record   []byte
	err      error
	channels uint64
	held     uint64
}

// put writes e.record as a record.
func (e *recordWriter) put(kind byte) {
	e.b = pubcodec.AppendUint(e.b, uint64(len(e.record)+1))
	e.b = append(e.b, kind)
	e.b = append(e.b, e.record...)
	e.record = e.record[:0]
	if len(e.b) >= flushBytes {
		e.flush()
	}
}

func (e *recordWriter) flush() {
	if e.err == nil {
		_, e.err = e.w.Write(e.b)
	}
	e.b = e.b[:0]
}

func (e *recordWriter) head(b *Broker) {
	e.record = pubcodec.AppendUint(e.record, uint64(e.version))
	e.record = pubcodec.AppendString(e.record, b.epoch)
	for _, part := range b.key {
		e.record = pubcodec.AppendUint(e.record, part)
	}
	now := time.Now()
	e.record = pubcodec.AppendInt(e.record, now.UnixNano())
	e.record = pubcodec.AppendInt(e.record, int64(now.Sub(b.began)))
	e.put(recordHead)
}

func (e *recordWriter) channel(c *copied) {
	e.channels++
	e.record = pubcodec.AppendString(e.record, c.name)
	e.record = pubcodec.AppendUint(e.record, c.top)
	e.record = pubcodec.AppendUint(e.record, c.oldest)
	e.record = pubcodec.AppendBool(e.record, c.listening)
	if e.version > 1 {
		e.record = pubcodec.AppendUint(e.record, uint64(c.dropped))
	}
	e.put(recordChannel)
	for i := range c.held {
		h := &c.held[i]
		e.held++
		e.record = pubcodec.AppendUint(e.record, h.goneWith)
		e.record = pubcodec.AppendInt(e.record, int64(h.goneAfter))
		e.record = pubcodec.AppendPublication(e.record, h.publication)
		e.put(recordHeld)
	}
}

func (e *recordWriter) forgotten(entries []forgottenEntry) {
	for len(entries) > 0 {
		n := min(len(entries), entriesMax)
		for _, f := range entries[:n] {
			e.record = pubcodec.AppendUint(e.record, f.hash)
			e.record = pubcodec.AppendUint(e.record, uint64(f.offset))
		}
		entries = entries[n:]
		e.put(recordForgotten)
	}
}

func (e *recordWriter) idempotency(keys []keyEntry) {
	for len(keys) > 0 {
		n := min(len(keys), entriesMax)
		for _, k := range keys[:n] {
			e.record = append(e.record, k.key[:]...)
			e.record = pubcodec.AppendUint(e.record, k.offset)
			e.record = pubcodec.AppendInt(e.record, int64(k.forgets))
		}
		keys = keys[n:]
		e.put(recordKeys)
	}
}

func (e *recordWriter) patterns(list []string) {
	for len(list) > 0 {
		n := min(len(list), entriesMax)
		for _, pattern := range list[:n] {
			e.record = pubcodec.AppendString(e.record, pattern)
		}
		list = list[n:]
		e.put(recordPatterns)
	}
}

func (e *recordWriter) floors(f *floors) {
	e.places(f)
	e.put(recordFloors)
}

func (e *recordWriter) drops(f *floors) {
	if e.version > 1 {
		e.places(f)
		e.put(recordDrops)
	}
}

func (e *recordWriter) places(f *floors) {
	for place := range f {
		if value := f[place].Load(); value > 0 {
			e.record = pubcodec.AppendUint(e.record, uint64(place))
			e.record = pubcodec.AppendUint(e.record, value)
		}
	}
}

func (e *recordWriter) end() error {
	e.record = pubcodec.AppendUint(e.record, e.channels)
	e.record = pubcodec.AppendUint(e.record, e.held)
	e.put(recordEnd)
	e.flush()
	return e.err
}
