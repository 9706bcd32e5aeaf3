package hub

import (
	"slices"
	"time"
)

// ChangesMax bounds the members in one Changes, and in all that wait for one session
// and channel. With more they are partial.
const ChangesMax = 100

// changesBytesMax bounds the names and Info of the members in one Changes.
const changesBytesMax = 64 << 10

// joinWindowMin is the shortest window. Versions ascend from the time in milliseconds, so
// that those of a channel which is watched again are greater than before.
const joinWindowMin = time.Millisecond

// checkJoins returns nil if members may be told of each other's coming and going.
func (p *Policy) checkJoins() error {
	switch {
	case p.NoPresence:
		return ErrNoPresence
	case p.NoJoins:
		return ErrNoJoins
	}
	return nil
}

// joinWindow is for how long changes are collected in a channel with the policy p.
func (h *Hub) joinWindow(p *Policy) time.Duration {
	window := p.JoinWindow
	if window <= 0 {
		window = h.options.JoinWindow
	}
	return max(window, joinWindowMin)
}

// watch is a subscription that is told of its channel's members.
type watch struct {
	sub    *subscription
	byUser bool
	index  int // in presence.watches; guarded by channel.mu

	// Guarded by session.mu:

	waiting   int    // entries of the session's queue
	members   int    // in them
	isPartial bool   // the last of them is
	version   uint64 // of the last Changes that were queued
}

// presence is what a channel that is watched knows of its members besides the list. It
// is there while a session watches, and guarded by the mutex of the channel.
//
//	first change ─► window runs ─► it ends: one Changes for all watchers
//	                 │ more changes                │ changes come while they are told
//	                 └─► collected by session      └─► the next window
type presence struct {
	channel *channel
	hub     *Hub
	watches []*watch
	lent    bool // watches is being read

	window    time.Duration
	timer     *time.Timer // nil before the first change
	isDue     bool        // it runs
	isTelling bool        // a window has ended, and the watchers are being told

	// As of the end of the last window, or of the beginning:

	version uint64
	count   int     // of members
	roster  *roster // nil until it is asked for
	windows uint64  // how many have ended, also without news

	changed changes // since then

	// The roster of the window before, if that was asked for, and what had changed when
	// the last one ended: the roster is made of these without sorting. Neither is
	// modified.
	older *roster
	since changes

	usersPresence
}

// beginWatch has sub told of the members, from the outcome of its Subscribe on, and
// returns how many there are.
func (s *Session) beginWatch(sub *subscription, byUser bool) (count int) {
	w := &watch{sub: sub, byUser: byUser}
	s.lock()
	under := s.needCommands()
	if under.watches == nil {
		under.watches = make(map[*subscription]*watch)
	}
	under.watches[sub] = w
	s.mu.Unlock()
	window := s.hub.joinWindow(s.hub.policy(sub.channel.name))
	if m := s.hub.mirror.Load(); m != nil {
		m.neighbours.Watch(sub.channel.name)
	}
	return sub.channel.watch(s.hub, w, window)
}

// endWatch is called when sub has left its channel, which is watched.
func (s *Session) endWatch(sub *subscription) {
	s.lock()
	w := s.takeWatch(sub)
	s.mu.Unlock()
	if w != nil {
		sub.channel.unwatch(w)
	}
}

// takeWatch ends the news of members for sub, and drops those that are queued. It
// returns the watch to be taken out of the channel, nil for none; s.mu is held.
func (s *Session) takeWatch(sub *subscription) *watch {
	w := s.watchOf(sub)
	if w != nil {
		s.dropChanges(sub)
		delete(s.commands.watches, sub)
	}
	return w
}

func (ch *channel) watch(h *Hub, w *watch, window time.Duration) (count int) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	p := ch.presence
	if p == nil {
		p = &presence{channel: ch, hub: h, window: window, version: uint64(time.Now().UnixMilli()), count: ch.members()}
		ch.presence = p
	}
	w.index = len(p.watches)
	p.watches = append(p.watches, w)
	if w.byUser {
		p.beginUsers()
		return len(p.users)
	}
	return ch.members()
}

func (ch *channel) unwatch(w *watch) {
	if m := w.sub.session.hub.mirror.Load(); m != nil {
		defer m.neighbours.Unwatch(ch.name)
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	p := ch.presence
	last := len(p.watches) - 1
	if last == 0 {
		if p.timer != nil {
			p.timer.Stop()
		}
		ch.presence = nil
		return
	}
	if p.lent || cap(p.watches) > 64 && last < cap(p.watches)/4 {
		p.watches = slices.Clone(p.watches)
		p.lent = false
	}
	moved := p.watches[last]
	p.watches[w.index], moved.index = moved, w.index
	p.watches[last] = nil
	p.watches = p.watches[:last]
	if w.byUser {
		p.endUsers()
	}
}

// join notes that sub is a member now.
func (p *presence) join(sub *subscription) {
	if note(&p.changed.own, sub.session, sub, true) {
		p.arm()
	}
	p.joinUser(sub)
}

// leave notes that sub is no member any more.
func (p *presence) leave(sub *subscription) {
	if note(&p.changed.own, sub.session, sub, false) {
		p.arm()
	}
	p.leaveUser(sub)
}

// joinRemote and leaveRemote are join and leave for the shown remotes of another hub.
func (p *presence) joinRemote(m *remote) {
	if note(&p.changed.remote, m.id, m, true) {
		p.arm()
	}
	p.joinUser(m)
}

func (p *presence) leaveRemote(m *remote) {
	if note(&p.changed.remote, m.id, m, false) {
		p.arm()
	}
	p.leaveUser(m)
}

// arm begins a window, unless one runs or the last one is not over yet.
func (p *presence) arm() {
	if p.isDue || p.isTelling {
		return
	}
	p.isDue = true
	if p.timer == nil {
		p.timer = time.AfterFunc(p.window, func() { p.tell() })
	} else {
		p.timer.Reset(p.window)
	}
}

// before returns the members at the end of the last window; the mutex of the channel is
// held.
func (p *presence) before() crowd {
	now := p.channel.crowd()
	if p.changed.len() == 0 {
		now.subs = slices.Clone(now.subs)
		return now
	}
	was := crowd{subs: make([]*subscription, 0, len(now.subs))}
	for _, sub := range now.subs {
		if p.changed.own[sub.session].joined != sub {
			was.subs = append(was.subs, sub)
		}
	}
	for _, m := range now.remote {
		if p.changed.remote[m.id].joined != m {
			was.remote = append(was.remote, m)
		}
	}
	for _, c := range p.changed.own {
		if c.left != nil {
			was.subs = append(was.subs, c.left)
		}
	}
	for _, c := range p.changed.remote {
		if c.left != nil {
			was.remote = append(was.remote, c.left)
		}
	}
	return was
}

// tell ends the window: the watchers are given one Changes of it. It is called by
// the timer, with no lock held.
func (p *presence) tell() {
	ch := p.channel
	policy := p.hub.policy(ch.name)
	window := p.hub.joinWindow(policy)
	isSecret := policy.checkJoins() != nil

	ch.mu.Lock()
	if ch.presence != p {
		ch.mu.Unlock()
		return
	}
	sessions, users := p.end()
	p.window = window
	p.isDue, p.isTelling, p.lent = false, true, true
	watches := p.watches
	ch.mu.Unlock()

	if !isSecret {
		bySession, byUser := sessions.owed(ch.name), users.owed(ch.name)
		for _, w := range watches {
			o := bySession
			if w.byUser {
				o = byUser
			}
			if o != nil {
				w.sub.session.offerChanges(w, o)
			}
		}
	}

	ch.mu.Lock()
	p.lent, p.isTelling = false, false
	if ch.presence == p && p.changed.len() > 0 {
		p.arm()
	}
	ch.mu.Unlock()
}

// news are the changes of a window, before they are made a Changes.
type news struct {
	count, changes    int // of members, and of members that came or went
	version, previous uint64
	byUser            bool
	isPartial         bool    // whatever there is
	joined, left      []place // nil if there are more than ChangesMax
}

// end begins a new version of the roster, and returns its news.
func (p *presence) end() (sessions, users news) {
	count := p.channel.members()
	if sessions.changes = p.changed.news(); sessions.changes > 0 && sessions.changes <= ChangesMax {
		sessions.joined, sessions.left = p.changed.places()
	}
	sessions.previous = p.version
	if sessions.changes > 0 {
		p.version++
	}
	sessions.version, sessions.count, p.count = p.version, count, count
	p.windows++
	p.older, p.since = nil, changes{}
	switch n := p.changed.len(); {
	case p.roster != nil && n <= ChangesMax+count/8:
		// Not more, because attendees that left stay in memory with it.
		p.older, p.since, p.changed = p.roster, p.changed, changes{}
	case n > ChangesMax:
		p.changed = changes{} // its memory goes with it
	default:
		clear(p.changed.own)
		clear(p.changed.remote)
	}
	p.roster = nil
	return sessions, p.endUsersWindow(p.version)
}

// owed is n as a push for every watcher; nil if nothing is new.
func (n *news) owed(channel string) *owed {
	if n.changes == 0 {
		return nil
	}
	c := &Changes{Channel: channel, Version: n.version, Previous: n.previous, Count: n.count, ByUser: n.byUser, shared: &encodedChanges{}}
	bytes := 0
	list := func(places []place) []Member {
		if len(places) == 0 {
			return nil
		}
		places = sorted(places)
		members := make([]Member, len(places))
		for i := range places {
			if n.byUser {
				members[i] = places[i].who.memberOfUser(places[i].sessions)
			} else {
				members[i] = places[i].who.member()
			}
			bytes += members[i].bytes()
		}
		return members
	}
	c.Joined, c.Left = list(n.joined), list(n.left)
	if bytes > changesBytesMax || n.changes > ChangesMax || n.isPartial {
		c.Joined, c.Left, c.IsPartial = nil, nil, true
	}
	return &owed{Push: Push{Channel: channel, Changes: c}}
}
