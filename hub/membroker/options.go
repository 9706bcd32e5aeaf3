package membroker

import (
	"cmp"
	"fmt"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
)

// Options configures a Broker. The zero value of every field means its default, and
// hub.NoLimit that there is no limit; a nil *Options is all defaults. A negative
// number is refused with a *hub.OptionError.
type Options struct {
	// HistoryBytesMax bounds the histories of all channels together: payload
	// and 192 bytes for each publication. Default 256 MiB. The publisher that
	// crosses it evicts the older half of one channel's history after another,
	// until three quarters are left. Readers are told by a gap.
	HistoryBytesMax int64

	// ChannelsMax bounds the channels that have a listener or history. Default
	// 1,000,000. What needs one more answers hub.ErrTooManyChannels. As many that
	// are forgotten are remembered by a number, in less than 50 bytes each.
	ChannelsMax int

	// IdempotencyWindow is how long the key of a publication is remembered.
	// Default 5 minutes.
	IdempotencyWindow time.Duration

	// IdempotencyKeysMax bounds the keys remembered for all channels together;
	// the oldest is forgotten first. Default 100,000, which takes about 10 MB.
	IdempotencyKeysMax int

	// Journal writes down what the Broker accepts before it is accepted. Default nil: everything is
	// lost with the process. The Broker closes it.
	Journal Journal
}

// Defaults of Options.
const (
	DefaultHistoryBytesMax    = 256 << 20
	DefaultChannelsMax        = 1_000_000
	DefaultIdempotencyWindow  = 5 * time.Minute
	DefaultIdempotencyKeysMax = 100_000
)

const (
	// publicationBytes is the cost of a publication besides its payload:
	// the struct, its place in the ring and the ring's slack.
	publicationBytes = 192

	// attributesBytes is the cost of its attributes besides their texts.
	attributesBytes = 64

	// pendingMax is how much may wait for delivery in one channel before
	// publishers are answered only after delivery. It is the only brake on
	// publishers that together are faster than delivery: each has a bound of its own
	// on publications without an answer.
	pendingMax = 256

	// deliverMax is how many publications a publisher delivers before it hands
	// the rest, which came from others, over to a goroutine.
	deliverMax = 64

	// janitorInterval is how often the janitor looks for expired publications and
	// keys. Reads leave them out in between.
	janitorInterval = time.Second

	// sweepMax is how many channels are swept before others get the shard's lock.
	sweepMax = 512
)

// effective returns o with every default filled in.
func (o *Options) effective() (Options, error) {
	var e Options
	if o != nil {
		e = *o
	}
	return e, cmp.Or(
		resolve("HistoryBytesMax", &e.HistoryBytesMax, DefaultHistoryBytesMax),
		resolve("ChannelsMax", &e.ChannelsMax, DefaultChannelsMax),
		resolve("IdempotencyWindow", &e.IdempotencyWindow, DefaultIdempotencyWindow),
		resolve("IdempotencyKeysMax", &e.IdempotencyKeysMax, DefaultIdempotencyKeysMax),
	)
}

func resolve[T int | int64 | time.Duration](name string, value *T, fallback T) error {
	if wrong := option.Resolve(value, fallback); wrong != "" {
		return fmt.Errorf("membroker: %w", &hub.OptionError{Option: name, Reason: wrong})
	}
	return nil
}
