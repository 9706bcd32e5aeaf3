package witness

import (
	"slices"
	"sync"

	"github.com/godwit-io/godwit/hub"
)

// Truth is what publishers have sent and were told. It is safe for concurrent use.
type Truth struct {
	mu       sync.Mutex // guards what follows
	sent     map[uint64]string
	acks     map[string][]ack // by channel
	newest   map[string]hub.Position
	accepted int
}

// ack is an answer to a publisher.
type ack struct {
	id uint64
	at hub.Position

	// after is the newest position in the channel that the publisher had been told before
	// it sent this publication for the first time.
	after hub.Position

	duplicate bool // the answer says that it had been published before
}

// NewTruth begins with nothing.
func NewTruth() *Truth {
	return &Truth{sent: make(map[uint64]string), acks: make(map[string][]ack), newest: make(map[string]hub.Position)}
}

// Send notes that a publication is about to be sent for the first time. Its ID, which is in its payload, is
// given to no other.
func (t *Truth) Send(channel string, id uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent[id] = channel
}

// Acknowledge notes that its publisher was told that a publication was accepted at a
// position. after is the newest position in the channel that the same publisher had been
// told before it first sent the publication, or the zero Position.
func (t *Truth) Acknowledge(channel string, id uint64, at, after hub.Position, duplicate bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.acks[channel] = append(t.acks[channel], ack{id, at, after, duplicate})
	t.newest[channel] = at
	t.accepted++
}

// Acknowledged is how many publications were.
func (t *Truth) Acknowledged() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.accepted
}

// Sent is how many were sent.
func (t *Truth) Sent() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent)
}

// Newest is the position that was acknowledged last in a channel. When nothing else is
// under way it is where every client has to come.
func (t *Truth) Newest(channel string) hub.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest[channel]
}

// entry is a publication at an offset of an epoch.
type entry struct {
	offset, id uint64
}

// chronicle is everything that is known to have been published in a channel: what was
// acknowledged and what any client was given, since an answer may be lost on its way to the
// publisher. By epoch, ordered by offset.
type chronicle map[string][]entry

// chronicleOf collects the chronicle of a channel.
func (t *Truth) chronicleOf(channel string, records []*Record) chronicle {
	c := make(chronicle)
	for _, a := range t.acks[channel] {
		c[a.at.Epoch] = append(c[a.at.Epoch], entry{a.at.Offset, a.id})
	}
	for _, r := range records {
		for _, e := range r.events {
			if e.kind == given && e.epoch > 0 {
				name := r.epochs[e.epoch-1]
				c[name] = append(c[name], entry{e.at, e.id})
			}
		}
		for name, all := range c { // what many were given is kept once
			if len(all) > 1<<20 {
				c[name] = tidy(all)
			}
		}
	}
	for name, all := range c {
		c[name] = tidy(all)
	}
	return c
}

// tidy orders entries, and removes those that are there twice. Two publications at one
// offset stay, for the check to find.
func tidy(all []entry) []entry {
	slices.SortFunc(all, func(a, b entry) int {
		if a.offset != b.offset {
			if a.offset < b.offset {
				return -1
			}
			return 1
		}
		switch {
		case a.id < b.id:
			return -1
		case a.id > b.id:
			return 1
		}
		return 0
	})
	return slices.Compact(all)
}

// after returns the entries of an epoch behind an offset.
func (c chronicle) after(epoch string, offset uint64) []entry {
	all := c[epoch]
	i, _ := slices.BinarySearchFunc(all, offset, func(e entry, offset uint64) int {
		if e.offset <= offset {
			return -1
		}
		return 1
	})
	return all[i:]
}

// between returns the entries of an epoch behind one offset and before another one.
func (c chronicle) between(epoch string, after, before uint64) []entry {
	some := c.after(epoch, after)
	i, _ := slices.BinarySearchFunc(some, before, func(e entry, offset uint64) int {
		if e.offset < offset {
			return -1
		}
		return 1
	})
	return some[:i]
}
