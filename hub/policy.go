package hub

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Policy is how a channel behaves, where that is not as Options say. The zero value
// of every field means what they say. A Policy is not modified once it is in use.
type Policy struct {
	// Retention is how much history the channel keeps: Count, Age, or both.
	// NoHistory keeps none.
	Retention Retention
	NoHistory bool

	// KeyAge is how long an idempotency key is remembered. Zero is what the Broker does
	// by itself.
	KeyAge time.Duration

	// PublicationBytesMax is the longest payload accepted. It cannot be more than
	// that of Options.
	PublicationBytesMax int

	// LastValue begins a subscription that asks for nothing older with the newest
	// publication, if there is one.
	LastValue bool

	// NoPresence hides the subscribers.
	NoPresence bool

	// JoinWindow is for how long joins and leaves are collected before the watchers
	// are told, see SubscribeOptions.Presence. With NoJoins no watcher is told; the members
	// can still be asked for.
	JoinWindow time.Duration
	NoJoins    bool
	// Slow is what becomes of publications for clients that are slower than they come.
	Slow SlowPolicy

	// Rate, when positive, is how many publications a second a subscription is given at
	// most, evenly. Of those that have to wait the newest of each key is kept, under every
	// Slow policy; a Gap of the reason GapRate stands for what it replaces, and for the
	// oldest where more wait than a queue holds. Keys take turns. A replay is not slowed
	// down.
	Rate int

	// KeyPointer is a JSON pointer (RFC 6901) into payloads of the Kind JSON to the key of
	// a publication that has none among its Attributes: a string, a number, true or false.
	// Of members of the same name the first counts. It matters where a newer publication
	// replaces a waiting one. See CheckKeyPointer.
	KeyPointer string
}

// ErrNoPresence is the answer to a question about the members of a channel whose Policy
// keeps it to itself.
var ErrNoPresence = errors.New("hub: presence is off for this channel")

// ErrNoJoins is the outcome of a subscription with Presence to a channel whose Policy
// hides joins and leaves. It wraps ErrNoPresence.
var ErrNoJoins = fmt.Errorf("%w: nobody is told who comes and goes", ErrNoPresence)

// SetPolicies has policies decide how channels behave from now on. It is asked with
// every publication and subscription: it must be quick, safe for concurrent use,
// and return nil for a channel that is as Options say. Nil forgets all policies.
// Histories that are longer than a new policy allows become shorter with their next
// publication. Existing subscriptions are looked at one by one: if their Slow, Rate or
// KeyPointer changes, the waiting publications are read from history.
func (h *Hub) SetPolicies(policies func(channel string) *Policy) {
	if policies == nil {
		h.policies.Store(nil)
	} else {
		h.policies.Store(&policies)
	}
	h.renew()
}

// noPolicy is that of a channel that is as Options say.
var noPolicy Policy

// policy returns that of a channel.
func (h *Hub) policy(channel string) *Policy {
	if policies := h.policies.Load(); policies != nil {
		if p := (*policies)(channel); p != nil {
			return p
		}
	}
	return &noPolicy
}

// retention is how much history a channel with the policy p keeps.
func (h *Hub) retention(p *Policy) Retention {
	r := h.options.Retention
	switch {
	case p.NoHistory:
		r = Retention{}
	case p.Retention.Count != 0 || p.Retention.Age != 0:
		// What neither says is the default: the Options may keep no history at all.
		r.Count = cmp.Or(p.Retention.Count, r.Count, DefaultRetentionCount)
		r.Age = cmp.Or(p.Retention.Age, r.Age, DefaultRetentionAge)
	}
	if p.KeyAge != 0 {
		r.KeyAge = p.KeyAge
	}
	return r
}

// retains reports whether a channel with the policy p keeps any history.
func (h *Hub) retains(p *Policy) bool {
	r := h.retention(p)
	return r.Count > 0 && r.Age > 0
}

// publicationBytesMax is the longest payload in a channel with the policy p.
func (h *Hub) publicationBytesMax(p *Policy) int {
	if p.PublicationBytesMax > 0 {
		return min(p.PublicationBytesMax, h.options.PublicationBytesMax)
	}
	return h.options.PublicationBytesMax
}
