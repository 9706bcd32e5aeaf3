package dialect

import (
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Presence is who is subscribed to a channel, the longest first, as one answer:
//
//	{"channel":"chat","count":1,"connections":[{"id":"…","transport":"websocket","since":"…"}]}
//
// A member of whom it is known who it is has "user", and "info" if there is any.
type Presence struct {
	listener
	channel string
}

// NewPresence returns the dialect of one answer.
func NewPresence(channel string) *Presence { return &Presence{channel: channel} }

// Transport implements Dialect.
func (p *Presence) Transport() string { return "presence" }

// Begin asks.
func (p *Presence) Begin(_ time.Time, out *Effects) {
	out.Commands = append(out.Commands, Command{Kind: hub.CommandPresence, Action: access.Presence, Tag: tagBegin, Channel: p.channel})
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
	out.Frames = append(out.Frames, p.encode(o.Members))
}

func (p *Presence) encode(members []hub.Member) []byte {
	body := make([]byte, 0, 96*(len(members)+1)+len(p.channel))
	body = append(body, `{"channel":`...)
	body = jsontext.AppendString(body, p.channel)
	body = append(body, `,"count":`...)
	body = strconv.AppendInt(body, int64(len(members)), 10)
	body = append(body, `,"connections":[`...)
	for i := range members {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendMember(body, &members[i])
	}
	return append(body, "]}\n"...)
}

func appendMember(dst []byte, m *hub.Member) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsontext.AppendString(dst, m.ID)
	dst = append(dst, `,"transport":`...)
	dst = jsontext.AppendString(dst, m.Transport)
	dst = append(dst, `,"since":"`...)
	dst = m.Since.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, '"')
	if m.User != "" {
		dst = append(dst, `,"user":`...)
		dst = jsontext.AppendString(dst, m.User)
	}
	if m.Info != "" {
		dst = append(dst, `,"info":`...)
		dst = jsontext.AppendCompact(dst, []byte(m.Info))
	}
	return append(dst, '}')
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
