package piesocket

import (
	"slices"
	"strconv"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport/dialect"
)

// How many members a list has at most. Version 3 has one in every event: a channel in
// which everybody watches costs the square of its members, up to here.
const (
	listMaxV3 = 200
	listMaxV4 = hub.MembersMax
)

// In version 3 so many changes are told one by one, each with a list. More of them are told
// by a list alone. changesMax is how many windows of them may wait for their list.
const (
	toldMaxV3  = 10
	changesMax = 16
)

// list asks for the members of a channel.
func (s *Socket) list(c *channel, why act, out *dialect.Effects) {
	limit := listMaxV4
	if s.version == 3 {
		limit = listMaxV3
	}
	s.command(dialect.Command{
		Kind: hub.CommandPresence, Action: access.Presence, As: c.as, Channel: c.full, Presence: hub.PresenceQuery{Limit: limit},
	}, pending{why, c}, out)
}

// listed takes the members of a channel.
func (s *Socket) listed(p pending, o *hub.Outcome, out *dialect.Effects) {
	c := p.channel
	if s.channels[c.full] != c {
		return // it was left meanwhile
	}
	if o.Err != nil {
		c.changes = nil
		if p.what == asks {
			s.sendChannel("system::member_list_error", c, textOf(o.Err), out)
		}
		return
	}
	all := s.members(c, o.Roster)
	if p.what != followUp {
		s.sendList(c, &all, out)
	}
	if p.what == asks {
		return // changes come as before
	}
	if p.what == lists {
		c.listed, c.since = true, o.Roster.Version
	}
	for _, changes := range c.changes {
		s.sendChanges(c, changes, &all, out)
	}
	c.changes = nil
}

// memberList are the members of a channel, as JSON.
type memberList struct {
	array []byte
	count int
	isCut bool // there are more than in the array
}

// members returns the members of a roster, the client itself among them: a roster is as
// it was when the last changes were told, and clients look for themselves. A client
// that has come back is there as the connection that it has lost.
func (s *Socket) members(c *channel, r *hub.Roster) memberList {
	list := memberList{array: []byte{'['}, count: r.Count, isCut: r.Next != ""}
	hasOwn := false
	for i := range r.Members {
		m := &r.Members[i]
		hasOwn = hasOwn || m.ID == s.session || m.Transport == Transport && m.Info == string(c.options.Member.Info)
		if i > 0 {
			list.array = append(list.array, ',')
		}
		list.array = s.appendMember(list.array, m)
	}
	if !hasOwn {
		if len(r.Members) > 0 {
			list.array = append(list.array, ',')
		}
		list.array = append(list.array, c.options.Member.Info...)
		if !list.isCut {
			list.count++
		}
	}
	list.array = append(list.array, ']')
	return list
}

// appendMember appends a member as PieSocket clients see it. One of another protocol has
// its session as its uuid.
func (s *Socket) appendMember(dst []byte, m *hub.Member) []byte {
	if m.Transport == Transport && m.Info != "" {
		return append(dst, m.Info...)
	}
	dst = append(dst, `{"uuid":`...)
	dst = jsontext.AppendString(dst, m.ID)
	dst = append(dst, `,"user":`...)
	switch name := s.app.UserName(m.User); {
	case name != "":
		dst = jsontext.AppendString(dst, name)
	case m.User != "":
		dst = jsontext.AppendString(dst, m.User)
	default:
		dst = append(dst, anonymous...)
	}
	return append(dst, '}')
}

// sendList sends all members.
func (s *Socket) sendList(c *channel, all *memberList, out *dialect.Effects) {
	b := s.beginEvent("member_list", c)
	b = all.appendTo(b)
	if s.version == 4 || all.isCut {
		b = appendCount(b, all.count)
	}
	s.send(append(b, "}}"...), out)
}

// tellChanges tells of members that came and went.
func (s *Socket) tellChanges(changes *hub.Changes, out *dialect.Effects) {
	c := s.channels[changes.Channel]
	if c == nil || !c.presence || !c.listed || changes.Version <= c.since {
		return // or a list comes that has it all
	}
	c.since = changes.Version
	switch {
	case changes.IsPartial, len(c.changes) >= changesMax, s.version == 3 && len(changes.Joined)+len(changes.Left) > toldMaxV3:
		c.listed, c.changes = false, nil
		s.list(c, lists, out)
	case s.version == 4:
		s.sendChanges(c, changes, nil, out)
	default:
		c.changes = append(c.changes, changes)
		if len(c.changes) == 1 {
			s.list(c, followUp, out)
		}
	}
}

// sendChanges sends an event for each change: with the members there are in version 3,
// and how many in version 4. Members that left come first. A client that has come back with
// another connection is the same member, and is not told of; nor is the client itself, unless
// it wants its own messages, too.
func (s *Socket) sendChanges(c *channel, changes *hub.Changes, all *memberList, out *dialect.Effects) {
	for i := range changes.Left {
		if m := &changes.Left[i]; !s.isAmong(changes.Joined, m) {
			s.sendChange("member_left", c, m, changes.Count, all, out)
		}
	}
	for i := range changes.Joined {
		if m := &changes.Joined[i]; !s.isAmong(changes.Left, m) && (m.ID != s.session || s.notifiesSelf) {
			s.sendChange("member_joined", c, m, changes.Count, all, out)
		}
	}
}

// isAmong reports whether a member with the same uuid and user is in a list.
func (s *Socket) isAmong(list []hub.Member, m *hub.Member) bool {
	return m.Transport == Transport && slices.ContainsFunc(list, func(o hub.Member) bool { return o.Transport == Transport && o.Info == m.Info })
}

func (s *Socket) sendChange(event string, c *channel, m *hub.Member, count int, all *memberList, out *dialect.Effects) {
	b := s.beginEvent(event, c)
	b = append(b, `"member":`...)
	b = s.appendMember(b, m)
	switch {
	case s.version == 4:
		b = appendCount(b, count)
	default:
		b = append(b, ',')
		b = all.appendTo(b)
		if all.isCut {
			b = appendCount(b, all.count)
		}
	}
	s.send(append(b, "}}"...), out)
}

// beginEvent begins an event about members, up to where a member of its data follows.
func (s *Socket) beginEvent(event string, c *channel) []byte {
	if s.version == 3 {
		return append([]byte(`{"event":"system:`+event), `","data":{`...)
	}
	b := append([]byte(`{"event":"system::`+event), `","data":{"channel":`...)
	b = jsontext.AppendString(b, c.name)
	return append(b, ',')
}

func (l *memberList) appendTo(dst []byte) []byte {
	return append(append(dst, `"members":`...), l.array...)
}

func appendCount(dst []byte, count int) []byte {
	return strconv.AppendInt(append(dst, `,"count":`...), int64(count), 10)
}
