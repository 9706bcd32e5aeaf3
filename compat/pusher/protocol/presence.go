package protocol

import (
	"slices"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// roster is the knowledge of a Socket about the members of a presence channel. The
// client keeps the list; the Socket only knows up to where it has told it.
type roster struct {
	self    Member // the client as a member
	version uint64 // of the members that it was told
	isAsked bool   // the members are being read again
	users   []Member
}

// pageOfMembers is how many members are read at a time.
const pageOfMembers = 200

// askMembers reads a page of the members.
func (sub *subscription) askMembers(after string) dialect.Command {
	return dialect.Command{
		Kind: hub.CommandPresence, Tag: sub.tag, Channel: sub.channel,
		Presence: hub.PresenceQuery{After: after, Limit: pageOfMembers, ByUser: true},
	}
}

// takeRoster takes a page of the members: for the success of a subscription, or because
// too much has changed for it to be told one by one.
func (s *Socket) takeRoster(now time.Time, app *App, sub *subscription, o *hub.Outcome, out *dialect.Effects) {
	r := sub.members
	if r == nil {
		return
	}
	switch {
	case o.Err != nil && sub.settling != nil:
		out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandUnsubscribe, Channel: sub.channel})
		s.notSubscribed(app, sub, o.Err, out)
		return
	case o.Err != nil:
		r.isAsked, r.users = false, nil // the next change asks again
		return
	}
	r.add(app.Forms.space, o.Roster)
	if next := o.Roster.Next; next != "" && len(r.users) <= app.MembersMax {
		out.Commands = append(out.Commands, sub.askMembers(next))
		return
	}
	r.addSelf()
	if sub.settling != nil {
		sub.settling.needs--
		s.succeed(now, app, sub, out)
		return
	}
	r.isAsked = false
	s.event(eventSucceeded, sub.name, appendRoster(nil, r.users), out)
	r.users = nil
}

// add adds a page. What the pages have in common is how they were when the first was
// read; later events are told as changes.
func (r *roster) add(space Space, page *hub.Roster) {
	if len(r.users) == 0 || page.Version < r.version {
		r.version = page.Version
	}
	for i := range page.Members {
		m := &page.Members[i]
		id, ok := space.ID(m.User)
		if !ok || slices.ContainsFunc(r.users, func(o Member) bool { return o.ID == id }) {
			continue
		}
		r.users = append(r.users, Member{ID: id, Info: []byte(m.Info)})
	}
}

// addSelf adds the client itself, which the members may not have yet.
func (r *roster) addSelf() {
	if !slices.ContainsFunc(r.users, func(o Member) bool { return o.ID == r.self.ID }) {
		r.users = append(r.users, r.self)
	}
}

// change tells of members that came and went, or how many there are.
func (s *Socket) change(now time.Time, app *App, p *hub.Push, out *dialect.Effects) {
	if s.watching.change(p.Changes) {
		return
	}
	sub := s.subs[p.Channel]
	switch {
	case sub == nil:
	case sub.settling != nil:
		s.hold(p)
	case sub.counts != nil:
		s.tellCount(now, sub, p.Changes.Count, out)
	case sub.members != nil:
		s.changeMembers(app, sub, p.Changes, out)
	}
}

func (s *Socket) changeMembers(app *App, sub *subscription, c *hub.Changes, out *dialect.Effects) {
	r := sub.members
	if c.Version <= r.version || r.isAsked {
		return // the client was told, or is going to be told everything
	}
	if c.IsPartial || c.Previous > r.version {
		// A second success replaces the list that the client has.
		r.isAsked = true
		out.Commands = append(out.Commands, sub.askMembers(""))
		return
	}
	r.version = c.Version
	m := app.Forms.changes(c, sub.name)
	for i, f := range m.frames {
		if m.changes[i].id != r.self.ID { // it is among them as long as it is there
			s.sendFrame(f, out)
		}
	}
}
