package pusher

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
)

// channels lists the channels that are occupied.
func (c *call) channels(r *http.Request, _ string) (any, *fault) {
	prefix := c.query.Get("filter_by_prefix")
	asked, f := parseInfos(c.query.Get("info"), "user_count", "subscription_count")
	if f != nil {
		return nil, f
	}
	if asked.users && !strings.HasPrefix(prefix, "presence-") {
		return nil, refuse(400, "user_count is of presence channels alone: ask with filter_by_prefix=presence-")
	}
	answer := channelsAnswer{Channels: map[string]channelAnswer{}}
	var names []string
	add := func(channel string) {
		if name, ok := c.space.Name(channel); ok && !strings.HasPrefix(channel, "@") && strings.HasPrefix(name, prefix) {
			names = append(names, name)
		}
	}
	for _, ch := range c.server.o.Hub.Channels() {
		add(ch.Name)
	}
	if elsewhere := c.server.o.ChannelsElsewhere; elsewhere != nil {
		for _, channel := range elsewhere(r.Context(), c.space.Prefix()+prefix) {
			add(channel)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	}
	c.askAll(names, asked)
	for _, name := range names {
		answer.Channels[name] = c.infoOf(r.Context(), name, asked)
		if r.Context().Err() != nil {
			return nil, refuse(503, "the request was given up")
		}
	}
	return answer, nil
}

// channel is one channel.
func (c *call) channel(r *http.Request, name string) (any, *fault) {
	channel, problem := c.space.Channel(name)
	if problem != "" {
		return nil, refuse(400, "%s", problem)
	}
	traits := protocol.TraitsOf(name)
	asked, f := parseInfos(c.query.Get("info"), "user_count", "subscription_count", "cache")
	switch {
	case f != nil:
		return nil, f
	case asked.users && !traits.Has(protocol.Presence):
		return nil, refuse(400, "user_count is of presence channels alone")
	case asked.cache && !traits.Has(protocol.Cached):
		return nil, refuse(400, "cache is of cache channels alone")
	}
	answer := c.infoOf(r.Context(), name, asked)
	occupied := c.server.countMembers(r.Context(), channel) > 0
	answer.Occupied = &occupied
	if asked.cache {
		cached, f := c.cached(r, channel)
		if f != nil {
			return nil, f
		}
		answer.Cache = &cached
	}
	return answer, nil
}

// The questions about the members of a channel: how many sessions there are, whatever
// they speak, and how many users.
var (
	countOfSessions = hub.PresenceQuery{CountOnly: true, Latest: true, IgnoresPolicy: true}
	countOfUsers    = hub.PresenceQuery{ByUser: true, CountOnly: true, Latest: true}
)

// subscribers is how many sessions are subscribed to a channel, as far as is known here.
func (s *Server) subscribers(channel string) int {
	r, err := s.o.Hub.ListMembers(channel, countOfSessions)
	if err != nil {
		return 0
	}
	return r.Count
}

// countMembers is how many sessions are subscribed to a channel, through other servers, too.
func (s *Server) countMembers(ctx context.Context, channel string) int {
	r, err := s.o.Hub.Members(ctx, channel, countOfSessions)
	if err != nil {
		return 0
	}
	return r.Count
}

// askAll has other servers asked for what infoOf says of many channels, all at once.
func (c *call) askAll(names []string, asked infos) {
	for _, name := range names {
		channel, _ := c.space.Channel(name)
		if asked.subscriptions {
			c.server.o.Hub.BeginMembers(channel, countOfSessions, func(hub.Roster, error) {})
		}
		if asked.users && protocol.TraitsOf(name).Has(protocol.Presence) {
			c.server.o.Hub.BeginMembers(channel, countOfUsers, func(hub.Roster, error) {})
		}
	}
}

// infoOf returns the attributes asked for of a channel, as far as the channel has them.
func (c *call) infoOf(ctx context.Context, name string, asked infos) (a channelAnswer) {
	channel, _ := c.space.Channel(name)
	if asked.subscriptions {
		n := c.server.countMembers(ctx, channel)
		a.Subscriptions = &n
	}
	if asked.users && protocol.TraitsOf(name).Has(protocol.Presence) {
		if r, err := c.server.o.Hub.Members(ctx, channel, countOfUsers); err == nil {
			a.Users = &r.Users
		}
	}
	return a
}

// cached is the newest event of a cache channel, null if there is none.
func (c *call) cached(r *http.Request, channel string) (json.RawMessage, *fault) {
	page, err := c.server.o.Hub.History(r.Context(), channel, hub.Query{Last: cacheSearch, Limit: cacheSearch})
	if err != nil {
		return nil, c.failure(err)
	}
	for i := len(page.Publications) - 1; i >= 0; i-- {
		p := page.Publications[i]
		if p.Attributes != nil && strings.HasPrefix(p.Attributes.Event, protocol.PrefixOfClients) {
			continue
		}
		data := string(p.Data)
		if p.Kind == hub.Binary {
			data = base64.StdEncoding.EncodeToString(p.Data)
		}
		left := c.server.o.CacheAge - c.server.o.Now().Sub(p.Time)
		encoded, err := json.Marshal(map[string]any{"data": data, "ttl": max(1, int(left/time.Second))})
		return encoded, asFault(err)
	}
	return json.RawMessage("null"), nil
}

// cacheSearch is how many of the newest publications are looked at for an event that is
// none of a client's, as sockets do.
const cacheSearch = 16

func asFault(err error) *fault {
	if err != nil {
		return refuse(500, "the answer cannot be written")
	}
	return nil
}

// users lists the users in a presence channel.
func (c *call) users(request *http.Request, name string) (any, *fault) {
	channel, problem := c.space.Channel(name)
	switch {
	case problem != "":
		return nil, refuse(400, "%s", problem)
	case !protocol.TraitsOf(name).Has(protocol.Presence):
		return nil, refuse(400, "users are of presence channels alone")
	}
	type user struct {
		ID string `json:"id"`
	}
	list := []user{}
	r, err := c.server.o.Hub.Members(request.Context(), channel, hub.PresenceQuery{ByUser: true, Limit: hub.NoLimit, Latest: true})
	if err != nil {
		return nil, c.failure(err)
	}
	for i := range r.Members {
		if id, ok := c.space.ID(r.Members[i].User); ok {
			list = append(list, user{id})
		}
	}
	return map[string]any{"users": list}, nil
}

// terminated is why the connections of a user end.
var terminated = &hub.Ended{Code: protocol.CodeUnauthorized, Reason: "You got disconnected by the app."}

// terminate ends the connections of a user who has signed in.
func (c *call) terminate(_ *http.Request, id string) (any, *fault) {
	user := c.space.User(id)
	if told := c.server.o.Terminated; told != nil {
		told(c.app.Key, user)
	}
	c.server.Terminate(c.app.Key, user)
	return struct{}{}, nil
}

// Terminate ends the connections to this server of a user who has signed in to the app with
// this key, as another server was asked to.
func (s *Server) Terminate(key, user string) {
	s.o.Hub.EndSessions(func(session *hub.Session) bool {
		who := session.Identity()
		return session.Transport() == protocol.Transport && who != nil && who.Kind == access.Application && who.Name == key && who.User == user
	}, terminated)
}
