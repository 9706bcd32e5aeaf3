package membroker

import "sync/atomic"

// floors remembers, in a fixed size, the offsets of channels that even their shard
// has forgotten. Names that share a place share the highest of their offsets. So a
// channel that comes back may skip offsets, which a subscriber with an old position
// sees as a gap though nothing is missing. It never repeats one, which would be a
// loss without a gap.
//
// Another one remembers in the same way until when publications were accepted that channels
// have dropped: nothing newer is missing.
type floors [4096]atomic.Uint64

// The shard takes the low bits of the hash and the floor the high ones, so that
// they are independent.
func (f *floors) place(hash uint64) *atomic.Uint64 { return &f[hash>>52] }

func (f *floors) of(hash uint64) uint64 { return f.place(hash).Load() }

func (f *floors) raise(hash, offset uint64) {
	floor := f.place(hash)
	for {
		old := floor.Load()
		if old >= offset || floor.CompareAndSwap(old, offset) {
			return
		}
	}
}
