package protocol

import (
	"errors"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// subscription is a channel of a Socket.
//
//	pusher:subscribe ─► Subscribe ─► members, newest event ─► succeeded ─► live
//	                                  publications meanwhile are held
type subscription struct {
	name    string // as the client calls it
	channel string // of the hub
	traits  Traits
	tag     uint64           // of its commands
	as      *access.Identity // the identity that has it, nil for the client's own

	settling *settling // nil once it has succeeded
	members  *roster   // of a presence channel
	counts   *counts   // of a channel with counted subscribers; nil without
}

// settling is a subscription until it succeeds.
type settling struct {
	began    bool // in the hub
	needs    int  // outcomes of commands about it
	begin    hub.Position
	count    int
	cached   *hub.Delivery // the newest event of a cache channel
	isMissed bool          // there is none
	held     []hub.Push    // publications and changes that came meanwhile
	bytes    int           // of their payloads
}

// The limits of publications held until a subscription succeeds, as much as waits in a session.
const (
	heldMax      = hub.DefaultQueueCountMax
	heldBytesMax = hub.DefaultQueueBytesMax
)

// lastMax bounds the extension that asks for history.
const lastMax = 1000

// subscribe does pusher:subscribe.
func (s *Socket) subscribe(app *App, data []byte, out *dialect.Effects) {
	asked, err := ParseSubscribe(data)
	if err != nil {
		s.fail(0, "Invalid "+eventSubscribe+": "+err.Error(), out)
		return
	}
	channel, problem := app.Forms.space.Channel(asked.Channel)
	if problem != "" {
		s.fail(0, problem, out)
		return
	}
	if s.subs[channel] != nil {
		s.fail(0, "Existing subscription to channel "+asked.Channel, out)
		return
	}
	sub := &subscription{name: asked.Channel, channel: channel, traits: TraitsOf(asked.Channel), settling: &settling{}}
	if problem := s.authorize(app, sub, &asked); problem != "" {
		s.refuse(sub.name, "AuthError", 401, CodeUnauthorized, problem, out)
		return
	}
	if asked.Last != nil || asked.Since != nil {
		s.places = true
	}
	s.newest++
	sub.tag = s.newest
	if s.subs == nil {
		s.subs = make(map[string]*subscription)
	}
	s.subs[channel] = sub
	s.settling++
	if app.SubscriptionCounts && !sub.traits.Has(Presence) && !sub.traits.Has(OfUser) {
		sub.counts = &counts{}
	}
	s.ask(app, sub, &asked, out)
}

// authorize returns why the client may not have a channel, or its identity there if it may.
func (s *Socket) authorize(app *App, sub *subscription, asked *Subscribe) (problem string) {
	switch {
	case sub.traits.Has(OfUser):
		if s.user == nil || userPrefix+s.user.ID != sub.name {
			return "The channel " + quoted(sub.name) + " is for who has signed in as that user"
		}
		sub.as = app.client(s.user.ID, s.user.Info)
		return ""
	case !sub.traits.Has(Private):
		sub.as = s.identity
		return ""
	}
	data := ""
	if asked.ChannelData != nil {
		data = *asked.ChannelData
	}
	signed := data
	if !sub.traits.Has(Presence) {
		signed = "" // it is not signed, and so it is not looked at
	}
	if problem := authProblem(app.Key, app.Secret, asked.Auth, "subscribe to "+quoted(sub.name), signedSubscription(s.id, sub.name, signed)); problem != "" {
		return problem
	}
	var member Member
	switch {
	case sub.traits.Has(Presence) && data == "" && s.user != nil:
		member = s.user.Member
	case sub.traits.Has(Presence) && data == "":
		return "The channel " + quoted(sub.name) + " needs channel_data with a user_id, or somebody who has signed in"
	case sub.traits.Has(Presence):
		var err error
		if member, err = ParseMember(data); err != nil {
			return "Invalid channel_data: " + err.Error()
		}
	case s.user != nil:
		member = s.user.Member
	}
	if _, err := access.UserChannel(app.Forms.space.User(member.ID)); err != nil && member.ID != "" {
		return "Invalid user_id: it is too long, or has too many characters that are not letters or digits"
	}
	sub.as = app.holder(sub.channel, sub.traits, member.ID, member.Info)
	if sub.traits.Has(Presence) {
		sub.members = &roster{self: member}
	}
	return ""
}

// ask asks the hub for a subscription.
func (s *Socket) ask(app *App, sub *subscription, asked *Subscribe, out *dialect.Effects) {
	c := dialect.Command{Kind: hub.CommandSubscribe, Action: access.Subscribe, Tag: sub.tag, Channel: sub.channel, As: sub.as}
	c.Subscribe.Member = sub.as
	switch {
	case sub.traits.Has(Presence):
		c.Also = access.Presence
		c.Subscribe.Presence, c.Subscribe.PresenceByUser = true, true
	case sub.counts != nil:
		c.Subscribe.Presence = true
	}
	if asked != nil && asked.Since != nil {
		position, err := hub.ParsePosition(*asked.Since)
		if err != nil {
			position = hub.Position{Epoch: dialect.LostEpoch}
		}
		c.Subscribe.Since = position
	} else if asked != nil && asked.Last != nil {
		c.Subscribe.Last = min(*asked.Last, lastMax)
	}
	out.Commands = append(out.Commands, c)
}

// unsubscribe does pusher:unsubscribe, which has no answer.
func (s *Socket) unsubscribe(app *App, data []byte, out *dialect.Effects) {
	name, err := parseUnsubscribe(data)
	if err != nil {
		s.fail(0, "Invalid "+eventUnsubscribe+": "+err.Error(), out)
		return
	}
	channel, problem := app.Forms.space.Channel(name)
	sub := s.subs[channel]
	if problem != "" || sub == nil {
		s.fail(0, "No current subscription to channel "+quoted(name)+", or subscription in progress", out)
		return
	}
	s.drop(sub)
	out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandUnsubscribe, Channel: channel})
}

// drop forgets a subscription.
func (s *Socket) drop(sub *subscription) {
	delete(s.subs, sub.channel)
	if sub.settling != nil {
		s.settling--
	}
}

// refuse says that a subscription was refused, in the two ways that clients know.
func (s *Socket) refuse(name, kind string, status, code int, message string, out *dialect.Effects) {
	data := append([]byte(`{"type":"`), kind...)
	data = append(data, `","error":`...)
	data = appendString(data, message)
	data = append(data, `,"status":`...)
	data = strconv.AppendInt(data, int64(status), 10)
	s.event(eventRefused, name, append(data, '}'), out)
	s.fail(code, message, out)
}

// settleSubscription takes the outcome of a command about a subscription.
func (s *Socket) settleSubscription(now time.Time, app *App, o *hub.Outcome, out *dialect.Effects) {
	sub := s.subs[o.Channel]
	if sub == nil || sub.tag != o.Tag {
		return // it is over, or was asked for anew
	}
	switch {
	case o.Command == hub.CommandSubscribe && o.Err != nil:
		s.notSubscribed(app, sub, o.Err, out)
	case o.Command == hub.CommandSubscribe:
		s.subscribed(now, app, sub, o, out)
	case o.Command == hub.CommandPresence:
		s.takeRoster(now, app, sub, o, out)
	case o.Command == hub.CommandHistory && sub.settling != nil:
		sub.settling.cached, sub.settling.isMissed = newestEvent(now, o, sub.settling.begin)
		sub.settling.needs--
		s.succeed(now, app, sub, out)
	}
}

// notSubscribed says why the hub has refused a subscription.
func (s *Socket) notSubscribed(app *App, sub *subscription, err error, out *dialect.Effects) {
	if sub.counts != nil && (errors.Is(err, hub.ErrNoPresence) || errors.Is(err, hub.ErrNoJoins)) {
		sub.counts = nil // the channel's policy does not let them be counted
		s.ask(app, sub, nil, out)
		return
	}
	s.drop(sub)
	var refusal *access.Refusal
	switch {
	case errors.Is(err, hub.ErrTooManySubscriptions):
		s.refuse(sub.name, "LimitReached", 4100, 0, "The connection has too many subscriptions", out)
	case errors.As(err, &refusal) && (refusal.Cause == access.TooMany || refusal.Cause == access.Unavailable):
		s.refuse(sub.name, "ServerError", 503, 0, refusal.Reason, out)
	case refusal != nil:
		s.refuse(sub.name, "AuthError", 403, CodeUnauthorized, refusal.Reason, out)
	default:
		s.refuse(sub.name, "ServerError", 500, 0, app.Describe(err).Detail, out)
	}
}

// subscribed goes on with a subscription that has begun.
func (s *Socket) subscribed(now time.Time, app *App, sub *subscription, o *hub.Outcome, out *dialect.Effects) {
	on := sub.settling
	if on == nil {
		return
	}
	on.began, on.begin, on.count = true, o.Position, o.Count
	if sub.traits.Has(Presence) {
		if o.Count > app.MembersMax {
			s.drop(sub)
			out.Commands = append(out.Commands, dialect.Command{Kind: hub.CommandUnsubscribe, Channel: sub.channel})
			s.refuse(sub.name, "LimitReached", 4100, CodeOverQuota, "The channel "+quoted(sub.name)+" has as many members as it may have: "+strconv.Itoa(app.MembersMax), out)
			return
		}
		on.needs++
		out.Commands = append(out.Commands, sub.askMembers(""))
	}
	if sub.traits.Has(Cached) {
		on.needs++
		out.Commands = append(out.Commands, dialect.Command{
			Kind: hub.CommandHistory, Tag: sub.tag, Channel: sub.channel, Query: hub.Query{Last: cacheSearch, Limit: cacheSearch},
		})
	}
	s.succeed(now, app, sub, out)
}

// succeed tells the client of its subscription once everything that belongs to it is
// known, and goes on with the publications that came meanwhile.
func (s *Socket) succeed(now time.Time, app *App, sub *subscription, out *dialect.Effects) {
	on := sub.settling
	if on == nil || !on.began || on.needs > 0 {
		return
	}
	sub.settling = nil
	s.settling--
	data := []byte("{}")
	if sub.members != nil {
		data = appendRoster(nil, sub.members.users)
		sub.members.users = nil
	}
	if s.places {
		data = appendPosition(data, on.begin)
	}
	s.event(eventSucceeded, sub.name, data, out)
	switch {
	case on.cached != nil:
		s.deliver(app, on.cached, out)
	case on.isMissed:
		s.event(eventCacheMiss, sub.name, []byte("{}"), out)
		if app.Listener != nil {
			app.Listener.CacheMiss(sub.channel)
		}
	}
	if sub.counts != nil {
		s.tellCount(now, sub, on.count, out)
	}
	for i := range on.held {
		if p := &on.held[i]; p.Delivery != nil {
			s.deliver(app, p.Delivery, out)
		} else {
			s.change(now, app, p, out)
		}
	}
}

// hold keeps a publication for a subscription that has not succeeded yet: the client
// hears nothing of a channel before that. It reports false for a subscription that has.
func (s *Socket) hold(p *hub.Push) bool {
	sub := s.subs[p.Channel]
	if sub == nil || sub.settling == nil {
		return false
	}
	on := sub.settling
	bytes := 0
	if p.Delivery != nil {
		bytes = len(p.Delivery.Data)
	}
	if len(on.held) >= heldMax || len(on.held) > 0 && on.bytes+bytes > heldBytesMax {
		// The members are read in the next turn, so this is a server that stands still: the
		// newest are worth keeping.
		on.bytes -= on.drop()
	}
	on.held = append(on.held, *p)
	on.bytes += bytes
	return true
}

// drop makes room among the held publications, and returns how many bytes it has freed.
func (on *settling) drop() (bytes int) {
	if d := on.held[0].Delivery; d != nil {
		bytes = len(d.Data)
	}
	on.held = append(on.held[:0], on.held[1:]...)
	return bytes
}

// cacheSearch is how many of the newest publications are looked at for an event that is
// none of a client's.
const cacheSearch = 16

// newestEvent returns the event for a new subscriber to a cache channel: the newest event up
// to where its subscription begins that no client has sent. If the history cannot be
// read, it is not known that there is none.
func newestEvent(now time.Time, o *hub.Outcome, begin hub.Position) (newest *hub.Delivery, isMissed bool) {
	if o.Err != nil {
		return nil, false
	}
	for i := len(o.Page.Publications) - 1; i >= 0; i-- {
		p := o.Page.Publications[i]
		if p.Position.Epoch == begin.Epoch && p.Position.Offset > begin.Offset {
			continue // it is delivered
		}
		if a := p.Attributes; a != nil && (isOfClient(a.Event) || !a.Expires.IsZero() && !now.Before(a.Expires)) {
			continue // nor are publications that are worth nothing any more
		}
		return &hub.Delivery{Publication: p}, false
	}
	return nil, true
}
