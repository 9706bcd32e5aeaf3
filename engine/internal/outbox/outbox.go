package outbox

import (
	"sync"

	"github.com/godwit-io/godwit/internal/wsproto"
)

// Outbox is what a connection has to send: whole frames, of which sent bytes
// have been sent. Most are copied into Bytes; a large frame that other connections
// send, too, is referred to instead:
//
//	Bytes  own own own│own own own own
//	refs              ▲ shared frame, at 11
//	ends       ▲          ▲       ▲       where messages end
//
// A connection has one only while something waits. The zero value is empty.
type Outbox struct {
	Bytes  []byte      // frames are appended to it; those of a message are followed by Mark
	off    int         // of Bytes has been sent
	refs   []reference // in the order of their places
	shared int         // bytes of refs
	ends   []int       // of the messages that have not been sent whole, counted as sent is
	sent   int

	Counted int          // bytes that are in the figures of the loop
	Since   wsproto.Time // when the peer last took something, as the loop notes it
	spare   [][]byte     // memory for Parts
}

// reference is a frame that stands before Bytes[at].
type reference struct {
	at int
	p  []byte // not ours to change
}

const (
	// keptBytesMax is the largest outbox that is kept for reuse, and
	// keptMarksMax the most ends and references.
	keptBytesMax = 256 << 10
	keptMarksMax = 8 << 10

	// SharedBytesMin is the shortest frame that is worth referring to. A shorter one
	// is cheaper to copy than to hand to the system as a part of its own.
	SharedBytesMin = 4 << 10
)

var spares = sync.Pool{New: func() any { return new(Outbox) }}

// Get returns an empty outbox, for Recycle.
func Get() *Outbox { return spares.Get().(*Outbox) }

// Recycle gives o, which came from Get and is not used any more, back.
func (o *Outbox) Recycle() {
	o.Empty()
	spares.Put(o)
}

// Rest is what has not been sent of an outbox without references.
func (o *Outbox) Rest() []byte { return o.Bytes[o.off:] }

// Len is how many bytes have not been sent.
func (o *Outbox) Len() int { return len(o.Bytes) - o.off + o.shared }

// Messages is how many messages have not been sent whole.
func (o *Outbox) Messages() int { return len(o.ends) }

// Mark notes that a message ends here.
func (o *Outbox) Mark() { o.ends = append(o.ends, o.sent+o.Len()) }

// Refer adds a frame without copying it.
func (o *Outbox) Refer(frame []byte) {
	o.refs = append(o.refs, reference{len(o.Bytes), frame})
	o.shared += len(frame)
}

// HasReferences reports whether o is not in one piece, see Parts.
func (o *Outbox) HasReferences() bool { return len(o.refs) > 0 }

// Parts is what has not been sent, in order. It is valid until the next call.
func (o *Outbox) Parts() [][]byte {
	dst, at := o.spare[:0], o.off
	for _, r := range o.refs {
		if r.at > at {
			dst = append(dst, o.Bytes[at:r.at])
			at = r.at
		}
		dst = append(dst, r.p)
	}
	if at < len(o.Bytes) {
		dst = append(dst, o.Bytes[at:])
	}
	o.spare = dst
	return dst
}

// Advance notes that n more bytes have been sent, and returns how many messages
// were completed by them.
func (o *Outbox) Advance(n int) (messages int) {
	o.sent += n
	gone := 0
	for n > 0 {
		own := len(o.Bytes) - o.off
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

// Append appends what has not been sent of behind.
func (o *Outbox) Append(behind *Outbox) {
	before, own := o.sent+o.Len(), len(o.Bytes)
	o.Bytes = append(o.Bytes, behind.Bytes[behind.off:]...)
	for _, r := range behind.refs {
		o.refs = append(o.refs, reference{own + r.at - behind.off, r.p})
	}
	o.shared += behind.shared
	for _, end := range behind.ends {
		o.ends = append(o.ends, before+end-behind.sent)
	}
}

// Compact makes room at the end of what was sent in part, when that is worth it.
func (o *Outbox) Compact() {
	if o.off == 0 || o.off < len(o.Bytes)/2 {
		return
	}
	for i := range o.refs {
		o.refs[i].at -= o.off
	}
	o.Bytes = o.Bytes[:copy(o.Bytes, o.Bytes[o.off:])]
	o.off = 0
}

// Empty makes o ready for reuse.
func (o *Outbox) Empty() {
	if cap(o.Bytes) > keptBytesMax {
		o.Bytes = nil
	}
	if cap(o.ends) > keptMarksMax {
		o.ends = nil
	}
	if len(o.refs) > 0 || len(o.spare) > 0 {
		o.forget()
	}
	o.Bytes, o.off, o.ends, o.sent, o.Counted = o.Bytes[:0], 0, o.ends[:0], 0, 0
}

// forget lets go of shared frames, so that a pool keeps none of them alive.
func (o *Outbox) forget() {
	if cap(o.refs) > keptMarksMax || cap(o.spare) > keptMarksMax {
		o.refs, o.spare = nil, nil
	}
	clear(o.refs[:cap(o.refs)])
	clear(o.spare[:cap(o.spare)])
	o.refs, o.spare, o.shared = o.refs[:0], o.spare[:0], 0
}
