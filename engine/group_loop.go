package engine

import (
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/wire"
)

// burstBytesMax is the most that is put together once for all members. What is
// longer goes through their outboxes, where large frames are not copied.
const burstBytesMax = 64 << 10

// burstForms are the forms in which connections are sent a message: plain, and
// compressed for each size of the window.
const burstForms = deflate.WindowBitsMax + 1

// burst is what a member that is not behind is owed, as it goes over the wire:
// all of them are sent this very memory.
type burst struct {
	b      []byte
	own    []byte // memory for b; a single message needs none
	made   bool
	shared bool // b is a frame that never changes
}

// A loop deals with other connections after a slice of a group: so many members,
// or fewer if they are sent so many bytes.
const (
	sliceMembersMax = 256
	sliceBytesMax   = 4 << 20
)

// spareChangesMax is the longest list of changes that is kept for reuse.
const spareChangesMax = 4 << 10

// run does what has come together since the last turn, or goes on with that. What
// is published meanwhile stays pending, so everybody has the messages at hand
// before anybody has the next.
func (p *part) run() {
	ended := false
	defer func() {
		if !ended { // there is more, or a callback has ended the goroutine, see loop.run
			p.post()
		}
	}()
	if len(p.messages) == 0 {
		p.take()
	}
	ended = p.deliver() && p.rests()
}

// rests reports whether nothing has come together meanwhile; the part is posted
// when something does.
func (p *part) rests() bool {
	g := p.group
	g.mu.Lock()
	defer g.mu.Unlock()
	p.posted = len(p.changes) > 0
	return !p.posted
}

// take applies the changes that have come together.
func (p *part) take() {
	g := p.group
	g.mu.Lock()
	changes := p.changes
	p.changes = p.spare[:0]
	p.bytes, p.count = 0, 0
	g.mu.Unlock()

	for i := range changes {
		p.apply(&changes[i])
	}
	clear(changes)
	p.spare = changes[:0]
	if cap(changes) > spareChangesMax {
		p.spare = nil
	}
}

// apply makes a change to the lists. A member gets the messages that stand
// between its coming and its leaving.
func (p *part) apply(c *change) {
	switch m := c.member; {
	case m == nil:
		p.messages = append(p.messages, c.published)
		p.size += len(c.m.Frame())
	case !c.leaves:
		m.at, m.from = len(p.present), len(p.messages)
		p.present = append(p.present, m)
	case m.from == len(p.messages):
		p.forget(m)
	default:
		m.left, m.until = true, len(p.messages)
		p.leavers = append(p.leavers, m)
	}
}

// forget takes m out of the list.
func (p *part) forget(m *member) {
	last := len(p.present) - 1
	moved := p.present[last]
	p.present[m.at], moved.at = moved, m.at
	p.present[last] = nil
	p.present = p.present[:last]
}

// deliver gives the messages at hand to as many members as there may be in a
// turn, and reports whether those were the last.
func (p *part) deliver() bool {
	if len(p.messages) == 0 {
		return true
	}
	l := p.loop
	slice := p.next + min(sliceMembersMax, max(sliceBytesMax/p.size, 1))
	for p.next < len(p.present) {
		if p.next == slice {
			l.current.Store(nil)
			l.resuming = true
			return false
		}
		m := p.present[p.next]
		p.next++
		from, until := m.from, len(p.messages)
		if m.left {
			until = m.until
		}
		m.from = 0
		l.give(m.conn, p, p.messages[from:until], until-from == len(p.messages))
	}
	p.next = 0
	// Not before: who left and came again is in the list twice, in this order.
	for _, m := range p.leavers {
		p.forget(m)
	}
	clear(p.leavers)
	p.leavers = p.leavers[:0]
	l.current.Store(nil)
	clear(p.messages)
	p.messages, p.size = p.messages[:0], 0
	for i := range p.bursts {
		p.bursts[i].reset()
	}
	return true
}

func (b *burst) reset() {
	if cap(b.own) > 2*burstBytesMax {
		b.own = nil
	}
	*b = burst{own: b.own[:0]}
}

// give sends messages to a member. all says that they are all there are.
func (l *loop) give(c *Conn, p *part, messages []published, all bool) {
	defer l.recovers(c)
	l.begin(c)
	switch {
	case c.state == stateHead:
		// Adopt has returned it, and the task that brings it here comes later.
		c.mu.Lock()
		for _, next := range messages {
			c.offer(next)
		}
		c.unlockAndSend()
	case c.state == stateOpen && !(all && l.giveBurst(c, p)):
		l.giveEach(c, messages)
	}
}

// offer queues a message of a group; mu is held. Nobody learns of an error, so
// what finds no room is counted.
func (c *Conn) offer(next published) {
	if c.put(next.key, next.m) == ErrQueueFull {
		c.lost(1, next.m)
	}
}

// giveBurst sends all messages to a member that is not behind, from memory that
// is everybody's. It reports whether it did.
func (l *loop) giveBurst(c *Conn, p *part) bool {
	c.mu.Lock()
	if c.out != nil || c.flags&(blocked|corked|aborted|broken|owesDrain) != 0 || c.late() != nil ||
		c.proto.HasReplies() || c.proto.MayWrite() != nil {
		c.mu.Unlock()
		return false
	}
	b := p.burst(c)
	s := c.settings
	if b.b == nil || len(p.messages) > 1 && (len(b.b) > s.QueueBytesMax/2 || len(p.messages) > s.QueueMessagesMax/2) {
		c.mu.Unlock()
		return false
	}
	if c.proto.Compressed() {
		for i := range p.messages {
			c.frameOf(p.messages[i].m) // the compressor takes note
		}
	}
	c.queued += len(b.b)
	c.mu.Unlock()

	n, err := l.send(c, b.b)
	l.tally.sends++
	l.tally.BytesOut += uint64(n)
	switch {
	case err != nil && err != errAgain:
		l.breaks(c, nil)
	case n < len(b.b):
		l.block(c, p.boxOf(c, b), n)
	default:
		l.tally.MessagesOut += uint64(len(p.messages))
		c.mu.Lock()
		c.queued -= n
		c.mu.Unlock()
		if l.busy(c) {
			l.block(c, outboxes.Get().(*outbox), 0)
		}
	}
	return true
}

// burst returns what c is sent for all messages; c.mu is held.
func (p *part) burst(c *Conn) *burst {
	form := 0
	if c.proto.Compressed() {
		form = c.extra.compression.FromServer().WindowBits
		if form == 0 {
			form = deflate.WindowBitsMax
		}
	}
	b := &p.bursts[form]
	if b.made {
		return b
	}
	b.made = true
	compression := c.loop.server.settings.compression
	if len(p.messages) == 1 {
		b.b, b.shared = formOf(p.messages[0].m, form, compression), true
		return b
	}
	for i := range p.messages {
		frame := formOf(p.messages[i].m, form, compression)
		if len(b.own)+len(frame) > burstBytesMax {
			return b
		}
		b.own = append(b.own, frame...)
	}
	b.b = b.own
	return b
}

// boxOf makes an outbox of a burst, of which c has taken only a part.
func (p *part) boxOf(c *Conn, b *burst) *outbox {
	o := outboxes.Get().(*outbox)
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.shared {
		if len(b.b) >= sharedBytesMin && c.scatters() {
			o.refer(b.b)
		} else {
			o.b = append(o.b, b.b...)
		}
		o.mark()
		return o
	}
	for rest := b.b; len(rest) > 0; {
		h, n, _ := wire.ParseHeader(rest) // they are our own
		n += int(h.Length)
		o.b = append(o.b, rest[:n]...)
		o.mark()
		rest = rest[n:]
	}
	return o
}

// giveEach puts messages into a member's queue, and sends what can be sent.
func (l *loop) giveEach(c *Conn, messages []published) {
	for len(messages) > 0 && c.state == stateOpen {
		c.mu.Lock()
		if c.out == nil && c.flags&(blocked|corked) == 0 {
			c.out = &l.cork // flush is next
		}
		for len(messages) > 0 {
			c.offer(messages[0])
			messages = messages[1:]
			if c.flags&(blocked|corked) == 0 && c.settings.commits(c.out) {
				break // to the network, before the queue is full
			}
		}
		stuck, tells := c.flags&(blocked|corked) != 0, c.flags&(armClose|dropping) != 0
		c.mu.Unlock()
		if !stuck {
			l.flush(c)
		}
		if tells { // QueueClose closes, and visit sets the timer; or OnDrop is called there
			c.mu.Lock()
			c.unlockAndPost()
		}
	}
}
