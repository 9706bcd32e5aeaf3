package engine

import (
	"sync"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// outbox is what a connection has to send: whole frames, of which sent bytes
// have been sent. Most are copied into b; a large frame that other connections
// send, too, is referred to instead:
//
//	b      own own own│own own own own
//	refs              ▲ shared frame, at 11
//	ends       ▲          ▲       ▲       where messages end
//
// A connection has one only while something waits.
type outbox struct {
	b      []byte
	off    int         // of b has been sent
	refs   []reference // in the order of their places
	shared int         // bytes of refs
	ends   []int       // of the messages that have not been sent whole, counted as sent is
	sent   int

	counted int          // bytes that are in the loop's figures
	since   wsproto.Time // when the peer last took something; the loop's
	spare   [][]byte     // memory for parts
}

// reference is a frame that stands before b[at].
type reference struct {
	at int
	p  []byte // not ours to change
}

const (
	// outboxBytesMax is the largest outbox that is kept for reuse, and
	// outboxMarksMax the most ends and references.
	outboxBytesMax = 256 << 10
	outboxMarksMax = 8 << 10

	// sharedBytesMin is the shortest frame that is referred to. A shorter one is
	// cheaper to copy than to hand to the system as a part of its own.
	sharedBytesMin = 4 << 10
)

var outboxes = sync.Pool{New: func() any { return new(outbox) }}

// rest is what has not been sent of an outbox without references.
func (o *outbox) rest() []byte { return o.b[o.off:] }

// size is how many bytes have not been sent.
func (o *outbox) size() int { return len(o.b) - o.off + o.shared }

// messages is how many messages have not been sent whole.
func (o *outbox) messages() int { return len(o.ends) }

// mark notes that a message ends here.
func (o *outbox) mark() { o.ends = append(o.ends, o.sent+o.size()) }

// refer adds a frame without copying it.
func (o *outbox) refer(frame []byte) {
	o.refs = append(o.refs, reference{len(o.b), frame})
	o.shared += len(frame)
}

// parts is what has not been sent, in order. It is valid until the next call.
func (o *outbox) parts() [][]byte {
	dst, at := o.spare[:0], o.off
	for _, r := range o.refs {
		if r.at > at {
			dst = append(dst, o.b[at:r.at])
			at = r.at
		}
		dst = append(dst, r.p)
	}
	if at < len(o.b) {
		dst = append(dst, o.b[at:])
	}
	o.spare = dst
	return dst
}

// advance notes that n more bytes have been sent, and returns how many messages
// were completed by them.
func (o *outbox) advance(n int) (messages int) {
	o.sent += n
	gone := 0
	for n > 0 {
		own := len(o.b) - o.off
		if gone < len(o.refs) {
			own = o.refs[gone].at - o.off
		}
		k := min(n, own)
		o.off += k
		n -= k
		if n == 0 {
			break
		}
		r := &o.refs[gone]
		k = min(n, len(r.p))
		r.p = r.p[k:]
		o.shared -= k
		n -= k
		if len(r.p) == 0 {
			gone++
		}
	}
	if gone > 0 {
		kept := copy(o.refs, o.refs[gone:])
		clear(o.refs[kept:])
		o.refs = o.refs[:kept]
	}
	for messages < len(o.ends) && o.ends[messages] <= o.sent {
		messages++
	}
	o.ends = o.ends[:copy(o.ends, o.ends[messages:])]
	return messages
}

// takes appends what has not been sent of behind.
func (o *outbox) takes(behind *outbox) {
	before, own := o.sent+o.size(), len(o.b)
	o.b = append(o.b, behind.b[behind.off:]...)
	for _, r := range behind.refs {
		o.refs = append(o.refs, reference{own + r.at - behind.off, r.p})
	}
	o.shared += behind.shared
	for _, end := range behind.ends {
		o.ends = append(o.ends, before+end-behind.sent)
	}
}

// compact makes room at the end of what was sent in part, when that is worth it.
func (o *outbox) compact() {
	if o.off == 0 || o.off < len(o.b)/2 {
		return
	}
	for i := range o.refs {
		o.refs[i].at -= o.off
	}
	o.b = o.b[:copy(o.b, o.b[o.off:])]
	o.off = 0
}

// empty makes o ready for reuse.
func (o *outbox) empty() {
	if cap(o.b) > outboxBytesMax {
		o.b = nil
	}
	if cap(o.ends) > outboxMarksMax {
		o.ends = nil
	}
	if len(o.refs) > 0 || len(o.spare) > 0 {
		o.forget()
	}
	o.b, o.off, o.ends, o.sent, o.counted = o.b[:0], 0, o.ends[:0], 0, 0
}

// forget lets go of shared frames, so that a pool keeps none of them alive.
func (o *outbox) forget() {
	if cap(o.refs) > outboxMarksMax || cap(o.spare) > outboxMarksMax {
		o.refs, o.spare = nil, nil
	}
	clear(o.refs[:cap(o.refs)])
	clear(o.spare[:cap(o.spare)])
	o.refs, o.spare, o.shared = o.refs[:0], o.spare[:0], 0
}

// recycle gives o, which is not a loop's own, back.
func recycle(o *outbox) {
	o.empty()
	outboxes.Put(o)
}
