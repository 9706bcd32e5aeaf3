package natsbroker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/godwit-io/godwit/hub"
)

// limits are what the stream keeps of a channel at most, as far as this node knows. They
// only grow, so their promises hold.
type limits struct {
	count    int
	age      time.Duration
	replicas int
}

// wanted is the longest history that somebody asked for.
type wanted struct {
	count, age atomic.Int64
}

// keep is what of a retention the stream can keep. More is asked for, for those that
// come.
func (b *Broker) keep(r hub.Retention) hub.Retention {
	if r.Count <= 0 || r.Age <= 0 {
		return hub.Retention{}
	}
	l := b.limits.Load()
	if l == nil {
		l = &limits{count: keepCountMin, age: keepAgeMin}
	}
	if r.Count >= l.count || r.Age > l.age {
		raise(&b.wanted.count, int64(r.Count))
		raise(&b.wanted.age, int64(r.Age))
		nudge(b.growing)
	}
	// The one before the oldest tells whether anything is missing before that.
	return hub.Retention{Count: min(r.Count, l.count-1), Age: min(r.Age, l.age), KeyAge: r.KeyAge}
}

// countMax is what the stream keeps of a channel when asked for more.
const countMax = 1 << 30

// want makes of a configuration one that keeps what was asked for, and reports whether it
// is another one.
func (b *Broker) want(c *jetstream.StreamConfig) (changed bool) {
	count := int64(keepCountMin)
	if w := b.wanted.count.Load(); w >= count {
		count = 1 << min(bits.Len64(uint64(w)), 30)
	}
	if c.MaxMsgsPerSubject >= 0 && c.MaxMsgsPerSubject < count {
		c.MaxMsgsPerSubject, changed = count, true
	}
	age := max(keepAgeMin, time.Duration(b.wanted.age.Load()))
	if age > keepAgeMin && age < math.MaxInt64/2 {
		age += age / 2
	}
	if c.MaxAge != 0 && c.MaxAge < age {
		c.MaxAge, changed = age, true
	}
	return changed
}

// made is the configuration of a stream that does not exist yet.
func (b *Broker) made() jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name:              b.names.stream,
		Description:       "Histories of Godwit",
		MaxConsumers:      -1,
		MaxMsgs:           -1,
		MaxMsgsPerSubject: keepCountMin,
		MaxAge:            keepAgeMin,
		MaxMsgSize:        -1,
		Storage:           jetstream.MemoryStorage,
		Replicas:          b.replicas(),
	}
	if b.options.Storage == StorageFile {
		c.Storage = jetstream.FileStorage
	}
	b.mend(&c)
	return c
}

// replicas is how many servers are to keep a stream that is made.
func (b *Broker) replicas() int {
	switch {
	case b.options.Replicas > 0:
		return b.options.Replicas
	case b.nc.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

// mend makes of a configuration one that does what the broker needs and keeps what it
// should, and reports whether it is another one. What an operator has chosen otherwise
// stays.
func (b *Broker) mend(c *jetstream.StreamConfig) (changed bool) {
	changed = b.mendNeeds(c)
	set := setter(&changed)
	set(c.MaxBytes == b.options.HistoryBytesMax, func() { c.MaxBytes = b.options.HistoryBytesMax })
	set(c.Duplicates == b.options.IdempotencyWindow, func() { c.Duplicates = b.options.IdempotencyWindow })
	set(b.options.Replicas == 0 || c.Replicas == b.options.Replicas, func() { c.Replicas = b.options.Replicas })
	return b.want(c) || changed
}

// mendNeeds is mend for what the broker cannot do without.
func (b *Broker) mendNeeds(c *jetstream.StreamConfig) (changed bool) {
	subjects := []string{b.names.in + ">"}
	republish := jetstream.RePublish{Source: b.names.in + ">", Destination: b.names.out + ">"}
	set := setter(&changed)
	set(slices.Equal(c.Subjects, subjects), func() { c.Subjects = subjects })
	set(c.RePublish != nil && *c.RePublish == republish, func() { c.RePublish = &republish })
	set(c.AllowDirect, func() { c.AllowDirect = true })
	set(c.AllowRollup, func() { c.AllowRollup = true })
	set(!c.DenyPurge, func() { c.DenyPurge = false })
	set(c.Discard == jetstream.DiscardOld, func() { c.Discard = jetstream.DiscardOld })
	return changed
}

func setter(changed *bool) func(isRight bool, mend func()) {
	return func(isRight bool, mend func()) {
		if !isRight {
			mend()
			*changed = true
		}
	}
}

// errNoStream is the answer when the stream is not there.
var errNoStream = errors.New("natsbroker: the stream is not there")

// streamState is what the leader says of the stream.
type streamState struct {
	first, last uint64
	firstTime   time.Time // of the oldest message
	created     time.Time
	countMax    int64 // of a subject; -1 for no limit
}

func (b *Broker) streamState(ctx context.Context) (streamState, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTime)
	defer cancel()
	asked := time.Now()
	s, err := b.js.Stream(ctx, b.names.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return streamState{}, errNoStream
	}
	if err != nil {
		return streamState{}, b.explain("asking for the stream "+b.names.stream, err)
	}
	info := s.CachedInfo()
	if !info.TimeStamp.IsZero() {
		b.skew.Store(int64(info.TimeStamp.Sub(asked.Add(time.Since(asked) / 2))))
	}
	b.setLimits(&info.Config)
	return streamState{first: info.State.FirstSeq, last: info.State.LastSeq, firstTime: info.State.FirstTime.UTC(), created: info.Created, countMax: info.Config.MaxMsgsPerSubject}, nil
}

func (b *Broker) setLimits(c *jetstream.StreamConfig) {
	l := limits{count: countMax, age: math.MaxInt64, replicas: c.Replicas}
	if c.MaxMsgsPerSubject > 0 {
		l.count = int(min(c.MaxMsgsPerSubject, countMax))
	}
	if c.MaxAge > 0 {
		l.age = c.MaxAge
	}
	if old := b.limits.Load(); old == nil || *old != l {
		b.limits.Store(&l)
	}
}

// ask is one request of several. A cluster without a leader does not answer at all, and
// may have one a moment later.
func ask[T any](ctx context.Context, most time.Duration, request func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return request(ctx)
}

// makeStreams creates missing streams and mends existing ones.
func (b *Broker) makeStreams(ctx context.Context) error {
	getBucket := func(ctx context.Context) (jetstream.KeyValue, error) { return b.js.KeyValue(ctx, b.names.bucket) }
	getStream := func(ctx context.Context) (jetstream.Stream, error) { return b.js.Stream(ctx, b.names.stream) }
	if _, err := ask(ctx, requestTime, getBucket); err != nil {
		if !errors.Is(err, jetstream.ErrBucketNotFound) {
			return b.explain("asking for the bucket "+b.names.bucket, err)
		}
		_, err := ask(ctx, 2*requestTime, func(ctx context.Context) (jetstream.KeyValue, error) {
			return b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
				Bucket: b.names.bucket, Description: "The epoch of Godwit's histories",
				History: 1, Storage: jetstream.FileStorage, Replicas: b.replicas(),
			})
		})
		if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
			return b.explain(fmt.Sprintf("making the bucket %s with %d replicas", b.names.bucket, b.replicas()), err)
		}
	}
	s, err := ask(ctx, requestTime, getStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		c := b.made()
		if _, err = ask(ctx, 2*requestTime, func(ctx context.Context) (jetstream.Stream, error) { return b.js.CreateStream(ctx, c) }); err == nil {
			b.log.Info("natsbroker: the stream was made", "stream", c.Name, "replicas", c.Replicas, "storage", c.Storage.String(), "bytes", c.MaxBytes)
			return nil
		}
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return b.explain(fmt.Sprintf("making the stream %s with %d replicas in %v of %d bytes", c.Name, c.Replicas, c.Storage, c.MaxBytes), err)
		}
		s, err = ask(ctx, requestTime, getStream)
	}
	if err != nil {
		return b.explain("asking for the stream "+b.names.stream, err)
	}
	return b.updateStream(ctx, s.CachedInfo().Config, b.mend)
}

// updateStream changes the stream as change says, if that changes anything.
func (b *Broker) updateStream(ctx context.Context, c jetstream.StreamConfig, change func(*jetstream.StreamConfig) bool) error {
	before := c
	if !change(&c) || b.mayNotUpdate.Load() && !b.mendNeeds(&before) {
		return nil
	}
	short, cancel := context.WithTimeout(ctx, 2*requestTime) // a user that may not ask is not answered
	defer cancel()
	if _, err := b.js.UpdateStream(short, c); err != nil {
		err = b.explain("changing the stream "+c.Name+" to what the broker needs", err)
		if api := (*jetstream.APIError)(nil); b.mendNeeds(&before) || !errors.As(err, &api) && !errors.Is(b.nc.LastError(), nats.ErrPermissionViolation) {
			return err // it may go another time
		}
		b.mayNotUpdate.Store(true)
		b.log.Warn("natsbroker: the stream keeps another amount than it should, or has other replicas; it serves all the same", "error", err)
		return nil
	}
	b.log.Info("natsbroker: the stream was changed", "stream", c.Name, "of a channel", c.MaxMsgsPerSubject, "age", c.MaxAge, "bytes", c.MaxBytes, "replicas", c.Replicas)
	return nil
}

// growStream has the stream keep what was asked for.
func (b *Broker) growStream(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*requestTime)
	defer cancel()
	s, err := b.js.Stream(ctx, b.names.stream)
	if err == nil {
		err = b.updateStream(ctx, s.CachedInfo().Config, b.want)
	}
	if err == nil {
		_, err = b.streamState(ctx)
	}
	return err
}

// explain says what was tried, and what an operator can do about it.
func (b *Broker) explain(what string, err error) error {
	advice := ""
	var api *jetstream.APIError
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		advice = "; JetStream is off for the account of this user"
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		advice = "; is JetStream on? The configuration of nats-server needs jetstream {}, and in a cluster a leader"
	case errors.As(err, &api) && (api.ErrorCode == 10023 || api.ErrorCode == 10047 || api.ErrorCode == 10005 || api.ErrorCode == 10028):
		advice = "; the limits of the account or of the servers do not allow it, or there are too few servers for so many replicas"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		if last := b.nc.LastError(); errors.Is(last, nats.ErrPermissionViolation) {
			advice = "; this user is not permitted: " + last.Error()
		}
	}
	return fmt.Errorf("%s: %w%s", what, err, advice)
}
