package access

import "strings"

// IsPattern reports whether channel is a pattern of channels, and no name of one: it has
// a "*".
func IsPattern(channel string) bool { return strings.IndexByte(channel, '*') >= 0 }

// Covers reports whether p matches every channel that asked matches, when user asks.
// asked has no {user}: it is the requested pattern, and p the granted one.
func (p Pattern) Covers(asked Pattern, user string) bool { return p.covers(asked, user, 0) }

// Intersects reports whether there can be a channel that both p, when user asks, and
// asked match.
func (p Pattern) Intersects(asked Pattern, user string) bool {
	return p.compare(asked, user, 0, true)
}

func (p Pattern) covers(asked Pattern, user string, r reach) bool {
	return p.compare(asked, user, r, false)
}

// compare goes through two patterns segment by segment, and stops where one of them has
// "**". With anywhere it is enough that a channel matches both; else p has to match all
// that asked does. r is what the wildcards of p stand for; those of asked stand for
// ordinary segments alone, as a pattern of channels that is subscribed to.
func (p Pattern) compare(asked Pattern, user string, r reach, anywhere bool) bool {
	if p.hasUser && user == "" || p.IsZero() || asked.IsZero() || asked.hasUser {
		return false
	}
	have, want := p.segments(), asked.segments()
	for i := 0; ; i++ {
		switch {
		case i == len(have) || i == len(want):
			return i == len(have) && i == len(want)
		case have[i] == "**":
			return (i > 0 || r&reachesUsers != 0 || want[0][0] != '@') && (r&reachesClosed != 0 || !anyCloses(want[i:]))
		case want[i] == "**":
			return anywhere && (i > 0 || have[0][0] != '@') && !anyCloses(have[i:])
		case have[i] == "*":
			if i == 0 && r&reachesUsers == 0 && want[0][0] == '@' || r&reachesClosed == 0 && Closes(want[i]) {
				return false
			}
		case want[i] == "*":
			if !anywhere || i == 0 && have[0][0] == '@' || Closes(have[i]) {
				return false
			}
		case !(Pattern{text: have[i], hasUser: p.hasUser}).isSegment(want[i], user, i == 0):
			return false
		}
	}
}

// segments are those of p, the last of them "**" if it ends so.
func (p Pattern) segments() []string { return strings.Split(p.String(), "/") }

// isSegment reports whether p, which is one literal segment, is that of a channel.
func (p Pattern) isSegment(segment, user string, isFirst bool) bool {
	if !p.hasUser || !strings.Contains(p.text, UserMark) {
		return p.text == segment
	}
	if Closes(segment) && !Closes(p.text) {
		return false
	}
	if isFirst && segment[0] == '@' {
		return p.text[0] == '@' && matchesUser(p.text, segment, escapeUser(user))
	}
	return matchesUser(p.text, segment, user)
}

// FindAll is Find for all channels that a pattern matches: it returns a grant that covers
// it.
func (g *Grants) FindAll(a Action, asked Pattern, user string) (p Pattern, granted Action, ok bool) {
	return g.findAll(a, asked, user, 0)
}

func (g *Grants) findAll(a Action, asked Pattern, user string, r reach) (p Pattern, granted Action, ok bool) {
	for _, granted := range [...]Action{a, Manage} {
		for _, p := range g.Patterns(granted) {
			if p.covers(asked, user, r.by(granted)) {
				return p, granted, true
			}
		}
	}
	return Pattern{}, 0, false
}

// find is Find, or FindAll for a pattern, by the grants of id.
func (id *Identity) find(a Action, channel string) (p Pattern, granted Action, ok bool) {
	g, user := &id.Grants, id.User
	var r reach
	if id.Kind == Key {
		r = reachesClosed
	}
	if a.IsOfMethods() || !IsPattern(channel) { // findOne knows the patterns of methods
		return g.findOne(a, channel, user, r)
	}
	asked, err := ParsePattern(channel)
	if err != nil {
		return Pattern{}, 0, false
	}
	return g.findAll(a, asked, user, r)
}
