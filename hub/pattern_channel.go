package hub

import "slices"

// derived are the subscriptions of a channel by patterns; guarded by channel.mu. They
// are apart from those that were asked for by name, which alone the Broker's Listen and
// presence are about.
type derived struct {
	subs       []*subscription
	lent       bool   // as in channel
	generation uint64 // of the patterns by which they were found; 0 if one is missing since
	missing    uint64 // how often one was let go, or could not be made
}

// The places of a derived subscription, in subscription.waits; guarded by channel.mu.
const (
	derivedOutside = -1 - iota // it is not in the channel yet
	derivedInside
	derivedLeft // it will not be, or is not any more
)

// lend returns a channel, which is to be given back, with what the delivery of p goes over,
// or nil when there are no subscribers.
func (h *Hub) lend(p *Publication) (ch *channel, l lent) {
	ch = h.channels.find(p.Channel)
	generation := h.patterns.generation.Load()
	isComplete := true
	for {
		if ch != nil {
			var is lending
			switch l, is = ch.lend(p, generation); is {
			case isLent:
				if !isComplete {
					ch.missDerived() // there may be room with the next publication
				}
				return ch, l
			case hasFull:
				ch.endTrail(l.subs)
				continue
			}
		} else if generation == 0 || !h.patterns.hasMatch(p.Channel) {
			return nil, lent{}
		}
		ch, isComplete = h.derive(p, generation)
	}
}

// derive gives the sessions whose patterns match the channel of p their derived
// subscriptions, as far as that has not been done for all patterns up to generation. It
// is not complete if a session had no room for one.
func (h *Hub) derive(p *Publication, generation uint64) (ch *channel, isComplete bool) {
	ch = h.channels.acquire(p.Channel)
	defer h.channels.release(ch)
	isComplete = true
	known, missing := ch.derivedState()
	if matching := h.patterns.matchSince(p.Channel, known); len(matching) > 0 {
		policy := h.policy(p.Channel)
		for _, pattern := range matching {
			for _, sub := range pattern.snapshot() {
				if !sub.session.attach(sub, ch, p, policy) {
					isComplete = false
				}
			}
		}
	}
	ch.noteDerived(generation, missing)
	return ch, isComplete
}

// derivedState returns up to which generation derived subscriptions were found, and how
// often one was missing.
func (ch *channel) derivedState() (generation, missing uint64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.derived == nil {
		ch.derived = new(derived)
	}
	return ch.derived.generation, ch.derived.missing
}

// noteDerived notes that derived subscriptions were found up to generation, unless one
// was let go meanwhile: it may be that of a session that was looked at before.
func (ch *channel) noteDerived(generation, missing uint64) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.derived.missing == missing {
		ch.derived.generation = generation
	}
}

// enterDerived lets deliveries reach a derived subscription, unless it was let go
// meanwhile.
func (h *Hub) enterDerived(sub *subscription) {
	if sub == nil {
		return
	}
	h.channels.hold(sub.channel)
	if !sub.channel.addDerived(sub) {
		h.channels.release(sub.channel)
	}
}

// leaveDerived takes a derived subscription out of its channel.
func (h *Hub) leaveDerived(sub *subscription) {
	if sub != nil && sub.channel.removeDerived(sub) {
		h.channels.release(sub.channel)
	}
}

// missDerived has derived subscriptions looked for with the next publication: one is
// missing.
func (ch *channel) missDerived() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.missDerivedLocked()
}

func (ch *channel) missDerivedLocked() {
	if d := ch.derived; d != nil {
		d.generation = 0
		d.missing++
	}
}

func (ch *channel) addDerived(sub *subscription) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if sub.waits != derivedOutside {
		return false
	}
	if ch.derived == nil {
		ch.derived = new(derived)
	}
	sub.waits = derivedInside
	sub.index = int32(len(ch.derived.subs))
	ch.derived.subs = append(ch.derived.subs, sub)
	return true
}

// removeDerived is channel.remove for a derived subscription. It returns false if that
// was not in the channel: then it will not be.
func (ch *channel) removeDerived(sub *subscription) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	wasInside := sub.waits == derivedInside
	sub.waits = derivedLeft
	ch.missDerivedLocked()
	if !wasInside {
		return false
	}
	d := ch.derived
	last := len(d.subs) - 1
	if d.lent || cap(d.subs) > 64 && last < cap(d.subs)/4 {
		d.subs = slices.Clone(d.subs)
		d.lent = false
	}
	moved := d.subs[last]
	d.subs[sub.index], moved.index = moved, sub.index
	d.subs[last] = nil
	d.subs = d.subs[:last]
	return true
}
