package deflate

import (
	"fmt"
	"math"

	"github.com/godwit-io/godwit/internal/option"
)

// The defaults of Options.
const (
	DefaultHistoryBits            = 13
	DefaultThresholdBytes         = 128
	DefaultTakeoverThresholdBytes = 64
	DefaultMessageBytesMax        = 1 << 20
	DefaultRatioMax               = 1000
	DefaultRatioFloorBytes        = 1 << 20
)

// Level says how hard to look for what repeats.
type Level int8

const (
	// LevelDefault compares two earlier places and looks one byte ahead for a
	// longer match.
	LevelDefault Level = iota

	// LevelFast does not look ahead, and spends no time on a code of its own for
	// a short message: 5 to 20 % larger, in a half (512 bytes) to nine tenths
	// (4 KiB) of the time.
	LevelFast
)

// Options is what one side wants of permessage-deflate. The zero value works.
// It is shared by any number of connections, and must not change while one of
// them lives.
type Options struct {
	// ServerNoContextTakeover and ClientNoContextTakeover ask that the server,
	// or the client, compresses every message on its own: messages get larger,
	// and neither side keeps memory for that direction between messages. The
	// side that compresses can insist on it, and the other can demand it.
	ServerNoContextTakeover bool
	ClientNoContextTakeover bool

	// ServerMaxWindowBits and ClientMaxWindowBits are how far back the server,
	// or the client, may refer: 1<<8 to 1<<15 bytes, which is what the other
	// side has to keep. Default: 15; a value outside is brought inside. A server
	// cannot limit a client that does not offer to be limited.
	ServerMaxWindowBits int
	ClientMaxWindowBits int

	// HistoryBits is how far back this side's own compressor refers with context
	// takeover, within what was agreed: it costs up to 4<<HistoryBits bytes of
	// memory for each connection, and 8 KiB if that is less. Default: 13, so
	// 32 KiB at most. From 8 to 15: what repeats messages longer than 8 KiB
	// gains by more.
	HistoryBits int

	// Level is how this side compresses.
	Level Level

	// ThresholdBytes is the shortest message that TryAppend compresses. Default:
	// 64 with context takeover and 128 without. With 1 none is too short.
	ThresholdBytes int

	// MessageBytesMax is the longest message that is inflated. Default: 1 MiB.
	MessageBytesMax int64

	// RatioMax is how many times longer than its compressed form a message may
	// become, once it is longer than RatioFloorBytes. Default: 1000, and 1 MiB:
	// DEFLATE itself ends at 1032, so only what was made to be a bomb comes
	// near.
	RatioMax        int64
	RatioFloorBytes int64
}

// NoLimit, as MessageBytesMax, RatioMax or RatioFloorBytes, means that there is no
// limit.
const NoLimit = option.NoLimit

// Validate returns an error that names the first option that is negative, which
// is a mistake: packages ws and engine refuse it. This package has no place to
// refuse it and takes the default, so that a mistake never switches a limit off.
func (o Options) Validate() error {
	for _, n := range []struct {
		option string
		value  int64
	}{
		{"ServerMaxWindowBits", int64(o.ServerMaxWindowBits)},
		{"ClientMaxWindowBits", int64(o.ClientMaxWindowBits)},
		{"HistoryBits", int64(o.HistoryBits)},
		{"ThresholdBytes", int64(o.ThresholdBytes)},
		{"MessageBytesMax", o.MessageBytesMax},
		{"RatioMax", o.RatioMax},
		{"RatioFloorBytes", o.RatioFloorBytes},
	} {
		if n.value < 0 {
			return fmt.Errorf("deflate: option %s: %d is negative; 0 is the default", n.option, n.value)
		}
	}
	return nil
}

// WithDefaults returns o with its zero fields replaced, and those that are
// negative, as NewInflater and NewDeflater want it. It does not change what it
// returned before.
func (o Options) WithDefaults() Options {
	o.ServerMaxWindowBits = windowBits(o.ServerMaxWindowBits)
	o.ClientMaxWindowBits = windowBits(o.ClientMaxWindowBits)
	if o.HistoryBits <= 0 {
		o.HistoryBits = DefaultHistoryBits
	}
	o.HistoryBits = windowBits(o.HistoryBits)
	o.ThresholdBytes = max(o.ThresholdBytes, 0)
	setLimit(&o.MessageBytesMax, DefaultMessageBytesMax)
	setLimit(&o.RatioMax, DefaultRatioMax)
	setLimit(&o.RatioFloorBytes, DefaultRatioFloorBytes)
	return o
}

func setLimit(field *int64, zero int64) {
	switch {
	case *field <= 0:
		*field = zero
	case *field == NoLimit: // less than the largest where an int has 32 bits
		*field = math.MaxInt64
	}
}

// defaultOptions stands for nil.
var defaultOptions = Options{}.WithDefaults()

// withDefaults is WithDefaults where nil is allowed.
func (o *Options) withDefaults() Options {
	if o == nil {
		return defaultOptions
	}
	return o.WithDefaults()
}

// windowBits brings bits into range; 0 and negative values are the default.
func windowBits(bits int) int {
	if bits <= 0 {
		return WindowBitsMax
	}
	return min(max(bits, WindowBitsMin), WindowBitsMax)
}

// CompressedBytesMax returns the most bytes a reasonable sender needs for the
// compressed form of a message of n bytes, which may be a little more than n.
// A receiver that limits messages to n bytes must accept that many of compressed ones.
func CompressedBytesMax(n int64) int64 {
	const overhead = 64
	// The least thrifty setting of zlib takes a quarter more.
	if n > math.MaxInt64-overhead-n/4 {
		return math.MaxInt64
	}
	return n + n/4 + overhead
}
