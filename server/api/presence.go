package api

import (
	"net/http"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/dialect"
)

// listMembers is GET channels/{channel}/presence: what GET /presence/NAME says, and
// to callers that manage the channel also where a policy keeps it to itself.
func (c *call) listMembers() *fault {
	if f := c.authorize(access.Presence, c.part); f != nil {
		return f
	}
	q := hub.PresenceQuery{After: c.query["cursor"], IgnoresPolicy: c.may(access.Manage, c.part)}
	for name, field := range map[string]struct {
		unset, set string
		is         *bool
	}{"by": {"session", "user", &q.ByUser}, "count": {"0", "1", &q.CountOnly}} {
		text, ok := c.query[name]
		if *field.is = text == field.set; ok && text != field.set && text != field.unset {
			return &fault{problem: transport.ProblemParameter, detail: name + " is " + quote(text) + "; it is " + field.unset + " or " + field.set}
		}
	}
	_, hasLimit := c.query["limit"]
	_, hasCursor := c.query["cursor"]
	if q.CountOnly && (hasLimit || hasCursor) {
		return &fault{problem: transport.ProblemParameter, detail: "count=1 has no list; leave out limit and cursor"}
	}
	if hasCursor && q.After == "" {
		return c.faultOf(hub.ErrCursor)
	}
	limit, f := c.limitAsked()
	if f != nil {
		return f
	}
	q.Limit = limit
	r, err := c.o.Hub.Members(c.r.Context(), c.part, q)
	if err != nil {
		return c.faultOf(err)
	}
	dst := jsontext.AppendString([]byte(`{"channel":`), c.part)
	dst = dialect.AppendRoster(dst, &r, &q)
	return c.answer(http.StatusOK, append(dst, "}\n"...))
}
