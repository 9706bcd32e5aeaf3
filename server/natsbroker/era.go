package natsbroker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/godwit-io/godwit/hub"
)

// era is what the numbers of the stream mean: an epoch begins behind base.
type era struct {
	epoch   string
	base    uint64
	created time.Time // when the stream was made that it is about
	began   time.Time

	known atomic.Uint64 // the newest number of the stream, as far as this node has seen
	floor atomic.Uint64 // at most that, and not moved by what is of no channel
}

// saw notes that a publication with this number is in the stream.
func (e *era) saw(seq uint64) {
	raise(&e.known, seq)
	raise(&e.floor, seq)
}

func (e *era) position(offset uint64) hub.Position {
	return hub.Position{Epoch: e.epoch, Offset: offset}
}

// record is an era in the bucket. It is JSON, so that an operator can read it.
type record struct {
	Version int       `json:"version"`
	Epoch   string    `json:"epoch"`
	Created time.Time `json:"created"` // the stream
	Base    uint64    `json:"base"`
	Began   time.Time `json:"began"` // the epoch, by the clock of the servers

	// High is how far the stream has come: written once a second by whichever node has
	// seen more. A stream that ends before that has lost its end.
	High uint64 `json:"high"`
}

const recordVersion = 1

// floorLag is how far floor may be behind the stream. It is not moved for less, so that what is of
// no channel does not move the position of an empty one.
const floorLag = 1000

func (r *record) era() *era {
	return &era{epoch: r.Epoch, base: r.Base, created: r.Created, began: r.Began}
}

// ParseRecord reads a record.
func ParseRecord(data []byte) (record, error) {
	var r record
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("natsbroker: the record of the epoch is not readable: %w", err)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("natsbroker: the record of the epoch is of version %d, and this program knows %d", r.Version, recordVersion)
	}
	if _, err := hub.ParsePosition(r.era().position(r.Base).String()); err != nil {
		return r, fmt.Errorf("natsbroker: the record of the epoch is wrong: %w", err)
	}
	return r, nil
}

// readRecord reads the record from the leader of the bucket. Without one it is nil; the
// revision is for writeRecord.
func (b *Broker) readRecord(ctx context.Context) (*record, uint64, error) {
	m, err := b.getFromLeader(ctx, "KV_"+b.names.bucket, getRequest{LastFor: b.names.record})
	if err != nil || m == nil {
		return nil, 0, err
	}
	r, err := ParseRecord(m.data)
	if err != nil {
		return nil, 0, err
	}
	return &r, m.seq, nil
}

// errRecordChanged is the answer to writing a record that another node has written
// meanwhile.
var errRecordChanged = errors.New("natsbroker: another node has changed the epoch")

// writeRecord replaces the record of that revision.
func (b *Broker) writeRecord(ctx context.Context, r *record, revision uint64) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	answer, err := b.nc.RequestMsgWithContext(ctx, &nats.Msg{
		Subject: b.names.record, Data: data,
		Header: nats.Header{nats.ExpectedLastSubjSeqHdr: {strconv.FormatUint(revision, 10)}},
	})
	if err != nil {
		return fmt.Errorf("natsbroker: writing the record of the epoch: %w", err)
	}
	a, err := ParseAck("KV_"+b.names.bucket, answer.Data)
	switch {
	case err != nil:
		return err
	case a.err != nil && a.err.ErrCode == codeWrongLast:
		return errRecordChanged
	case a.err != nil:
		return a.err
	}
	return nil
}

// verify finds out which era the stream is in, and begins a new one if what was
// promised of the last one does not hold: the stream is another one, or ends before it has
// ended already. Everything that it goes by came over that connection, or a newer one.
func (b *Broker) verify(ctx context.Context, dialed uint64) error {
	for {
		now, known := b.era.Load(), uint64(0)
		if now != nil {
			known = now.known.Load()
		}
		r, revision, err := b.readRecord(ctx)
		if err != nil {
			return err
		}
		s, err := b.streamState(ctx) // after the record: what that says has happened
		if err != nil {
			return err
		}
		if r != nil && r.Created.Equal(s.created) && s.last >= r.High && (now == nil || now.epoch != r.Epoch || s.last >= known) {
			return b.adopt(ctx, r, s.last, dialed)
		}
		next := record{Version: recordVersion, Epoch: rand.Text()[:10], Created: s.created, Base: s.last, High: s.last, Began: b.now().UTC()}
		switch err := b.writeRecord(ctx, &next, revision); {
		case err == nil:
			if r != nil {
				b.log.Warn("natsbroker: the stream has lost what it had; a new epoch begins, and subscribers are told of a gap",
					"epoch", next.Epoch, "before", r.Epoch, "last", s.last, "expected", max(r.High, known))
			}
			return b.adopt(ctx, &next, s.last, dialed)
		case !errors.Is(err, errRecordChanged):
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// Began implements hub.TransientBroker: histories begin with the epoch. It is zero before
// that is known.
func (b *Broker) Began() time.Time {
	if now := b.era.Load(); now != nil {
		return now.began
	}
	return time.Time{}
}

// adopt goes on in the era of a record.
func (b *Broker) adopt(ctx context.Context, r *record, last, dialed uint64) error {
	now := b.era.Load()
	if now != nil && now.epoch == r.Epoch {
		raise(&now.known, last)
		b.confirm(dialed)
		return nil
	}
	if now != nil {
		b.confirmed.Store(0)
		if err := b.drain(ctx); err != nil { // what comes of the last era is not taken for one of this
			return err
		}
	}
	next := r.era()
	next.saw(max(r.Base, last))
	b.era.Store(next)
	if now != nil {
		b.restart(r.Base)
		b.receiver.Lost("")
	}
	b.confirm(dialed)
	return nil
}

// confirm says that what comes over that connection is of the era, and has delivered what
// has waited for that.
func (b *Broker) confirm(dialed uint64) {
	if b.confirmed.Swap(dialed) == dialed {
		return
	}
	for i := range b.shards {
		s := &b.shards[i]
		var waiting []*tracker
		s.mu.Lock()
		for _, t := range s.trackers {
			if !t.busy && (len(t.held) > 0 || t.overflow || t.suspect) {
				t.busy = true
				waiting = append(waiting, t)
			}
		}
		s.mu.Unlock()
		for _, t := range waiting {
			b.deliver(s, t)
		}
	}
}

// isConfirmed reports whether what comes is of the era. Between the dialing of a connection
// and the confirmation it may be of another one, with numbers that are others.
func (b *Broker) isConfirmed() bool { return b.confirmed.Load() == b.dialed.Load() }

// holds reports whether what was read since a number of dialed was loaded is of an era.
func (b *Broker) holds(now *era, dialed uint64) bool {
	return b.dialed.Load() == dialed && b.isConfirmed() && b.era.Load() == now
}

// poll looks whether the era is still that of the record, and notes how far the stream
// has come.
func (b *Broker) poll(ctx context.Context) error {
	now := b.era.Load()
	if now == nil {
		return nil // it is not connected yet
	}
	known := now.known.Load()
	r, revision, err := b.readRecord(ctx)
	if err != nil {
		return err
	}
	s, err := b.streamState(ctx)
	if err != nil {
		return err
	}
	if r == nil || r.Epoch != now.epoch || !r.Created.Equal(s.created) || s.last < max(known, r.High) {
		return errRecordChanged
	}
	raise(&now.known, s.last)
	if s.last > now.floor.Load()+floorLag { // the position of an empty channel should not become old
		raise(&now.floor, s.last)
	}
	if s.last <= r.High {
		return nil
	}
	r.High = s.last
	if err := b.writeRecord(ctx, r, revision); err != nil && !errors.Is(err, errRecordChanged) {
		return err
	}
	return nil // or another node has written
}
