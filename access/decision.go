package access

import (
	"encoding/json"
	"fmt"
	"time"
)

// Kind is the origin of an Identity.
type Kind uint8

// The kinds of identities.
const (
	Open        Kind = iota // nothing is protected: every client may do everything, closed channels excepted
	Anonymous               // a client that has shown nothing
	Token                   // the holder of a token
	Key                     // a back end with a key
	Application             // a client that the application vouched for, when it was asked
)

// String is the name of the kind.
func (k Kind) String() string {
	return [...]string{"open", "anonymous", "token", "key", "application"}[k]
}

// Identity is the maker of a request. It is not modified once made, so that many
// sessions can share it.
type Identity struct {
	Kind   Kind
	User   string          // "" for a client without a name
	Name   string          // of a key, or the issuer of a token
	Info   json.RawMessage // what other users may know: one JSON value, or nil
	Grants Grants

	Expires  time.Time // when it ends; zero for never
	IssuedAt time.Time // zero if it is not known
	ID       string    // of the token, by which it can be revoked; "" for none
}

// Everybody is the identity of all clients where nothing is protected. They may do
// everything, except in channels that are closed (IsClosed).
var Everybody = &Identity{Kind: Open, Grants: All()}

// String describes the identity in a sentence.
func (id *Identity) String() string {
	switch {
	case id == nil || id.Kind == Open:
		return "everybody"
	case id.Kind == Key:
		return "the key " + quoted(id.Name)
	case id.Kind == Anonymous:
		return "an anonymous client"
	case id.User == "":
		return "the " + id.Kind.String()
	case id.Kind == Application:
		return "user " + quoted(id.User)
	}
	return "the token of user " + quoted(id.User)
}

// Rules are the actions that every identity may perform in a channel: part of the
// channel's policy.
type Rules struct {
	Source  string // where they stand, for a Decision
	Allowed []Action
}

func (r *Rules) allows(a Action) bool {
	if r == nil || a.IsOfMethods() { // which are not in any channel
		return false
	}
	for _, allowed := range r.Allowed {
		if allowed == a {
			return true
		}
	}
	return false
}

// Decision is the answer to whether an identity may perform an action in a channel, and
// why.
type Decision struct {
	Allowed bool
	Action  Action
	Channel string // or method
	Reason  string // which rule it was, in a sentence; it names rules, so it is not for clients
}

// Decide answers whether id, which may be nil for Everybody, may do a in channel, a
// valid name, or with a method, for the actions of those, or in all channels that channel, a pattern, matches: then one grant has to
// cover it, or rules are those of all of them. What id is granted decides, then whether it is the user's own channel
// that is read, then the rules of the channel, which may be nil; what neither allows is denied. Expiry is not looked at.
func Decide(id *Identity, rules *Rules, a Action, channel string) Decision {
	d := Decision{Action: a, Channel: channel}
	if id == nil {
		id = Everybody
	}
	if id.Kind == Open && !isClosedTo(a, channel) {
		d.Allowed, d.Reason = true, "nothing is protected on this server: neither tokens, keys nor anonymous are configured"
		return d
	}
	if p, granted, ok := id.find(a, channel); ok {
		d.Allowed = true
		d.Reason = fmt.Sprintf("%s has the grant %s on %s", id, granted, p)
		if granted != a {
			d.Reason += ", which includes " + a.String()
		}
		return d
	}
	if isOwn(a, channel, id.User) {
		d.Allowed = true
		d.Reason = "it is the channel of user " + quoted(id.User) + ", who may always read it"
		return d
	}
	if rules.allows(a) {
		d.Allowed = true
		d.Reason = fmt.Sprintf("everybody may %s there: %s", a.verb(), rules.Source)
		return d
	}
	d.Reason = denial(id, a, !a.IsOfMethods() && IsPattern(channel))
	if isClosedTo(a, channel) {
		d.Reason += "; " + closedNote
	}
	return d
}

// May is Decide for callers that need no reason. It does not allocate.
func May(id *Identity, rules *Rules, a Action, channel string) bool {
	if rules.allows(a) {
		return true
	}
	if id == nil || id.Kind == Open {
		return !isClosedTo(a, channel)
	}
	if isOwn(a, channel, id.User) {
		return true
	}
	_, _, ok := id.find(a, channel)
	return ok
}

// MayEverywhere reports whether id may do a in every channel there is or will be, those
// of users left out unless a is Manage. Closed channels are left out unless id is a Key:
// a caller that lists channels has to ask about each of them with May.
func MayEverywhere(id *Identity, a Action) bool {
	if id == nil || id.Kind == Open {
		return true
	}
	for _, p := range id.Grants.Patterns(a) {
		if p.String() == "**" {
			return true
		}
	}
	return false
}

func denial(id *Identity, a Action, isPattern bool) string {
	granted := id.Grants.Patterns(a)
	if id.Kind == Open {
		return "nothing is protected on this server, but no rule names this channel"
	}
	if len(granted) == 0 {
		return fmt.Sprintf("%s has no grant to %s", id, a.verb())
	}
	none := "none of which matches"
	if isPattern {
		none = "none of which covers all that the pattern matches"
	}
	return fmt.Sprintf("%s may %s on %s, %s", id, a.verb(), list(granted), none)
}

// verb names the action in a sentence.
func (a Action) verb() string {
	switch a {
	case Presence:
		return "see presence"
	case History:
		return "read history"
	case Call:
		return "call methods"
	case Answer:
		return "answer methods"
	}
	return a.String()
}

// String describes the decision and its reason.
func (d Decision) String() string {
	if d.Allowed {
		return "allowed: " + d.Reason
	}
	return "denied: " + d.Reason
}

// Missing names the grant without which d was denied, for the client.
func (d Decision) Missing() string { return Missing(d.Action, d.Channel) }

// Missing names the grant that a client needs.
func Missing(a Action, channel string) string {
	if !a.IsOfMethods() && IsPattern(channel) {
		need := fmt.Sprintf("this needs the grant %s on all that the pattern %s matches: on it, or on a wider one", a, quoted(channel))
		if IsClosed(channel) {
			need += "; " + closedNote
		}
		return need
	}
	if isClosedTo(a, channel) {
		return fmt.Sprintf("this needs a grant %s, or a rule, that names channel %s: %s", a, quoted(channel), closedNote)
	}
	what := "channel"
	if a.IsOfMethods() {
		what = "method"
	}
	return fmt.Sprintf("this needs the grant %s on %s %s", a, what, quoted(channel))
}
