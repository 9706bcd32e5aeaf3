package hub

// usersPresence is a channel's record of the users among its members. It is kept while a
// session watches them.
type usersPresence struct {
	watching   int            // how many do
	users      map[string]int // the sessions of each; nil while no session watches
	usersCount int            // at the end of the last window
	previous   uint64         // the version of the last Changes by user
	touched    map[string]userChange

	// A user stands where its session does that has been there the longest. One of another hub
	// may become known late, and take the user to before the cursor of a reader of pages: that
	// reader would see it on none of them, and is told of no new user.
	cursor int64 // the greatest since of a cursor that was given out
	late   int64 // the least since of the members that joined since the last window, 0 if there is none
}

// userChange is a user with sessions that came or went since the last window.
type userChange struct {
	before int      // sessions at its beginning
	who    attendee // the last one that came, else one that went
}

// beginUsers counts the users, for one more that watches; the mutex of the channel is held.
func (p *presence) beginUsers() {
	if p.watching++; p.watching > 1 {
		return
	}
	p.users, p.previous = make(map[string]int), p.version
	p.cursor, p.late = 0, 0
	// If a window runs: the members before it, and then the changes.
	for who := range p.before().all {
		if user := who.user(); user != "" {
			p.users[user]++
		}
	}
	p.usersCount = len(p.users)
	joined, left := p.changed.all()
	for _, at := range left {
		p.leaveUser(at.who)
	}
	for _, at := range joined {
		p.joinUser(at.who)
	}
}

func (p *presence) endUsers() {
	if p.watching--; p.watching == 0 {
		p.usersPresence = usersPresence{}
	}
}

func (p *usersPresence) joinUser(who attendee) {
	if p.users == nil {
		return
	}
	if user := who.user(); user != "" {
		if m, ok := who.(*remote); ok {
			p.noteLate(m)
		}
		p.touch(user, who, true)
		p.users[user]++
	}
}

func (p *usersPresence) leaveUser(who attendee) {
	if p.users == nil {
		return
	}
	if user := who.user(); user != "" {
		p.touch(user, who, false)
		if p.users[user]--; p.users[user] == 0 {
			delete(p.users, user)
		}
	}
}

// noteLate notes that m is about to join, which may take its user to where a page was read
// already.
func (p *usersPresence) noteLate(m *remote) {
	if p.users[m.name] > 0 || p.touched[m.name].before > 0 {
		if p.late == 0 || m.since < p.late {
			p.late = m.since
		}
	}
}

// touch notes how many sessions a user had before the first change of a window.
func (p *usersPresence) touch(user string, who attendee, joins bool) {
	c, ok := p.touched[user]
	if !ok {
		c = userChange{p.users[user], who}
	}
	if joins {
		c.who = who
	}
	if p.touched == nil {
		p.touched = make(map[string]userChange)
	}
	p.touched[user] = c
}

// endUsersWindow returns which users are new, and which are gone, in the version that
// begins now.
func (p *usersPresence) endUsersWindow(version uint64) (n news) {
	if p.users == nil {
		return n
	}
	n.byUser = true
	for user, c := range p.touched {
		if (c.before > 0) != (p.users[user] > 0) {
			n.changes++
		}
	}
	switch {
	case p.late == 0 || p.late > p.cursor:
		p.late = 0
	case version > p.previous: // else with the next version
		n.isPartial, n.changes, p.late = true, max(n.changes, 1), 0
	}
	if n.changes > 0 && n.changes <= ChangesMax {
		for user, c := range p.touched {
			now := p.users[user]
			at := c.who.place()
			at.sessions = now
			switch {
			case c.before == 0 && now > 0:
				n.joined = append(n.joined, at)
			case c.before > 0 && now == 0:
				n.left = append(n.left, at)
			}
		}
	}
	n.version, n.previous, n.count = version, p.previous, len(p.users)
	if n.changes > 0 {
		p.previous = version
	}
	p.usersCount = len(p.users)
	if len(p.touched) > ChangesMax {
		p.touched = nil
	} else {
		clear(p.touched)
	}
	return n
}
