package engine

import (
	"sync"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// outbox is what a connection has to send: whole frames, of which the first off
// bytes have been sent. A connection has one only while something waits.
type outbox struct {
	b        []byte
	off      int
	messages int          // in it
	counted  int          // bytes of it that are in the loop's figures
	since    wsproto.Time // when the peer last took something; the loop's
}

// outboxBytesMax is the largest outbox that is kept for reuse.
const outboxBytesMax = 256 << 10

var outboxes = sync.Pool{New: func() any { return new(outbox) }}

// rest is what has not been sent.
func (o *outbox) rest() []byte { return o.b[o.off:] }

// compact makes room at the end of what was sent in part, when that is worth it.
func (o *outbox) compact() {
	if o.off > 0 && o.off >= len(o.b)/2 {
		o.b = o.b[:copy(o.b, o.b[o.off:])]
		o.off = 0
	}
}

// empty makes o ready for reuse.
func (o *outbox) empty() {
	if cap(o.b) > outboxBytesMax {
		o.b = nil
	}
	o.b, o.off, o.messages, o.counted = o.b[:0], 0, 0, 0
}

// recycle gives o, which is not a loop's own, back.
func recycle(o *outbox) {
	o.empty()
	outboxes.Put(o)
}
