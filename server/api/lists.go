package api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport"
)

// cursor is where the next page of a list begins: behind a name. It is opaque to
// clients, and what it names need not be there any more.
type cursor struct {
	list  byte // of what: 'c' or 's'
	after string
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{c.list}, c.after...))
}

// parseCursor is the inverse of String. ok is false for what String never was.
func parseCursor(text string) (c cursor, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 2 || len(b) > 1+hub.ChannelNameBytesMax || b[0] != 'c' && b[0] != 's' {
		return c, false
	}
	c = cursor{b[0], string(b[1:])}
	return c, c.String() == text // base64 may have ends of lines
}

// pageAsked returns which part of a list is asked for.
func (c *call) pageAsked(list byte) (after string, limit int, f *fault) {
	if limit, f = c.limitAsked(); f != nil {
		return "", 0, f
	}
	if text, ok := c.query["cursor"]; ok {
		at, ok := parseCursor(text)
		if !ok || at.list != list {
			return "", 0, &fault{problem: transport.ProblemParameter, detail: "cursor is " + quote(text) + ", which is none of this list; give back what the page before said, or none for the first page"}
		}
		after = at.after
	}
	return after, limit, nil
}

// limitAsked returns how long the page may be.
func (c *call) limitAsked() (int, *fault) {
	text, ok := c.query["limit"]
	if !ok {
		return limitDefault, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n < 1 || n > limitMax {
		return 0, &fault{problem: transport.ProblemParameter, detail: "limit is " + quote(text) + "; it is a whole number from 1 to " + strconv.Itoa(limitMax)}
	}
	return int(n), nil
}

// appendPage ends a page that has begun with a list. last is the last name on it, if
// there are more.
func appendPage(dst []byte, list byte, last string) []byte {
	dst = append(dst, ']')
	if last != "" {
		dst = textMember(dst, "cursor", cursor{list, last}.String())
	}
	return append(dst, "}\n"...)
}

// listChannels is GET channels: those that the caller manages.
func (c *call) listChannels() *fault {
	after, limit, f := c.pageAsked('c')
	if f != nil {
		return f
	}
	isAsked, f := c.matcher()
	if f != nil {
		return f
	}
	channels, err := c.o.Hub.ListChannels(c.r.Context(), hub.ListQuery{After: after, Limit: limit + 1, OnlySubscribed: c.isForNode, Match: func(name string) bool {
		return c.may(access.Manage, name) && isAsked(name)
	}})
	if err != nil {
		return c.faultOf(err)
	}
	last := ""
	if len(channels) > limit {
		channels = channels[:limit]
		last = channels[limit-1].Name
	}
	dst := []byte(`{"channels":[`)
	for i, ch := range channels {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = textMember(append(dst, '{'), "channel", ch.Name)
		dst = numberMember(dst, "subscribers", ch.Subscribers)
		dst = numberMember(dst, "publications", ch.Publications)
		if !ch.Position.IsZero() {
			dst = textMember(dst, "position", ch.Position.String())
		}
		dst = append(dst, '}')
	}
	return c.answer(http.StatusOK, appendPage(dst, 'c', last))
}

// matcher is the parameter match. As with grants to manage, a wildcard stands for the
// channels of users, too.
func (c *call) matcher() (func(name string) bool, *fault) {
	text, ok := c.query["match"]
	if !ok {
		return func(string) bool { return true }, nil
	}
	g, err := access.ParseGrants(map[string][]string{access.Manage.String(): {text}})
	if err != nil {
		_, err = access.ParsePattern(text) // says the same without the action
		return nil, &fault{problem: transport.ProblemParameter, detail: "match is no pattern of channels: " + err.Error()[len("access: "):]}
	}
	return func(name string) bool {
		_, _, ok := g.Find(access.Manage, name, c.id.User)
		return ok
	}, nil
}

// listSessions is GET sessions: those of which the caller manages a channel, or that
// are on the channel that is asked for, if the caller may see presence there.
func (c *call) listSessions() *fault {
	after, limit, f := c.pageAsked('s')
	if f != nil {
		return f
	}
	user, hasUser := c.query["user"]
	channel, hasChannel := c.query["channel"]
	if hasChannel {
		if f := c.authorize(access.Presence, channel); f != nil {
			return f
		}
		if !c.may(access.Manage, channel) {
			if _, err := c.o.Hub.PresenceCount(channel); err != nil { // a policy may keep it to itself
				return c.faultOf(err)
			}
		}
	}
	all := c.managesAll()
	sessions := c.o.Hub.ListSessions(after, limit+1, func(s *hub.Session) bool {
		switch {
		case hasUser && (user == "" || userOf(s) != user), hasChannel && !s.IsSubscribed(channel):
			return false
		case all, hasChannel:
			return true
		}
		for _, name := range s.Channels() {
			if c.may(access.Manage, name) {
				return true
			}
		}
		return false
	})
	last := ""
	if len(sessions) > limit {
		sessions = sessions[:limit]
		last = sessions[limit-1].ID()
	}
	dst := []byte(`{"sessions":[`)
	for i, s := range sessions {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c.appendSession(dst, s, channel)
	}
	return c.answer(http.StatusOK, appendPage(dst, 's', last))
}

func userOf(s *hub.Session) string {
	if id := s.Identity(); id != nil {
		return id.User
	}
	return ""
}

// appendSession appends what the caller may see of a session: of its channels those
// that the caller manages, and the one that was asked for.
func (c *call) appendSession(dst []byte, s *hub.Session, asked string) []byte {
	dst = textMember(append(dst, '{'), "id", s.ID())
	dst = textMember(dst, "transport", s.Transport())
	if id := s.Identity(); id != nil {
		dst = textMember(dst, "user", id.User)
		if len(id.Info) > 0 {
			dst = jsontext.AppendCompact(member(dst, "info"), id.Info)
		}
		if !id.Expires.IsZero() {
			dst = textMember(dst, "expires", id.Expires.UTC().Format(time.RFC3339))
		}
	}
	if c.o.SessionState != nil {
		if state, ok := c.o.SessionState(s.ID()); ok {
			dst = textMember(dst, "state", stateNames[state.IsAttached])
			if c.manages(s) {
				dst = textMember(dst, "client", state.Client)
			}
		}
	}
	if methods := s.Methods(); len(methods) > 0 && c.managesAll() {
		dst = append(member(dst, "methods"), '[')
		for i, name := range methods {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsontext.AppendString(dst, name)
		}
		dst = append(dst, ']')
	}
	dst = append(member(dst, "channels"), '[')
	for _, name := range s.Channels() {
		if name != asked && !c.may(access.Manage, name) {
			continue
		}
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = jsontext.AppendString(dst, name)
	}
	return append(dst, "]}"...)
}
