package tracing

import (
	"encoding/binary"
	"math"
	"math/rand/v2"

	"github.com/godwit-io/godwit/internal/tracecontext"
)

// sampler decides which traces are recorded.
type sampler struct {
	below        uint64 // of 1<<63
	ignoreParent bool
}

func newSampler(o *Options) sampler {
	s := sampler{ignoreParent: o.IgnoreParent}
	if !o.NoSample {
		s.below = uint64(math.Ldexp(o.Sample, 63))
	}
	return s
}

// begins reports whether a trace that begins here is recorded.
func (s sampler) begins() bool { return s.below > 0 && rand.Uint64()>>1 < s.below }

// follows reports whether what p is the parent of is recorded. By the ratio every
// server decides the same about one trace: with the last 63 bits of its ID, as
// OpenTelemetry does.
func (s sampler) follows(p tracecontext.Parent) bool {
	if s.ignoreParent {
		return binary.BigEndian.Uint64(p.Trace[8:])>>1 < s.below
	}
	return p.Sampled
}
