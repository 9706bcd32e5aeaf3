package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PatternsMax is how many patterns Grants may have in all.
const PatternsMax = 1000

// Grants are the channels and methods on which an identity may perform each action, as patterns. The zero
// value grants nothing. Grants are not modified once made, so that
// they can be shared.
type Grants struct {
	patterns [Manage + 1][]Pattern
}

// ParseGrants makes grants of patterns by the names of actions, as they stand in
// tokens and configurations. The error says which entry is wrong, and how.
func ParseGrants(patterns map[string][]string) (Grants, error) {
	var g Grants
	count := 0
	for _, name := range slices.Sorted(maps.Keys(patterns)) {
		action, err := ParseAction(name)
		if err != nil {
			return Grants{}, err
		}
		if count += len(patterns[name]); count > PatternsMax {
			return Grants{}, fmt.Errorf("access: more than %d patterns; use wildcards, or fewer", PatternsMax)
		}
		for _, text := range patterns[name] {
			p, err := ParsePattern(text)
			if err != nil {
				return Grants{}, fmt.Errorf("%w (in %s)", err, name)
			}
			g.patterns[action] = append(g.patterns[action], p)
		}
	}
	return g, nil
}

// All returns the grants of an identity that may do everything.
func All() Grants {
	var g Grants
	everything := Pattern{rest: true}
	for _, a := range Actions() {
		g.patterns[a] = []Pattern{everything}
	}
	return g
}

// IsZero reports whether g grants nothing.
func (g *Grants) IsZero() bool {
	for _, patterns := range g.patterns {
		if len(patterns) > 0 {
			return false
		}
	}
	return true
}

// Patterns returns the patterns granted for an action. The slice is not to be modified.
func (g *Grants) Patterns(a Action) []Pattern {
	if int(a) >= len(g.patterns) {
		return nil
	}
	return g.patterns[a]
}

// Find returns the grant that lets user do a in channel, or with a method of that name.
// Manage includes the other actions of channels; granted says under which action the
// pattern stands. For Answer channel is a pattern of methods, all of which have to be
// granted by one. Wildcards stand for what they do in a Pattern, and under Manage for
// the channels of users, too; those of a Key reach further, see IsClosed.
func (g *Grants) Find(a Action, channel, user string) (p Pattern, granted Action, ok bool) {
	return g.findOne(a, channel, user, 0)
}

// by is what wildcards stand for that are granted under an action.
func (r reach) by(granted Action) reach {
	if granted == Manage {
		r |= reachesUsers
	}
	return r
}

func (g *Grants) findOne(a Action, channel, user string, r reach) (p Pattern, granted Action, ok bool) {
	for _, granted := range [...]Action{a, Manage} {
		if granted == Manage && a.IsOfMethods() {
			break
		}
		for _, p := range g.Patterns(granted) {
			if a == Answer && p.coversMethods(channel, user) || a != Answer && p.matches(channel, user, r.by(granted)) {
				return p, granted, true
			}
		}
	}
	return Pattern{}, 0, false
}

// MarshalJSON is the object that ParseGrants takes.
func (g Grants) MarshalJSON() ([]byte, error) {
	object := make(map[string][]string)
	for _, a := range Actions() {
		for _, p := range g.patterns[a] {
			object[a.String()] = append(object[a.String()], p.String())
		}
	}
	return json.Marshal(object)
}

// UnmarshalJSON is ParseGrants of an object.
func (g *Grants) UnmarshalJSON(b []byte) error {
	var object map[string][]string
	if err := json.Unmarshal(b, &object); err != nil {
		return errors.New(`access: grants are an object of lists, for example {"subscribe":["chat/*"]}`)
	}
	parsed, err := ParseGrants(object)
	if err == nil {
		*g = parsed
	}
	return err
}

// String lists the grants, for people.
func (g Grants) String() string {
	var parts []string
	for _, a := range Actions() {
		if patterns := g.patterns[a]; len(patterns) > 0 {
			parts = append(parts, a.String()+" on "+list(patterns))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// listMax is how many patterns a text lists.
const listMax = 8

func list(patterns []Pattern) string {
	var b strings.Builder
	for i, p := range patterns {
		if i == listMax {
			fmt.Fprintf(&b, " and %d more", len(patterns)-listMax)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}
