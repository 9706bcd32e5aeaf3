package guard

import (
	"slices"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/ratelimit"
)

// Policy is how the channels behave that a pattern matches.
type Policy struct {
	Match access.Pattern
	Hub   hub.Policy
	Rules access.Rules // what needs no grant

	// SessionRate and ChannelRate are how often may be published in one channel, by
	// one session and by all. The zero Limit is no limit of the channel's own.
	SessionRate, ChannelRate ratelimit.Limit
}

// Policies are those of a configuration; the first that matches a channel is its own.
// They are not modified once made. The nil Policies have none.
type Policies struct {
	list []Policy

	// Most patterns begin with a name, and are looked for by that. Both have indices
	// into list, in order.
	bySegment map[string][]int
	rest      []int
}

// NewPolicies returns policies, which it keeps. Patterns have no {user}.
func NewPolicies(list []Policy) *Policies {
	p := &Policies{list: list, bySegment: make(map[string][]int)}
	for i := range list {
		first, _, _ := strings.Cut(list[i].Match.String(), "/")
		if strings.HasPrefix(first, "*") {
			p.rest = append(p.rest, i)
		} else {
			p.bySegment[first] = append(p.bySegment[first], i)
		}
	}
	return p
}

// Find returns the policy of a channel, nil if no pattern matches it. It does not
// allocate.
func (p *Policies) Find(channel string) *Policy {
	if p == nil || len(p.list) == 0 {
		return nil
	}
	first, _, _ := strings.Cut(channel, "/")
	named, rest := p.bySegment[first], p.rest
	for len(named) > 0 || len(rest) > 0 {
		var i int
		if len(rest) == 0 || len(named) > 0 && named[0] < rest[0] {
			i, named = named[0], named[1:]
		} else {
			i, rest = rest[0], rest[1:]
		}
		if policy := &p.list[i]; policy.Match.Matches(channel, "") {
			return policy
		}
	}
	return nil
}

// OfHub is Find for hub.SetPolicies.
func (p *Policies) OfHub(channel string) *hub.Policy {
	if policy := p.Find(channel); policy != nil {
		return &policy.Hub
	}
	return nil
}

// FindAll is rules for all channels that a pattern matches: they allow what the policy
// of every one of them allows. It returns nil if that is nothing, as it is where some may
// have no policy.
func (p *Policies) FindAll(pattern access.Pattern) *access.Rules {
	if p == nil {
		return nil
	}
	allowed := access.Actions()
	for i := range p.list {
		policy := &p.list[i]
		if !policy.Match.Intersects(pattern, "") {
			continue
		}
		allowed = slices.DeleteFunc(allowed, func(a access.Action) bool { return !slices.Contains(policy.Rules.Allowed, a) })
		if len(allowed) == 0 {
			return nil
		}
		if policy.Match.Covers(pattern, "") { // no later one counts for any of them
			return &access.Rules{Source: policy.Rules.Source, Allowed: allowed}
		}
	}
	return nil
}

// rules are those of a channel, or of all that a pattern matches.
func (p *Policies) rules(channel string) *access.Rules {
	if !access.IsPattern(channel) {
		return p.Find(channel).rules()
	}
	pattern, err := access.ParsePattern(channel)
	if err != nil {
		return nil
	}
	return p.FindAll(pattern)
}

// rules of a channel, nil for none.
func (p *Policy) rules() *access.Rules {
	if p == nil {
		return nil
	}
	return &p.Rules
}
