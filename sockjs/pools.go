package sockjs

import (
	"sync"

	"github.com/godwit-io/godwit/sockjs/internal/frames"
)

// keptBytes is the largest memory that is used again.
const keptBytes = 64 << 10

// scratchPool is memory in which frames are made.
type scratchPool struct{ pool sync.Pool }

var scratches scratchPool

func (s *scratchPool) get() []byte {
	if p, ok := s.pool.Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return make([]byte, 0, 512)
}

func (s *scratchPool) put(p []byte) {
	if cap(p) <= keptBytes {
		s.pool.Put(&p)
	}
}

// batchPool is memory for what clients have sent.
type batchPool struct{ pool sync.Pool }

var batches batchPool

func (b *batchPool) get() *frames.Batch {
	if batch, ok := b.pool.Get().(*frames.Batch); ok {
		return batch
	}
	return new(frames.Batch)
}

func (b *batchPool) put(batch *frames.Batch) {
	if batch.Cap() <= keptBytes {
		batch.Reset()
		b.pool.Put(batch)
	}
}
