package hub

import "time"

// attendee is a member of a channel: a subscription here, or a remote.
type attendee interface {
	place() place
	sessionID() string
	user() string // "" if that is not known
	member() Member
	memberOfUser(sessions int) Member
}

// remote is a session that is in a channel through another hub. It is not modified,
// besides next and lingers.
type remote struct {
	node      string
	id        string
	since     int64 // in nanoseconds of Unix time, by the clock of its node
	name      string
	info      string
	transport string

	// Guarded by channel.mu:

	next    *remote   // of the same session, through a third hub
	lingers time.Time // since when its node says that it is gone, zero while it is there; see remotes.defer
}

func (r *remote) place() place { return place{since: r.since, who: r} }

func (r *remote) sessionID() string { return r.id }

func (r *remote) user() string { return r.name }

func (r *remote) member() Member {
	m := r.memberOfUser(0)
	m.ID, m.Transport = r.id, r.transport
	return m
}

func (r *remote) memberOfUser(sessions int) Member {
	return Member{Since: time.Unix(0, r.since).UTC(), Sessions: sessions, User: r.name, Info: r.info}
}

// newRemote is a member as it was told by a node.
func newRemote(node string, m *Member) *remote {
	return &remote{node: node, id: m.ID, since: m.Since.UnixNano(), name: m.User, info: m.Info, transport: m.Transport}
}

// isSame reports whether r says what o says.
func (r *remote) isSame(o *remote) bool {
	return r.since == o.since && r.name == o.name && r.info == o.info && r.transport == o.transport
}

// isBefore orders what several nodes say of one session: the first one counts. It is the
// remote that subscribed last, which is where the session is by now.
func (r *remote) isBefore(o *remote) bool {
	if r.since != o.since {
		return r.since > o.since
	}
	return r.node < o.node
}

// crowd is all attendees of a channel, by their kind.
type crowd struct {
	subs   []*subscription // may be the channel's own array
	remote []*remote
}

func (c *crowd) len() int { return len(c.subs) + len(c.remote) }

func (c crowd) all(yield func(attendee) bool) {
	for _, sub := range c.subs {
		if !yield(sub) {
			return
		}
	}
	for _, m := range c.remote {
		if !yield(m) {
			return
		}
	}
}

// crowd is the attendees of the channel now; mu is held.
func (ch *channel) crowd() crowd {
	c := crowd{subs: ch.subs}
	if s := ch.shared; s != nil && s.remotes != nil {
		c.remote = s.remotes.shown()
	}
	return c
}

// members is how many are in the channel, here and elsewhere; mu is held.
func (ch *channel) members() int {
	n := len(ch.subs)
	if s := ch.shared; s != nil && s.remotes != nil {
		n += s.remotes.count()
	}
	return n
}
