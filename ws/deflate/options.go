package deflate

import "math"

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
	// side has to keep. Default: 15; what is outside is brought inside. A server
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
	// 64 with context takeover and 128 without. Negative: none is too short.
	ThresholdBytes int

	// MessageBytesMax is the longest message that is inflated. Default: 1 MiB.
	// Negative: none.
	MessageBytesMax int64

	// RatioMax is how many times longer than its compressed form a message may
	// become, once it is longer than RatioFloorBytes. Default: 1000, and 1 MiB:
	// DEFLATE itself ends at 1032, so only what was made to be a bomb comes
	// near. A negative RatioMax means no such limit.
	RatioMax        int64
	RatioFloorBytes int64
}

// WithDefaults returns o with its zero fields replaced, as NewInflater and
// NewDeflater want it. It does not change what it returned before.
func (o Options) WithDefaults() Options {
	o.ServerMaxWindowBits = windowBits(o.ServerMaxWindowBits)
	o.ClientMaxWindowBits = windowBits(o.ClientMaxWindowBits)
	if o.HistoryBits == 0 {
		o.HistoryBits = DefaultHistoryBits
	}
	o.HistoryBits = windowBits(o.HistoryBits)
	setLimit(&o.MessageBytesMax, DefaultMessageBytesMax)
	setLimit(&o.RatioMax, DefaultRatioMax)
	setLimit(&o.RatioFloorBytes, DefaultRatioFloorBytes)
	return o
}

func setLimit(field *int64, zero int64) {
	switch {
	case *field == 0:
		*field = zero
	case *field < 0:
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

// windowBits brings bits into range; 0 is the default.
func windowBits(bits int) int {
	if bits == 0 {
		return WindowBitsMax
	}
	return min(max(bits, WindowBitsMin), WindowBitsMax)
}

// CompressedBytesMax returns the most bytes a reasonable sender needs for the
// compressed form of a message of n bytes, which may be a little more than n.
// Whoever limits messages to n bytes must accept that many of compressed ones.
func CompressedBytesMax(n int64) int64 {
	const overhead = 64
	// The least thrifty setting of zlib takes a quarter more.
	if n > math.MaxInt64-overhead-n/4 {
		return math.MaxInt64
	}
	return n + n/4 + overhead
}
