package piesocket

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/transport/dialect"
)

// channel is one of a Socket.
type channel struct {
	name     string // as clients call it
	full     string // in the hub
	member   member
	as       *access.Identity // the client's identity there
	presence bool
	options  hub.SubscribeOptions

	begun  bool   // it is subscribed to
	listed bool   // the client was given the members
	since  uint64 // the version of that list, and of the changes after it

	changes []*hub.Changes // of version 3, that wait for a list of members

	// direct is nil, except in an entry for messages to the user of a channel alone: there
	// it is that channel.
	direct *channel
}

// asked is a channel that a client asks for.
type asked struct {
	name, uuid string
	user       string          // of a URL
	userJSON   json.RawMessage // of a message; instead of user
	token      string
	presence   bool
}

// directSegment stands between the name of a channel and that of a user. It closes what
// is sent to the user to other protocols, and no channel of PieSocket has it.
const directSegment = "/private-piesocket-to/"

// newChannel is what becomes of a channel that a client asks for, or why nothing does.
func (s *Socket) newChannel(ask *asked, now time.Time) (*channel, *refusal) {
	bad := func(format string, args ...any) (*channel, *refusal) {
		return nil, &refusal{code: closeBadRequest, text: fmt.Sprintf(format, args...)}
	}
	c := &channel{name: ask.name, full: s.app.Channel(ask.name)}
	switch {
	case ask.name == "":
		return bad("the name of the channel is missing: write /v%d/CHANNEL", s.version)
	case strings.ContainsAny(ask.name, "/{}"):
		return bad("the name of the channel has %q, %q or %q", "/", "{", "}")
	case c.full[0] == '@':
		return bad("channels that begin with %q belong to users", "@")
	}
	if err := hub.CheckChannel(c.full); err != nil {
		return bad("%s", textOf(err))
	}
	c.member = member{uuid: ask.uuid, user: ask.userJSON}
	if c.member.uuid == "" {
		c.member.uuid = s.uuid
	}
	if ask.user != "" {
		c.member.user = jsontext.AppendString(nil, ask.user)
	}
	needsToken := s.app.RequireJWT || access.Closes(c.name) && !(s.app.OpenPresence && strings.HasPrefix(c.name, access.PresencePrefix))
	if ask.token != "" || needsToken {
		token, err := ParseToken(ask.token, s.app.Secret, now)
		if err == nil && token.Channel != c.name {
			err = errors.New("piesocket: the token is for another channel")
		}
		if err != nil {
			return nil, &refusal{code: closeAuth, text: authFailed, reason: strings.TrimPrefix(err.Error(), "piesocket: ")}
		}
		if token.User != nil {
			c.member.user, c.member.isProven = token.User, true
		}
	}
	if problem := c.member.check(); problem != "" {
		return bad("%s", problem)
	}
	channels := []string{c.full}
	direct := s.directName(c, c.member.name())
	if direct != "" {
		channels = append(channels, direct)
	}
	var err error
	if c.as, err = grantsOf(s.app, &c.member, channels...); err != nil {
		return bad("%s", strings.TrimPrefix(err.Error(), "access: "))
	}
	c.presence = ask.presence || strings.HasPrefix(c.name, access.PresencePrefix)
	c.options = hub.SubscribeOptions{ExcludeSelf: !s.notifiesSelf, Presence: c.presence, Member: c.member.identity(s.app)}
	return c, nil
}

// directName is the channel of the hub for messages to a user of c alone, "" if there is
// none: in version 3, and for a user with no name, or too long a name.
func (s *Socket) directName(c *channel, user string) string {
	if s.version == 3 || user == "" {
		return ""
	}
	name := c.full + directSegment + escapeSegment(user)
	if hub.CheckChannel(name) != nil {
		return ""
	}
	return name
}

// escapeSegment makes of a name a segment of a channel, and of no two names the same.
func escapeSegment(name string) string {
	escaped := strings.ReplaceAll(url.QueryEscape(name), "*", "%2A")
	return strings.ReplaceAll(escaped, ".", "%2E") // "." and ".." are no segments
}

// subscribe subscribes to c.
func (s *Socket) subscribe(c *channel, out *dialect.Effects) {
	s.channels[c.full] = c
	subscribe := dialect.Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, As: c.as, Channel: c.full, Subscribe: c.options}
	if c.options.Presence {
		subscribe.Also = access.Presence
	}
	s.command(subscribe, pending{subscribes, c}, out)
	direct := s.directName(c, c.member.name())
	if direct == "" || s.channels[direct] != nil {
		return
	}
	s.channels[direct] = &channel{name: c.name, full: direct, direct: c}
	s.command(dialect.Command{
		Kind: hub.CommandSubscribe, Action: access.Subscribe, As: c.as, Channel: direct,
		Subscribe: hub.SubscribeOptions{ExcludeSelf: !s.notifiesSelf, Member: c.options.Member},
	}, pending{subscribesDirect, c}, out)
}

// subscribed takes the outcome of subscribe.
func (s *Socket) subscribed(now time.Time, c *channel, o *hub.Outcome, out *dialect.Effects) {
	switch {
	case errors.Is(o.Err, hub.ErrNoPresence) && c.options.Presence:
		// The members of the channel are shown to nobody. It can be read all the same.
		c.presence, c.options.Presence = false, false
		s.command(dialect.Command{
			Kind: hub.CommandSubscribe, Action: access.Subscribe, As: c.as, Channel: c.full, Subscribe: c.options,
		}, pending{subscribes, c}, out)
	case o.Err != nil && c == s.primary:
		s.fail(now, o.Err, out)
	case o.Err != nil:
		if s.channels[c.full] == c {
			s.forget(c, out)
		}
		s.sendChannel("system::subscribe_error", c, textOf(o.Err), out)
	default:
		c.begun = true
		if c != s.primary {
			s.sendChannel("system::subscribe_success", c, "", out)
		} else if s.version == 4 {
			s.send([]byte(`{"event":"system::connected"}`), out)
		}
		if c.presence {
			s.list(c, lists, out)
		}
	}
}

// forget forgets a channel, and unsubscribes from the channel for messages to its user.
func (s *Socket) forget(c *channel, out *dialect.Effects) {
	delete(s.channels, c.full)
	direct := s.directName(c, c.member.name())
	if own := s.channels[direct]; own != nil && own.direct == c {
		delete(s.channels, direct)
		out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandUnsubscribe, Channel: direct})
	}
}

// find is the channel that clients call name, nil if it was not asked for.
func (s *Socket) find(name string) *channel {
	if name == "" || strings.Contains(name, "/") {
		return nil
	}
	return s.channels[s.app.Channel(name)]
}

// sendChannel sends an event about a channel, and its fault if that is not "".
func (s *Socket) sendChannel(event string, c *channel, wrong string, out *dialect.Effects) {
	s.sendNamed(event, c.name, wrong, out)
}

func (s *Socket) sendNamed(event, name, wrong string, out *dialect.Effects) {
	b := append([]byte(nil), `{"event":"`...)
	b = append(b, event...)
	b = append(b, `","data":{"channel":`...)
	b = jsontext.AppendString(b, name)
	if wrong != "" {
		b = append(b, `,"error":`...)
		b = jsontext.AppendString(b, wrong)
	}
	s.send(append(b, "}}"...), out)
}
