package dialect

import (
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Presence is a page of the subscribers of a channel, the longest first, as one
// answer:
//
//	{"channel":"chat","count":1,"connections":[{"id":"…","transport":"websocket","since":"…"}]}
//	{"channel":"chat","count":3,"users":1,"members":[{"since":"…","user":"ann","sessions":2}]}
//
// A member whose user is known has "user", and "info" if there is any. In a channel that
// somebody watches there is the "version" of the roster, and on a page that is not the
// last one the "cursor" of the next. A count alone has no list.
type Presence struct {
	listener
	channel string
	query   hub.PresenceQuery
}

// NewPresence returns the dialect of one answer.
func NewPresence(channel string, q hub.PresenceQuery) *Presence {
	return &Presence{channel: channel, query: q}
}

// Transport implements Dialect.
func (p *Presence) Transport() string { return "presence" }

// Begin asks.
func (p *Presence) Begin(_ time.Time, out *Effects) {
	out.Commands = append(out.Commands, Command{Kind: hub.CommandPresence, Action: access.Presence, Tag: tagBegin, Channel: p.channel, Presence: p.query})
}

// Push answers.
func (p *Presence) Push(_ time.Time, pushes []hub.Push, out *Effects) {
	if len(pushes) == 0 {
		return
	}
	o := pushes[0].Outcome
	out.Closing = &Closing{End: EndClient}
	if o.Err != nil {
		out.Answer = &Answer{Err: o.Err}
		return
	}
	out.Answer = &Answer{Status: 200, ContentType: "application/json", IsWhole: true}
	out.Frames = append(out.Frames, p.encode(o.Roster))
}

func (p *Presence) encode(r *hub.Roster) []byte {
	body := make([]byte, 0, 128*(len(r.Members)+1)+len(p.channel))
	body = append(body, `{"channel":`...)
	body = jsontext.AppendString(body, p.channel)
	body = AppendRoster(body, r, &p.query)
	return append(body, "}\n"...)
}

// AppendRoster appends the members of a JSON object that a Roster is, each with a comma
// before it: the answer to q.
func AppendRoster(dst []byte, r *hub.Roster, q *hub.PresenceQuery) []byte {
	dst = append(dst, `,"count":`...)
	dst = strconv.AppendInt(dst, int64(r.Count), 10)
	if q.ByUser {
		dst = append(dst, `,"users":`...)
		dst = strconv.AppendInt(dst, int64(r.Users), 10)
	}
	if r.Version != 0 {
		dst = append(dst, `,"version":`...)
		dst = strconv.AppendUint(dst, r.Version, 10)
	}
	if q.CountOnly {
		return dst
	}
	if q.ByUser {
		dst = append(dst, `,"members":`...)
	} else {
		dst = append(dst, `,"connections":`...)
	}
	dst = appendMembers(dst, r.Members)
	if r.Next != "" {
		dst = append(dst, `,"cursor":`...)
		dst = jsontext.AppendString(dst, r.Next)
	}
	return dst
}

// appendMembers appends an array of JSON.
func appendMembers(dst []byte, members []hub.Member) []byte {
	w := writer{b: dst}
	w.members(members)
	return w.b
}

// members writes an array.
func (w *writer) members(members []hub.Member) {
	w.array(len(members))
	for i := range members {
		w.item()
		w.member(&members[i])
	}
	w.endList()
}

// member writes a session, or a user.
func (w *writer) member(m *hub.Member) {
	outer := w.begin()
	if m.ID != "" {
		w.text(clientproto.KeyID, m.ID)
		w.text(clientproto.KeyTransport, m.Transport)
	}
	w.time(clientproto.KeySince, m.Since)
	w.textIfAny(clientproto.KeyUser, m.User)
	if m.Info != "" {
		w.json(clientproto.KeyInfo, []byte(m.Info))
	}
	w.intIfAny(clientproto.KeySessions, m.Sessions)
	w.end(outer)
}

// End implements Dialect.
func (p *Presence) End(reason error, out *Effects) {
	out.Answer = &Answer{Err: reason}
	out.Closing = &Closing{End: endOf(reason)}
}

// Deadline is never.
func (p *Presence) Deadline() time.Time { return time.Time{} }

// Expire is never called.
func (p *Presence) Expire(time.Time, *Effects) {}
