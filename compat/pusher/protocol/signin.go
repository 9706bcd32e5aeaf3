package protocol

import (
	"slices"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// signIn does pusher:signin.
func (s *Socket) signIn(app *App, data []byte, out *dialect.Effects) {
	asked, err := ParseSignIn(data)
	if err != nil {
		s.fail(CodeUnauthorized, "Invalid "+eventSignIn+": "+err.Error(), out)
		return
	}
	if problem := authProblem(app.Key, app.Secret, asked.Auth, "sign in", signedUser(s.id, asked.UserData)); problem != "" {
		s.fail(CodeUnauthorized, problem, out)
		return
	}
	user, err := ParseUser(asked.UserData)
	if err != nil {
		s.fail(CodeUnauthorized, "Invalid user_data: "+err.Error(), out)
		return
	}
	if _, err := app.Forms.space.statusChannel(user.ID); err != nil {
		s.fail(CodeUnauthorized, "Invalid user_data: the id is too long, or has too many characters that are not letters or digits", out)
		return
	}
	switch {
	case s.signing != nil:
		s.fail(CodeUnauthorized, "Somebody is signing in on this connection already", out)
		return
	case s.user != nil && s.user.ID != user.ID:
		s.fail(CodeUnauthorized, "The connection is signed in as "+quoted(s.user.ID)+" already", out)
		return
	}
	s.signing, s.data = &user, asked.UserData
	s.identity = app.client(user.ID, user.Info)
	out.Commands = append(out.Commands, dialect.Command{Kind: dialect.CommandIdentify, Tag: tagSignIn, As: s.identity})
}

// signedIn tells the client that it has signed in.
func (s *Socket) signedIn(app *App, o *hub.Outcome, out *dialect.Effects) {
	user, data := s.signing, s.data
	s.signing, s.data = nil, ""
	if o.Err != nil {
		s.End(o.Err, out)
		return
	}
	isFirst := s.user == nil
	s.user = user
	text := appendString([]byte(`{"user_data":`), data)
	s.event(eventSignedIn, "", append(text, '}'), out)
	if app.Watchlist && isFirst {
		s.watch(app, user, out)
	}
}

// watching is a watchlist: the client is told when these users come and go.
//
// A user that signs in subscribes to a channel beside its own, as a member, and the
// watchers of the user subscribe there without an identity. So the hub counts the
// connections of each user, as it does in presence channels.
type watching struct {
	ids     map[string]string // by channel
	waiting int               // subscriptions that have not begun
	online  []string          // what the client is to be told
	offline []string
}

// watch makes the user seen by others, and begins its watchlist.
func (s *Socket) watch(app *App, user *User, out *dialect.Effects) {
	space := app.Forms.space
	list := user.Watchlist
	if len(list) > WatchlistMax {
		s.fail(codeWatchlistLimit, "The watchlist has more than 100 users; the first 100 are watched", out)
		list = list[:WatchlistMax]
	}
	w := &watching{ids: make(map[string]string)}
	own, _ := space.statusChannel(user.ID) // it was tried before
	for _, id := range list {
		if channel, err := space.statusChannel(id); err == nil && id != "" {
			w.ids[channel] = id
		}
	}
	s.watching = w
	subscribe := func(channel string, as *access.Identity, watches bool) {
		if watches {
			w.waiting++
		}
		c := dialect.Command{Kind: hub.CommandSubscribe, Tag: tagWatch, Channel: channel}
		c.Subscribe = hub.SubscribeOptions{Member: as, Presence: watches, PresenceByUser: watches}
		out.Commands = append(out.Commands, c)
	}
	_, watchesItself := w.ids[own]
	subscribe(own, s.identity, watchesItself)
	nobody := app.client("", nil)
	seen := map[string]bool{own: true}
	for _, id := range list { // in order
		if channel, err := space.statusChannel(id); err == nil && id != "" && !seen[channel] {
			seen[channel] = true
			subscribe(channel, nobody, true)
		}
	}
}

// tagWatch is the tag of subscriptions to where users are seen. No other command has it.
const tagWatch = 1 << 62

// settle takes the outcome of a command about a watchlist, and reports whether it was
// one.
func (w *watching) settle(o *hub.Outcome) bool {
	if o.Tag != tagWatch || w == nil {
		return false
	}
	id, ok := w.ids[o.Channel]
	if !ok {
		return true // it is only seen
	}
	w.waiting--
	w.note(id, o.Err == nil && o.Count > 0)
	return true
}

// note notes news of a user for the client.
func (w *watching) note(id string, isOnline bool) {
	is := func(other string) bool { return other == id }
	w.online, w.offline = slices.DeleteFunc(w.online, is), slices.DeleteFunc(w.offline, is)
	if isOnline {
		w.online = append(w.online, id)
	} else {
		w.offline = append(w.offline, id)
	}
}

// change notes that a user came or went, and reports whether it is one of the watchlist.
func (w *watching) change(c *hub.Changes) bool {
	if w == nil {
		return false
	}
	id, ok := w.ids[c.Channel]
	if ok {
		w.note(id, c.Count > 0)
	}
	return ok
}

// tellStatuses tells which users of the watchlist came and went, once it is known of all.
func (s *Socket) tellStatuses(out *dialect.Effects) {
	w := s.watching
	if w == nil || w.waiting > 0 || len(w.online)+len(w.offline) == 0 {
		return
	}
	s.event(eventWatchlist, "", appendStatuses(nil, w.online, w.offline), out)
	w.online, w.offline = nil, nil
}
