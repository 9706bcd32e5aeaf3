package dialect

import (
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// Post is a publication by a request: the answer is 201 and the position it got,
// {"position":"f3Zb:17"}. When its idempotency key has been seen, nothing is
// published, and the answer is the same but for Replayed.
type Post struct {
	listener
	Message hub.Message // to be complete when Begin is called

	// The answer, which needs no allocation of its own.
	answer Answer
	body   [postBodyBytes]byte
}

// postBodyBytes has room for the answer with any position of an epoch as the brokers of ours
// make them; a longer answer is allocated.
const postBodyBytes = 64

// answered is the end of a Post that was answered.
var answered = &Closing{End: EndClient}

// NewPost returns the dialect of publishing m.
func NewPost(m hub.Message) *Post { return &Post{Message: m} }

// Transport implements Dialect.
func (p *Post) Transport() string { return "post" }

// Begin publishes.
func (p *Post) Begin(_ time.Time, out *Effects) {
	out.Commands = append(out.Commands, Command{Kind: hub.CommandPublish, Action: access.Publish, Tag: tagBegin, Channel: p.Message.Channel, Message: p.Message})
}

// Push answers.
func (p *Post) Push(_ time.Time, pushes []hub.Push, out *Effects) {
	if len(pushes) == 0 {
		return
	}
	o := pushes[0].Outcome
	out.Closing = answered
	out.Answer = &p.answer
	if o.Err != nil {
		p.answer = Answer{Err: o.Err}
		return
	}
	p.answer = Answer{Status: 201, ContentType: "application/json", IsWhole: true, Replayed: o.Duplicate}
	body := append(p.body[:0], `{"position":`...)
	body = AppendPosition(body, o.Position)
	out.Frames = append(out.Frames, append(body, "}\n"...))
}

// End implements Dialect. Whether the message was published is not known.
func (p *Post) End(reason error, out *Effects) {
	out.Answer = &Answer{Err: reason}
	out.Closing = &Closing{End: endOf(reason)}
}

// Deadline is never: the hub gives up by itself.
func (p *Post) Deadline() time.Time { return time.Time{} }

// Expire is never called.
func (p *Post) Expire(time.Time, *Effects) {}
