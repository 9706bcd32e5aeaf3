package hub

import (
	"cmp"
	"errors"
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

	// NoPresence keeps to itself who is subscribed.
	NoPresence bool
}

// ErrNoPresence is the answer to who is subscribed to a channel whose Policy keeps
// it to itself.
var ErrNoPresence = errors.New("hub: presence is off for this channel")

// SetPolicies has policies decide how channels behave from now on. It is asked with
// every publication and subscription: it must be quick, safe for concurrent use,
// and return nil for a channel that is as Options say. Nil forgets all policies.
// Histories that are longer than a new policy allows become shorter with their next
// publication.
func (h *Hub) SetPolicies(policies func(channel string) *Policy) {
	if policies == nil {
		h.policies.Store(nil)
		return
	}
	h.policies.Store(&policies)
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

// keepsHistory reports whether a channel keeps any history.
func (h *Hub) keepsHistory(channel string) bool {
	r := h.retention(h.policy(channel))
	return r.Count > 0 && r.Age > 0
}

// publicationBytesMax is the longest payload in a channel with the policy p.
func (h *Hub) publicationBytesMax(p *Policy) int {
	if p.PublicationBytesMax > 0 {
		return min(p.PublicationBytesMax, h.options.PublicationBytesMax)
	}
	return h.options.PublicationBytesMax
}
