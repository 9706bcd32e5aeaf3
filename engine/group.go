package engine

import (
	"cmp"
	"fmt"
	"sync"

	"github.com/godwit-io/godwit/ws/driver"
)

// The defaults of Group.
const (
	DefaultPendingBytesMax    = 16 << 20
	DefaultPendingMessagesMax = 16 << 10
)

// Group is a set of connections that are sent the same messages. The zero value
// is an empty one. All methods are safe for concurrent use and for use in
// callbacks, and none of them waits for the network or for a loop.
//
//	Publish ─► loop 1: pending ─► one task ─► member: one write
//	       │                             ├──► member: one write
//	       └─► loop 2: pending ─► …      └──► member that is behind: its queue
//
// Everybody gets the messages in the order in which the calls of Publish came,
// which is the same for all members, and those between its Add and its Remove.
// A member that does not keep up has a queue, and its Options.QueuePolicy, and
// delays nobody; a Handler that is a Dropper learns what it misses. A group of any
// size delays nobody either: a loop gives messages to a few hundred members at a
// time, and its other connections have their turn in between.
type Group struct {
	// PendingBytesMax and PendingMessagesMax are how much may have been published
	// and not been looked at by the loops, because they are busy. One message may
	// always be pending. Defaults 16 MiB and 16,384; NoLimit is none, and with a
	// negative one Add and Publish return an *OptionError in their chain. They must
	// not be changed once the group is used.
	PendingBytesMax    int
	PendingMessagesMax int

	mu      sync.Mutex // guards what follows; taken inside a connection's, never with a loop's
	most    pending    // PendingBytesMax and PendingMessagesMax with their defaults, once they were looked at
	members map[*Conn]*member
	parts   []*part
}

// pending is how much of a group's messages the loops have not looked at.
type pending struct{ bytes, messages int }

// part is the group on one loop.
type part struct {
	group *Group
	loop  *loop
	task  func() // run

	// The group's mu guards these.
	changes []change
	posted  bool // a task is on its way
	members int  // when all changes have been made
	bytes   int  // of messages among changes
	count   int  // messages

	// The loop's own.
	present  []*member
	leavers  []*member // of present, for whom the messages at hand are the last
	next     int       // in present: who gets the messages at hand next
	messages []published
	size     int // of messages
	bursts   [burstForms]burst
	spare    []change
}

// member is a connection in a part.
type member struct {
	conn *Conn
	part *part

	// The loop's own.
	at          int // in part.present
	from, until int // which of the messages at hand it gets
	left        bool
}

// published is a message of a group.
type published struct {
	key string
	m   *Prepared
}

// change is something that a loop has to do: a message to send, or a member that
// comes or leaves.
type change struct {
	published
	member *member
	leaves bool
}

// Add makes c a member; it does nothing if c is one. c gets what is published
// from now on, behind what is in its queue. It stops being a member when it
// ends. Add returns the *CloseError of a connection that has ended.
func (g *Group) Add(c *Conn) error {
	c.mu.Lock()
	if err := c.ended(); err != nil {
		c.mu.Unlock()
		return err
	}
	g.mu.Lock()
	if err := g.resolve(); err != nil || g.members[c] != nil {
		g.mu.Unlock()
		c.mu.Unlock()
		return err
	}
	if g.members == nil {
		g.members = make(map[*Conn]*member)
	}
	x := c.needExtra()
	x.groups = append(x.groups, g)
	p := g.part(c.loop)
	m := &member{conn: c, part: p}
	g.members[c] = m
	p.members++
	wakes := p.add(change{member: m})
	g.mu.Unlock()
	c.mu.Unlock()
	if wakes {
		p.post()
	}
	return nil
}

// Remove ends c's membership, if it has one: c gets nothing that is published
// from now on.
func (g *Group) Remove(c *Conn) {
	c.mu.Lock()
	if c.extra != nil {
		for i, of := range c.extra.groups {
			if of == g {
				last := len(c.extra.groups) - 1
				c.extra.groups[i] = c.extra.groups[last]
				c.extra.groups[last] = nil
				c.extra.groups = c.extra.groups[:last]
				break
			}
		}
	}
	p := g.remove(c)
	c.mu.Unlock()
	if p != nil {
		p.post()
	}
}

// remove takes c out of members, and returns a part to post.
func (g *Group) remove(c *Conn) *part {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.members[c]
	if m == nil {
		return nil
	}
	delete(g.members, c)
	m.part.members--
	if !m.part.add(change{member: m, leaves: true}) {
		return nil
	}
	return m.part
}

// leaves returns the groups of a connection that ends; mu is held.
func (c *Conn) leaves() []*Group {
	if c.extra == nil {
		return nil
	}
	groups := c.extra.groups
	c.extra.groups = nil
	return groups
}

// drop removes a connection that has ended, and is in no group's list any more.
func (g *Group) drop(c *Conn) {
	if p := g.remove(c); p != nil {
		p.post()
	}
}

// Len returns how many members there are.
func (g *Group) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.members)
}

// Publish sends m to all members. It returns ErrQueueFull, and nobody is sent m,
// when more is pending than PendingBytesMax and PendingMessagesMax allow: the
// loops are busy, so publish less. What becomes of m at a member whose own queue
// is full is a matter of its QueuePolicy, and Conn.Dropped counts it.
func (g *Group) Publish(m *Prepared) error { return g.PublishKey("", m) }

// PublishKey is Publish for the newest value of something that key names, see
// QueueConflate. An empty key names nothing.
func (g *Group) PublishKey(key string, m *Prepared) error {
	var few [16]*part
	wake := few[:0]
	g.mu.Lock()
	if err := g.resolve(); err != nil {
		g.mu.Unlock()
		return err
	}
	for _, p := range g.parts {
		if p.members > 0 && p.isFull(len(m.Frame())) {
			g.mu.Unlock()
			return ErrQueueFull
		}
	}
	for _, p := range g.parts {
		if p.members == 0 {
			continue
		}
		p.bytes += len(m.Frame())
		p.count++
		if p.add(change{published: published{key, m}}) {
			wake = append(wake, p)
		}
	}
	g.mu.Unlock()
	for _, p := range wake {
		p.post()
	}
	return nil
}

// resolve sees to g.most; mu is held.
func (g *Group) resolve() error {
	if g.most != (pending{}) {
		return nil
	}
	most := pending{g.PendingBytesMax, g.PendingMessagesMax}
	err := cmp.Or(
		driver.Resolve("PendingBytesMax", &most.bytes, DefaultPendingBytesMax),
		driver.Resolve("PendingMessagesMax", &most.messages, DefaultPendingMessagesMax))
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	g.most = most
	return nil
}

// isFull reports whether a message of size bytes has no room; group.mu is held.
func (p *part) isFull(size int) bool {
	return p.count > 0 && (p.bytes+size > p.group.most.bytes || p.count >= p.group.most.messages)
}

// part returns the part on l; mu is held.
func (g *Group) part(l *loop) *part {
	for _, p := range g.parts {
		if p.loop == l {
			return p
		}
	}
	p := &part{group: g, loop: l}
	p.task = p.run
	g.parts = append(g.parts, p)
	return p
}

// add notes something to do, and reports whether the part is to be posted;
// group.mu is held.
func (p *part) add(c change) bool {
	p.changes = append(p.changes, c)
	first := !p.posted
	p.posted = true
	return first
}

// post has the loop run the part.
func (p *part) post() {
	if p.loop.do(p.task) {
		return
	}
	// The loop has ended, and its connections have or will. Nothing is ever to be
	// done for them.
	p.group.mu.Lock()
	p.changes, p.bytes, p.count, p.posted = nil, 0, 0, false
	p.group.mu.Unlock()
}
