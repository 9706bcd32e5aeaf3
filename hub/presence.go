package hub

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Member is a session as the other users of its channel may see it, or a user, by
// PresenceQuery.ByUser.
type Member struct {
	ID        string    // of a session; "" of a user
	Transport string    // of a session
	Since     time.Time // when it subscribed, UTC; of a user, the session that has been there the longest
	User      string    // the user, "" if that is not known
	Info      string    // what others may know of the user, as JSON, or ""
	Sessions  int       // of a user: how many it has in the channel
}

// PresenceQuery selects a part of the members of a channel. The zero value is the first
// page of its sessions.
type PresenceQuery struct {
	// After is the Next of the page before, "" for the first one.
	After string

	// Limit is how many members there are on a page. Default 100. A page ends earlier
	// where it would have more than 256 KiB of names and Info, unless Limit is NoLimit.
	Limit int

	// ByUser lists users, each with the number of its sessions, and leaves out sessions
	// whose user is not known.
	ByUser bool

	// CountOnly leaves out the members.
	CountOnly bool

	// Latest lists members as they are this moment, also where a watcher has not been told
	// yet: the Roster has no Version. It is for callers that only look.
	Latest bool

	// IgnoresPolicy lists members although the Policy of the channel has NoPresence: for
	// operators of the server.
	IgnoresPolicy bool
}

// Roster is a page of the members of a channel.
//
// Members that come and go between two pages hide no other, and only a member that has
// subscribed again is repeated. Where a session watches, see SubscribeOptions.Presence,
// all of a Roster is as it was when the last window ended, which is what Version says:
// with the Changes of a greater Version it is the members as they are. A session that
// watches is given the outcome of its Presence before such Changes, so it needs only
// apply everything in order.
type Roster struct {
	Members []Member // the longest first; the slice is the caller's
	Next    string   // PresenceQuery.After of the next page, "" if this is the last one

	Version uint64 // of the last Changes, 0 if no session watches the channel
	Count   int    // how many sessions are subscribed
	Users   int    // how many users these are, with ByUser
}

// Defaults and bounds of a page of members.
const (
	DefaultMembers = 100
	MembersMax     = 1000 // of Session.Presence; a greater Limit is as this one

	membersBytesMax = 256 << 10
)

// ErrCursor is the answer to a PresenceQuery whose After was never a Next.
var ErrCursor = errors.New("hub: this is no cursor of a list of members")

// PresenceCount returns how many sessions are subscribed to channel, through this hub and
// as far as is known here through its Neighbours, at a cost that does not depend on how many
// there are. It returns a *NameError or ErrNoPresence.
func (h *Hub) PresenceCount(channel string) (int, error) {
	if err := h.checkPresence(channel, false); err != nil {
		return 0, err
	}
	ch := h.channels.find(channel)
	if ch == nil {
		return 0, nil
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.members(), nil
}

// ListMembers returns a page of the sessions subscribed to channel through this hub, or
// of their users, and through its Neighbours as far as that is known here: it never
// waits, see Members. Its cost grows with the members there are, also beyond the page,
// in a channel that is not watched; in one that is, only once for each window. CountOnly
// costs nothing without ByUser. It returns a *NameError, ErrNoPresence, ErrCursor or an
// error wrapping an *OptionError.
func (h *Hub) ListMembers(channel string, q PresenceQuery) (Roster, error) {
	return h.listMembers(channel, q, 0)
}

// listMembers is ListMembers where so many members are elsewhere, if their identities are not kept.
func (h *Hub) listMembers(channel string, q PresenceQuery, elsewhere int) (Roster, error) {
	if err := h.checkPresence(channel, q.IgnoresPolicy); err != nil {
		return Roster{}, err
	}
	after, err := parseCursor(q.After)
	if err := cmp.Or(err, resolve("Limit", &q.Limit, DefaultMembers)); err != nil {
		return Roster{}, err
	}
	ch := h.channels.find(channel)
	if ch == nil {
		return Roster{Count: elsewhere}, nil
	}
	if q.CountOnly {
		if r, ok := ch.countMembers(q.ByUser, q.Latest, elsewhere); ok {
			return r, nil
		}
	}
	for {
		all := ch.readRoster(q.Latest)
		r := Roster{Version: all.version, Count: len(all.sessions)}
		if q.ByUser {
			r.Users = len(all.byUser())
		}
		switch {
		case q.CountOnly:
		case q.ByUser:
			if last := r.cut(all.byUser(), after, q.Limit); last != 0 && !ch.noteCursor(last, all.version) {
				continue // a window has ended
			}
		default:
			r.cut(all.sessions, after, q.Limit)
		}
		return r, nil
	}
}

func (h *Hub) checkPresence(channel string, ignoresPolicy bool) error {
	if err := CheckChannel(channel); err != nil {
		return err
	}
	if !ignoresPolicy && h.policy(channel).NoPresence {
		return ErrNoPresence
	}
	return nil
}

// Presence reads a page of the members of a channel, see Hub.ListMembers for the
// errors. Its outcome has the Roster. A session reads one at a time, as with History.
func (s *Session) Presence(tag uint64, channel string, q PresenceQuery) {
	c := command{tag: tag, kind: CommandPresence}
	if !s.handIn() {
		return
	}
	if q.CountOnly {
		s.hub.whenKnown(channel, &q, func(elsewhere int) { s.answerPresence(c, channel, q, elsewhere) })
		return
	}
	c.isPage = true
	q.Limit = min(q.Limit, MembersMax)
	s.lock()
	under := s.needCommands()
	under.histories = append(under.histories, historyAsked{command: c, channel: channel, members: &q})
	s.mu.Unlock()
	s.nextHistory()
}

// answerPresence reads a Roster and queues it.
func (s *Session) answerPresence(c command, channel string, q PresenceQuery, elsewhere int) {
	for tries := 1; ; tries++ {
		r, err := s.hub.listMembers(channel, q, elsewhere)
		o := Outcome{Channel: channel, Err: err}
		if err == nil {
			o.Roster = &r
		}
		s.lock()
		// Changes that are newer may have been queued meanwhile. A window takes a while,
		// so this does not go on; a client that compares versions is right anyway.
		isOld := err == nil && tries < 10 && s.hasNewerChanges(channel, r.Version)
		if !isOld {
			s.push(c, o)
		}
		wake := s.claimWake()
		s.mu.Unlock()
		if wake {
			s.wake()
		}
		if !isOld {
			return
		}
	}
}

// place is the place of an attendee among the members of a channel: a session, or the
// session of a user that has been there the longest.
type place struct {
	since    int64 // in nanoseconds of Unix time
	who      attendee
	sessions int // of a user
}

func (p *place) compare(o *place) int {
	if c := cmp.Compare(p.since, o.since); c != 0 {
		return c
	}
	return strings.Compare(p.who.sessionID(), o.who.sessionID())
}

// cursor is a place that need not be there any more.
type cursor struct {
	since int64
	id    string
}

func (p *place) cursor() cursor { return cursor{p.since, p.who.sessionID()} }

// compare says whether p is before c, at c or behind it.
func (c *cursor) compare(p place) int {
	return cmp.Or(cmp.Compare(p.since, c.since), strings.Compare(p.who.sessionID(), c.id))
}

// cursorDigits is how long the first part of a cursor is.
const cursorDigits = 16

// String is a cursor as clients have it.
func (c cursor) String() string { return fmt.Sprintf("%0*x%s", cursorDigits, c.since, c.id) }

// parseCursor is the inverse of String, and nil of "".
func parseCursor(text string) (*cursor, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) <= cursorDigits || len(text) > 64 {
		return nil, ErrCursor
	}
	since, err := strconv.ParseInt(text[:cursorDigits], 16, 64)
	c := &cursor{since: since, id: text[cursorDigits:]}
	if err != nil || since < 0 || c.String() != text {
		return nil, ErrCursor
	}
	return c, nil
}

// noteCursor notes that a page of users was cut, see usersPresence. It returns false if the roster
// that it is of is not the newest that the watchers are told of.
func (ch *channel) noteCursor(since int64, version uint64) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	p := ch.presence
	if p == nil || p.users == nil || version == 0 {
		return true
	}
	p.cursor = max(p.cursor, since)
	return p.version == version
}

// cut makes the page of all that begins behind after, and returns the since of Next, 0 if
// there is none.
func (r *Roster) cut(all []place, after *cursor, limit int) int64 {
	begin := 0
	if after != nil {
		at, found := slices.BinarySearchFunc(all, after, func(p place, after *cursor) int { return after.compare(p) })
		if begin = at; found {
			begin++
		}
	}
	all = all[begin:]
	r.Members = make([]Member, 0, min(limit, len(all)))
	bytes := 0
	for i := range all {
		m := all[i].member()
		bytes += m.bytes()
		if i == limit || i > 0 && bytes > membersBytesMax && limit != NoLimit {
			r.Next = all[i-1].cursor().String()
			return all[i-1].since
		}
		r.Members = append(r.Members, m)
	}
	return 0
}

// member is the member at that place.
func (p *place) member() Member {
	if p.sessions > 0 {
		return p.who.memberOfUser(p.sessions)
	}
	return p.who.member()
}

func (sub *subscription) member() Member {
	m := sub.memberOfUser(0)
	m.ID, m.Transport = sub.session.id, sub.session.transport
	return m
}

// memberOfUser is the user of sub.
func (sub *subscription) memberOfUser(sessions int) Member {
	m := Member{Since: time.Unix(0, sub.since).UTC(), Sessions: sessions}
	if id := sub.identity(); id != nil {
		m.User, m.Info = id.User, string(id.Info)
	}
	return m
}

// user is the user that sub is shown as, "" if that is not known.
func (sub *subscription) user() string {
	if id := sub.identity(); id != nil {
		return id.User
	}
	return ""
}

// bytes is about how long m is in any form.
func (m *Member) bytes() int { return len(m.ID) + len(m.Transport) + len(m.User) + len(m.Info) + 64 }

// roster is the members of a channel at a moment. It is not modified.
type roster struct {
	version  uint64
	sessions []place // in order

	once  sync.Once
	users []place // in order
}

// byUser are the users, made when they are asked for.
func (r *roster) byUser() []place {
	r.once.Do(func() {
		index := make(map[string]int)
		for i := range r.sessions {
			p := &r.sessions[i]
			user := p.who.user()
			if user == "" {
				continue
			}
			at, ok := index[user]
			if !ok {
				at = len(r.users)
				index[user] = at
				r.users = append(r.users, *p)
			}
			r.users[at].sessions++
		}
	})
	return r.users
}

// readRoster returns the members: as they are, or where a session watches as they were
// when the last window ended, unless isLatest, which is sorted once.
func (ch *channel) readRoster(isLatest bool) *roster {
	ch.mu.Lock()
	p := ch.presence
	if isLatest {
		p = nil
	}
	if p != nil && p.roster != nil {
		defer ch.mu.Unlock()
		return p.roster
	}
	if p == nil {
		there := ch.crowd()
		there.subs = slices.Clone(there.subs)
		ch.mu.Unlock()
		return newRoster(0, there)
	}
	version, windows, older, since := p.version, p.windows, p.older, p.since
	var there crowd
	if older == nil {
		there = p.before()
	}
	ch.mu.Unlock()
	var r *roster
	if older == nil {
		r = newRoster(version, there)
	} else {
		r = older.after(version, since)
	}
	ch.mu.Lock()
	if ch.presence == p && p.windows == windows {
		p.roster, p.older, p.since = r, nil, changes{}
	}
	ch.mu.Unlock()
	return r
}

func newRoster(version uint64, there crowd) *roster {
	places := make([]place, 0, there.len())
	for _, sub := range there.subs {
		places = append(places, sub.place())
	}
	for _, m := range there.remote {
		places = append(places, m.place())
	}
	return &roster{version: version, sessions: sorted(places)}
}

// after is the roster that r has become by changes.
func (r *roster) after(version uint64, changed changes) *roster {
	joined, left := changed.all()
	left, joined = sorted(left), sorted(joined)
	places := make([]place, 0, len(r.sessions)-len(left)+len(joined))
	for i := range r.sessions {
		p := &r.sessions[i]
		if len(left) > 0 && left[0].who == p.who {
			left = left[1:]
			continue
		}
		for len(joined) > 0 && joined[0].compare(p) < 0 {
			places = append(places, joined[0])
			joined = joined[1:]
		}
		places = append(places, *p)
	}
	return &roster{version: version, sessions: append(places, joined...)}
}

func (sub *subscription) place() place {
	return place{since: sub.since, who: sub}
}

func (sub *subscription) sessionID() string { return sub.session.id }

func sorted(places []place) []place {
	slices.SortFunc(places, func(a, b place) int { return a.compare(&b) })
	return places
}

// countMembers counts without looking at anybody, if it can.
func (ch *channel) countMembers(byUser, isLatest bool, elsewhere int) (r Roster, ok bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	p := ch.presence
	count := ch.members()
	if ch.shared == nil || ch.shared.remotes == nil {
		count += elsewhere
	}
	switch {
	case isLatest && byUser && p != nil && p.users != nil:
		return Roster{Count: count, Users: len(p.users)}, true
	case isLatest:
		return Roster{Count: count}, !byUser
	case p == nil:
		return Roster{Count: count}, !byUser
	case byUser && p.users == nil:
		return r, false
	}
	r = Roster{Version: p.version, Count: p.count}
	if byUser {
		r.Users = p.usersCount
	}
	return r, true
}
