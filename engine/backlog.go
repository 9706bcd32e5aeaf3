package engine

import (
	"github.com/godwit-io/godwit/ws/wire"
)

// backlog is what waits behind an outbox when QueuePolicy may drop it. Nothing in
// it has been encoded:
//
//	put ─► backlog: message, message, …  ─► outbox: bytes ─► network
//	       may be dropped or replaced        must be sent
//	                                    ▲
//	                       here it is framed and compressed
//
// So a frame that is partly on the wire stays whole, and a compressor never
// refers to a message that the peer did not get. mu of the connection guards it.
type backlog struct {
	queue   []waiting      // from head
	head    int            // what is before it has left
	first   int            // number of queue[head], counted from the beginning
	keys    map[string]int // numbers of what has a key; nil while nothing has
	bytes   int
	count   int    // messages
	dropped uint64 // messages, ever

	// What OnDrop is to be told.
	untold uint64
	gap    *Prepared // nil if it is not known
}

// waiting is a message, or what one WriteFrames was given.
type waiting struct {
	m        *Prepared // or else
	p        []byte    // a payload of ours, or frames
	typ      MessageType
	key      string
	bytes    int // plain, the header included
	messages int
}

// frames is the typ of p that is frames already.
const frames MessageType = 0

// commitBytes is how much is moved to the outbox at a time, and so how much may
// be beyond dropping.
const commitBytes = 64 << 10

// drops reports whether a full queue makes room instead of refusing.
func (s *settings) drops() bool {
	return s.QueuePolicy == QueueDropOldest || s.QueuePolicy == QueueConflate
}

// commits reports whether o has as much as may be beyond dropping: a quarter,
// because as much can be in a system call.
func (s *settings) commits(o *outbox) bool {
	return o.size() >= min(commitBytes, max(s.QueueBytesMax/4, 1)) || o.messages() >= max(s.QueueMessagesMax/4, 1)
}

// late returns c's backlog if something is in it, or nil; mu is held.
func (c *Conn) late() *backlog {
	if c.extra == nil || c.extra.late == nil || c.extra.late.count == 0 {
		return nil
	}
	return c.extra.late
}

// needLate returns c's backlog; mu is held.
func (c *Conn) needLate() *backlog {
	x := c.needExtra()
	if x.late == nil {
		x.late = &backlog{}
	}
	return x.late
}

// mustWait reports whether what is written now goes to the backlog; mu is held.
func (c *Conn) mustWait() bool {
	if c.late() != nil {
		return true
	}
	return c.settings.drops() && (c.flags&blocked != 0 || c.out != nil && c.settings.commits(c.out))
}

// messages is how many messages are queued; mu is held.
func (c *Conn) messages() int {
	n := 0
	if c.out != nil {
		n = c.out.messages()
	}
	if late := c.late(); late != nil {
		n += late.count
	}
	return n
}

// wait puts w into the backlog, and drops what is older until there is room. The
// newest always stays. mu is held.
func (c *Conn) wait(w waiting) {
	late := c.needLate()
	c.queued -= late.bytes
	if c.settings.QueuePolicy != QueueConflate {
		w.key = ""
	}
	if old, ok := late.replace(w); ok {
		c.lost(1, old.m)
	} else {
		late.push(w)
	}
	s := c.settings
	for s.drops() && late.pending() > 1 && (c.queued+late.bytes > s.QueueBytesMax || c.messages() > s.QueueMessagesMax) {
		old := late.pop()
		c.lost(old.messages, old.m)
	}
	c.queued += late.bytes
}

// lost counts messages that will not be sent, m the first of them if it was
// prepared; mu is held.
func (c *Conn) lost(n int, m *Prepared) {
	late := c.needLate()
	late.dropped += uint64(n)
	c.loop.dropped.Add(uint64(n))
	c.flags |= owesDrain
	if _, ok := plain(c.chosen()).(Dropper); ok {
		if late.untold == 0 {
			late.gap = m
		}
		late.untold += uint64(n)
		c.flags |= dropping
	}
}

// tellDrops calls OnDrop.
func (l *loop) tellDrops(c *Conn) {
	c.mu.Lock()
	late := c.needLate()
	n, first := late.untold, late.gap
	late.untold, late.gap = 0, nil
	h := c.handler()
	c.mu.Unlock()
	if h, ok := h.(Dropper); ok && n > 0 {
		h.OnDrop(c, n, first)
	}
}

// Dropped returns how many messages were not sent because the peer did not keep
// up: those that QueueDropOldest and QueueConflate dropped or replaced.
// OnDrain is called when the queue is empty again after one was, and a Dropper is
// told soon.
func (c *Conn) Dropped() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra == nil || c.extra.late == nil {
		return 0
	}
	return c.extra.late.dropped
}

// commit moves messages from the backlog to the outbox, as many as may be beyond
// dropping. The loop calls it, to send them now; mu is held.
func (l *loop) commit(c *Conn) {
	for late := c.late(); late != nil && (c.out == nil || !c.settings.commits(c.out)); late = c.late() {
		if c.out == nil {
			c.out = &l.cork
		}
		w := late.pop()
		c.queued -= w.bytes
		c.encode(c.box(), &w)
	}
}

// encode appends w to o; mu is held.
func (c *Conn) encode(o *outbox, w *waiting) {
	if w.m != nil {
		c.encodePrepared(o, w.m)
		return
	}
	before := o.size()
	if w.typ == frames {
		o.b = append(o.b, w.p...)
		for range w.messages {
			o.mark()
		}
	} else {
		op, err := wire.Opcode(w.typ), error(nil)
		if o.b, err = c.proto.AppendMessage(o.b, op, w.p); err != nil {
			// A close frame is owed, and will stand behind it. Any message may go
			// uncompressed (RFC 7692 §6).
			o.b = wire.AppendFrame(o.b, true, op, w.p)
		}
		o.mark()
	}
	c.queued += o.size() - before
}

// abandonLate empties the backlog of a connection that ends; mu is held.
func (c *Conn) abandonLate() {
	if late := c.late(); late != nil {
		*late = backlog{dropped: late.dropped}
	}
}

// pending is how many entries wait.
func (b *backlog) pending() int { return len(b.queue) - b.head }

func (b *backlog) push(w waiting) {
	if b.head > 16 && b.head > len(b.queue)/2 {
		kept := copy(b.queue, b.queue[b.head:])
		clear(b.queue[kept:])
		b.queue, b.head = b.queue[:kept], 0
	}
	if w.key != "" {
		if b.keys == nil {
			b.keys = make(map[string]int)
		}
		b.keys[w.key] = b.first + b.pending()
	}
	b.queue = append(b.queue, w)
	b.bytes += w.bytes
	b.count += w.messages
}

// pop takes the oldest entry.
func (b *backlog) pop() waiting {
	w := b.queue[b.head]
	b.queue[b.head] = waiting{}
	b.head++
	b.first++
	b.bytes -= w.bytes
	b.count -= w.messages
	if w.key != "" {
		delete(b.keys, w.key)
	}
	if b.pending() == 0 {
		b.queue, b.head, b.keys = nil, 0, nil
	}
	return w
}

// replace puts w where something with the same key waits, if anything does, and
// returns that.
func (b *backlog) replace(w waiting) (old waiting, ok bool) {
	number, ok := b.keys[w.key]
	if w.key == "" || !ok {
		return waiting{}, false
	}
	at := &b.queue[b.head+number-b.first]
	old = *at
	b.bytes += w.bytes - old.bytes
	*at = w
	return old, true
}
