package membroker

import "github.com/godwit-io/godwit/hub/internal/shrinkmap"

// forgotten remembers how far the channels of a shard that are forgotten had come:
// exactly for the newest of them, and in the shared floors for the others. A channel is
// known by the hash of its name, so an entry has a fixed size.
//
//	offsets   hash ─→ offset      how far it had come
//	order     hash hash hash …    the oldest is the first to go to the floors
//
// A channel that comes back keeps its entry, and a channel that is forgotten again
// before its entry was due has a second turn.
type forgotten struct {
	max     int
	offsets shrinkmap.Map[uint64, remembered]
	order   ring[uint64]
}

// remembered is an offset, and whether the entry was used since it had its turn.
// Offsets are counted one by one: none ever has the highest bit.
type remembered uint64

const usedAgain remembered = 1 << 63

func (r remembered) offset() uint64 { return uint64(r &^ usedAgain) }

// of returns how far the channel had come, which may be too far.
func (f *forgotten) of(hash uint64, shared *floors) uint64 {
	if r, ok := f.offsets.Get(hash); ok {
		return r.offset()
	}
	return shared.of(hash)
}

// remember adds a channel that is forgotten.
func (f *forgotten) remember(hash, offset uint64, shared *floors) {
	if r, ok := f.offsets.Get(hash); ok {
		// Two names may have one hash, and none of them may repeat an offset.
		f.offsets.Set(hash, remembered(max(offset, r.offset()))|usedAgain)
		return
	}
	for f.order.len() >= f.max {
		oldest := f.order.pop()
		r, _ := f.offsets.Get(oldest)
		if r&usedAgain != 0 {
			f.offsets.Set(oldest, r&^usedAgain)
			f.order.push(oldest)
			continue
		}
		f.offsets.Delete(oldest)
		shared.raise(oldest, r.offset())
	}
	f.offsets.Set(hash, remembered(offset))
	f.order.push(hash)
}
