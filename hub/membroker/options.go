package membroker

import "time"

// Options configures a Broker. A field that is zero or negative means its
// default; a nil *Options is all defaults.
type Options struct {
	// HistoryBytesMax bounds the histories of all channels together: payload
	// and 192 bytes for each publication. Default 256 MiB. The publisher that
	// crosses it evicts the older half of one channel's history after another,
	// until three quarters are left. Readers are told by a gap.
	HistoryBytesMax int64

	// ChannelsMax bounds the channels that have a listener or history. Default
	// 1,000,000. What needs one more answers hub.ErrTooManyChannels.
	ChannelsMax int

	// IdempotencyWindow is how long the key of a publication is remembered.
	// Default 5 minutes.
	IdempotencyWindow time.Duration

	// IdempotencyKeysMax bounds the keys remembered for all channels together;
	// the oldest is forgotten first. Default 100,000, which takes about 10 MB.
	IdempotencyKeysMax int
}

// Defaults of Options.
const (
	HistoryBytesMaxDefault    = 256 << 20
	ChannelsMaxDefault        = 1_000_000
	IdempotencyWindowDefault  = 5 * time.Minute
	IdempotencyKeysMaxDefault = 100_000
)

const (
	// publicationBytes is what a publication is charged besides its payload:
	// the struct, its place in the ring and the ring's slack.
	publicationBytes = 192

	// pendingMax is how much may wait for delivery in one channel before
	// publishers are answered only when it is delivered. That is the only brake on
	// publishers that together are faster than delivery: each has a bound of its
	// own on what was not answered.
	pendingMax = 256

	// deliverMax is how many publications a publisher delivers before it hands
	// the rest, which came from others, over to a goroutine.
	deliverMax = 64

	// janitorInterval is how often what has expired is looked for. It is not
	// served in between.
	janitorInterval = time.Second

	// sweepMax is how many channels are swept before others get the shard's lock.
	sweepMax = 512
)

func (o *Options) effective() Options {
	var e Options
	if o != nil {
		e = *o
	}
	if e.HistoryBytesMax <= 0 {
		e.HistoryBytesMax = HistoryBytesMaxDefault
	}
	if e.ChannelsMax <= 0 {
		e.ChannelsMax = ChannelsMaxDefault
	}
	if e.IdempotencyWindow <= 0 {
		e.IdempotencyWindow = IdempotencyWindowDefault
	}
	if e.IdempotencyKeysMax <= 0 {
		e.IdempotencyKeysMax = IdempotencyKeysMaxDefault
	}
	return e
}
