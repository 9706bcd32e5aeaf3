package membroker

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// idempotency remembers which offset each key has got, oldest first out. A key that has
// expired behind one that has not stays in memory for so long, and no longer counts.
type idempotency struct {
	window  time.Duration
	keysMax int
	clock   func() moment // read under mu, so that order is also that of expiry

	mu    sync.Mutex // guards what follows; taken with a shard's lock held
	seen  shrinkmap.Map[keyHash, keySeen]
	order ring[keyHash] // as they came
	total uint64        // how many have come
}

// keyHash stands for a channel and a key in it: a fixed size however long they are, and
// no attacker can find two that are confused.
type keyHash [sha256.Size]byte

type keySeen struct {
	offset  uint64
	forgets moment // not remembered once it is later than this
}

func hashKey(m *hub.Message) keyHash {
	// The length keeps ("a", "bc") and ("ab", "c") apart.
	b := make([]byte, 0, 8+hub.ChannelNameBytesMax+hub.IdempotencyKeyBytesMax)
	b = binary.BigEndian.AppendUint64(b, uint64(len(m.Channel)))
	b = append(b, m.Channel...)
	b = append(b, m.IdempotencyKey...)
	return sha256.Sum256(b)
}

// offset returns the offset that the key was given.
func (i *idempotency) offset(key keyHash) (offset uint64, ok bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forgetExpired()
	e, ok := i.seen.Get(key)
	return e.offset, ok && e.forgets >= i.clock()
}

// remember adds a key that offset did not find, under the same shard's lock, for age,
// or for the window if that is 0.
func (i *idempotency) remember(key keyHash, offset uint64, age time.Duration) {
	if age == 0 {
		age = i.window
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.push(key)
	i.seen.Set(key, keySeen{offset, i.clock().add(age)})
}

// push puts a key behind the others, the oldest of which makes room; mu is held.
func (i *idempotency) push(key keyHash) {
	if i.order.len() >= i.keysMax {
		i.seen.Delete(i.order.pop())
	}
	i.order.push(key)
	i.total++
}

// expire forgets keys that are too old, and reports how many are left.
func (i *idempotency) expire() (left int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.forgetExpired()
	return i.order.len()
}

func (i *idempotency) forgetExpired() {
	if i.order.len() == 0 {
		return
	}
	now := i.clock()
	for i.order.len() > 0 {
		oldest := *i.order.at(0)
		if e, _ := i.seen.Get(oldest); e.forgets >= now {
			return
		}
		i.seen.Delete(oldest)
		i.order.pop()
	}
}

func (i *idempotency) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen, i.order = shrinkmap.Map[keyHash, keySeen]{}, ring[keyHash]{}
}
