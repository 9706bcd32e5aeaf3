package hub

import (
	"errors"
	"slices"
	"sync/atomic"
	"time"
)

// Neighbours are the other hubs that use the same Broker, as far as the members of
// channels are concerned: they are told of members here, and tell of members there by way
// of a Mirror. Package cluster makes them of what nodes say to each other.
//
// The methods are safe for concurrent use, are called with no lock of the hub held, and
// do not block.
type Neighbours interface {
	// Changed is told of members that came and left here, in the order in which that
	// happened, collected for 250 ms. The calls come one at a time.
	Changed(c MembersChange)

	// Watch says that one more session watches the members of a channel, and Unwatch that
	// one does not any more. While a session does, and for a while after a query, the Mirror
	// is to be kept as the members elsewhere are.
	Watch(channel string)
	Unwatch(channel string)

	// Complete returns true if the Mirror of the channel is as the members elsewhere are.
	// Else it sees to that, and calls then when it is so, or when it has been tried for long
	// enough. With isSecret, members that no watcher is told of, by a Policy with
	// NoPresence, are as they were a moment ago at the most.
	Complete(channel string, isSecret bool, then func()) bool

	// Count calls then with how many members a channel has elsewhere, if the Mirror does
	// not have them. That may have been so a few seconds ago. It may call then before it returns.
	Count(channel string, then func(elsewhere int))
}

// MembersChange are members of a channel that came to a hub and left it.
type MembersChange struct {
	Channel string

	// Number ascends over all channels of the hub, and Previous is that of the change in
	// this channel before it: 0 if there were no members before.
	Previous, Number uint64

	Joined []Member // also members that were there and have changed
	Left   []string // IDs of sessions, also of sessions that came and went meanwhile
	Moving []string // of sessions that left because the hub ends, whose clients are about to come back through another one
	Count  int      // of members after it; 0 says that there are none, against anything told before
}

// OwnMembers are the members of a channel in this hub.
type OwnMembers struct {
	// Number is that of the last MembersChange of the channel, 0 if there are no members or
	// it has not been told of any, and AsOf that of the last one of all channels: what
	// comes later continues from Members, and may say again what they say.
	Number, AsOf uint64
	Members      []Member // in no order; the caller's
}

// Mirror holds the members that channels of a Hub have in other hubs, which its Neighbours
// keep up. Its methods are safe for concurrent use; those about one node and one channel
// must be called one after another.
type Mirror struct {
	hub        *Hub
	neighbours Neighbours
	dues       dues
	number     atomic.Uint64 // of the last change of all channels
	closing    chan struct{}
	done       chan struct{}
}

// ErrMirrored is the answer to a second Mirror of a Hub.
var ErrMirrored = errors.New("hub: there is a Mirror already")

// Mirror makes the rosters of this hub those of all Neighbours together, from now on until the
// hub closes. It is called once, before the first session. It returns ErrMirrored, ErrShutdown or
// ErrClosed.
func (h *Hub) Mirror(n Neighbours) (*Mirror, error) {
	m := &Mirror{hub: h, neighbours: n, closing: make(chan struct{}), done: make(chan struct{})}
	m.dues.wake = make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.checkOpen(); err != nil {
		return nil, err
	}
	if !h.mirror.CompareAndSwap(nil, m) {
		return nil, ErrMirrored
	}
	go m.shareLoop()
	return m, nil
}

// close ends the loop, and waits for it.
func (m *Mirror) close() {
	if m == nil {
		return
	}
	close(m.closing)
	<-m.done
}

// Number is that of the last MembersChange.
func (m *Mirror) Number() uint64 { return m.number.Load() }

// Own returns the members of a channel in this hub.
func (m *Mirror) Own(channel string) OwnMembers {
	own := OwnMembers{AsOf: m.number.Load()} // before the members: changes counted later come again
	ch := m.hub.channels.find(channel)
	if ch == nil {
		return own
	}
	ch.mu.Lock()
	subs := slices.Clone(ch.subs)
	if ch.shared != nil {
		own.Number = ch.shared.number
	}
	ch.mu.Unlock()
	own.Members = make([]Member, len(subs))
	for i, sub := range subs {
		own.Members[i] = sub.member()
	}
	return own
}

// OwnCount is how many members a channel has in this hub, and OwnMembers.Number.
func (m *Mirror) OwnCount(channel string) (count int, number uint64) {
	ch := m.hub.channels.find(channel)
	if ch == nil {
		return 0, 0
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.shared != nil {
		number = ch.shared.number
	}
	return len(ch.subs), number
}

// Keep begins to keep the members that a channel has elsewhere, until the function is
// called that it returns, or Keep again: that begins anew, without members.
func (m *Mirror) Keep(channel string) (forget func()) {
	ch := m.hub.channels.acquire(channel)
	ch.mu.Lock()
	if ch.shared == nil {
		ch.shared = &shared{}
	}
	if r := ch.shared.remotes; r != nil {
		r.clear()
	}
	r := newRemotes(ch)
	ch.shared.remotes = r
	ch.mu.Unlock()
	return func() {
		ch.mu.Lock()
		if ch.shared.remotes == r {
			r.clear()
			ch.shared.remotes = nil
		}
		ch.mu.Unlock()
		m.hub.channels.release(ch)
	}
}

// Apply tells the Mirror of changes in a channel that is kept, through another
// hub. Members that are Moving stay until a session of their user comes back, or Settle
// is called; without a user they leave at once.
func (m *Mirror) Apply(node string, c *MembersChange) {
	m.with(c.Channel, func(r *remotes) {
		now := time.Now()
		for _, id := range c.Left {
			r.remove(node, id)
		}
		for _, id := range c.Moving {
			r.linger(node, id, now)
		}
		for i := range c.Joined {
			r.add(newRemote(node, &c.Joined[i]))
		}
		if c.Count == 0 {
			r.keepLingering(node)
		}
	})
}

// Replace has members be all there are in a channel that is kept, through another hub.
func (m *Mirror) Replace(node, channel string, members []Member) {
	m.with(channel, func(r *remotes) { r.replaceNode(node, members) })
}

// Linger treats all members through a node as Moving: it has ended.
func (m *Mirror) Linger(node, channel string) {
	m.with(channel, func(r *remotes) {
		now := time.Now()
		for id := range r.first {
			r.linger(node, id, now)
		}
	})
}

// Settle ends the wait for members that left a node until before, and returns whether it
// goes on for others of it.
func (m *Mirror) Settle(node, channel string, before time.Time) (isLeft bool) {
	m.with(channel, func(r *remotes) { isLeft = r.endLingerOf(node, before) })
	return isLeft
}

// with calls f if the members elsewhere are kept.
func (m *Mirror) with(channel string, f func(*remotes)) {
	ch := m.hub.channels.find(channel)
	if ch == nil {
		return
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.shared != nil && ch.shared.remotes != nil {
		f(ch.shared.remotes)
	}
}
