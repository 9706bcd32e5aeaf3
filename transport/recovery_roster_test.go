package transport

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// roster is the subscribers of a channel, as a client keeps them (docs/protocol.md §5.3).
type roster struct {
	members map[string]bool
	base    uint64 // the version of the first page, 0 until that has come
	seen    uint64 // the newest version
	asked   bool   // a page is on its way
	again   bool   // and the first one is to be read anew, after it
}

type heardMember struct{ ID string }

type heardChanges struct {
	Channel           string
	Count             int
	Version, Previous uint64
	Members           []heardMember
}

// readRoster asks for the members from the beginning.
func (c *modelClient) readRoster(a *account) {
	if a.roster != nil && a.roster.asked {
		a.roster.again = true
		return
	}
	a.roster = &roster{members: make(map[string]bool)}
	c.readPage(a, "")
}

func (c *modelClient) readPage(a *account, cursor string) {
	id := c.next()
	a.roster.asked = true
	c.asked[id] = &askedModel{verb: "presence", channel: a.channel, account: a}
	more := ""
	if cursor != "" {
		more = fmt.Sprintf(`,"cursor":%q`, cursor)
	}
	c.say(fmt.Sprintf(`{"id":%d,"presence":{"channel":%q,"limit":2%s}}`, id, a.channel, more))
}

// members takes a page.
func (c *modelClient) members(asked *askedModel, ok *heardReply) {
	a := asked.account
	if c.accounts[a.channel] != a || a.roster == nil {
		return // it was unsubscribed meanwhile
	}
	a.roster.asked = false
	if a.roster.again {
		c.readRoster(a)
		return
	}
	if a.roster.base == 0 {
		a.roster.base, a.roster.seen = ok.Version, ok.Version
	}
	if ok.Version < a.roster.base || ok.Version == 0 {
		c.failf("a page of the members of %s has version %d, after one of %d", a.channel, ok.Version, a.roster.base)
	}
	for _, m := range ok.Members {
		a.roster.members[m.ID] = true
	}
	if ok.Cursor != "" {
		c.readPage(a, ok.Cursor)
	}
}

// changed takes joins, leaves, or that there were too many.
func (c *modelClient) changed(p *heardChanges, what string) {
	a := c.accountOf(p.Channel)
	if a == nil {
		return
	}
	c.r.heard.changes++
	if !a.presence {
		c.failf("a %s of %s, which is not watched", what, a.channel)
		return
	}
	if a.roster == nil || a.roster.base == 0 || p.Version <= a.roster.base {
		return // a page that comes is newer
	}
	if p.Previous > a.roster.seen || what == "presence" {
		c.readRoster(a)
		return
	}
	a.roster.seen = p.Version
	for _, m := range p.Members {
		if what == "join" {
			a.roster.members[m.ID] = true
		} else {
			delete(a.roster.members, m.ID)
		}
	}
}

// watches reports whether anybody keeps a roster.
func (r *recoveryRun) watches() bool {
	for _, c := range r.clients {
		for _, a := range c.accounts {
			if a.presence {
				return true
			}
		}
	}
	return false
}

// joinsPass is long enough for everybody to be told of joins and leaves.
const joinsPass = hub.DefaultJoinWindow + 200*time.Millisecond

// checkRoster checks it against the members there are.
func (c *modelClient) checkRoster(a *account) {
	all, err := c.r.hub.ListMembers(a.channel, hub.PresenceQuery{Limit: 1000})
	if err != nil {
		c.failf("members: %v", err)
		return
	}
	want := make(map[string]bool)
	for _, m := range all.Members {
		want[m.ID] = true
	}
	if a.roster == nil || !maps.Equal(want, a.roster.members) {
		c.failf("the members of %s are %v, and it has %+v", a.channel, slices.Sorted(maps.Keys(want)), a.roster)
	}
}
