package membroker

import (
	"container/heap"
	"sync"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// shard is a part of the channels under one lock. The lock order is shard, then
// idempotency or patterns; no two shards are locked at once.
type shard struct {
	index uint8 // in Broker.shards

	mu        sync.Mutex // guards what follows, and the channels in it
	channels  channelMap
	expiring  expiryHeap // the channels that hold history
	forgotten forgotten  // how far others had come
	track     *track     // of what changes; nil unless a Snapshot is being made

	// preparing are the idempotency keys of what a Journal has not written yet.
	preparing shrinkmap.Map[keyHash, uint64]
}

type channelMap = shrinkmap.Map[string, *channel]

// channel exists while it has a listener, history, a publication that is being written, or a
// delivery under way.
type channel struct {
	name      string
	hash      uint64
	top       uint64 // the newest offset
	ahead     uint32 // how many publications after top a Journal has not written yet
	listening bool
	isMatched bool   // by a pattern, as of the generation of verdictOf; see Broker.isMatched
	verdictOf uint64 // of patterns
	history   history

	dueAt    moment // when it is to be swept; not later than history.due
	dueIndex int    // in shard.expiring, -1 when it holds nothing

	// A publisher that finds delivering false delivers pending until it is empty. So
	// deliveries are in order, one at a time, and under no lock.
	pending    []*hub.Publication
	spare      []*hub.Publication // the array for pending while the other is delivered
	delivering bool
	answers    []answer // to the publications beyond pendingMax
}

// takePending empties pending, and answers. The answers are to be given under no
// lock.
func (c *channel) takePending() ([]*hub.Publication, []answer) {
	batch, answers := c.pending, c.answers
	c.pending, c.spare = c.spare, nil
	c.answers = nil
	return batch, answers
}

// returnBatch keeps the array of a batch for the next one, unless it is large.
func (c *channel) returnBatch(batch []*hub.Publication) {
	const keep = 16
	clear(batch)
	if batch != nil && cap(batch) <= keep {
		c.spare = batch[:0]
	}
}

func (c *channel) isIdle() bool {
	return !c.listening && !c.delivering && c.ahead == 0 && c.history.held.len() == 0
}

// reschedule puts c where its history belongs in the heap, after a change.
func (s *shard) reschedule(c *channel) {
	switch {
	case c.history.held.len() == 0:
		if c.dueIndex >= 0 {
			heap.Remove(&s.expiring, c.dueIndex)
		}
	case c.dueIndex < 0:
		c.dueAt = c.history.due()
		heap.Push(&s.expiring, c)
	case c.history.due() < c.dueAt:
		c.dueAt = c.history.due()
		heap.Fix(&s.expiring, c.dueIndex)
	}
	// When the oldest went early, by count, the next one is due later than
	// dueAt. The janitor then finds nothing, once, and moves c: cheaper than
	// moving it with every publication.
}

// expiryHeap is the channels that hold history, the next to be swept first.
type expiryHeap []*channel

func (h expiryHeap) Len() int           { return len(h) }
func (h expiryHeap) Less(i, j int) bool { return h[i].dueAt < h[j].dueAt }

func (h expiryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].dueIndex, h[j].dueIndex = i, j
}

func (h *expiryHeap) Push(x any) {
	c := x.(*channel)
	c.dueIndex = len(*h)
	*h = append(*h, c)
}

func (h *expiryHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	c.dueIndex = -1
	if *h = (*h)[:last]; cap(*h) > 64 && last <= cap(*h)/4 {
		*h = append(make(expiryHeap, 0, 2*last), *h...)
	}
	return c
}
