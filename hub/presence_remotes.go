package hub

import "time"

// remotes are the members of a channel in other hubs, as far as they have told. They are
// kept while the Neighbours want it, and guarded by channel.mu.
//
// A session is in one hub at a time, but what others say of it comes late: while it moves
// from one to another, both have it. It is shown once, then: as it is here if it is
// here, else as the hub says where it subscribed last.
type remotes struct {
	channel *channel
	first   map[string]*remote       // by session; what else is said of it is behind it
	own     map[string]*subscription // those here, by session
	hidden  int                      // of first that are here, too
	gone    map[string][]*remote     // the remotes that linger, by user
}

func newRemotes(ch *channel) *remotes {
	r := &remotes{channel: ch, first: make(map[string]*remote), own: make(map[string]*subscription, len(ch.subs))}
	for _, sub := range ch.subs {
		r.own[sub.session.id] = sub
	}
	return r
}

// count is how many are shown.
func (r *remotes) count() int { return len(r.first) - r.hidden }

// shown are the remotes that are shown.
func (r *remotes) shown() []*remote {
	list := make([]*remote, 0, r.count())
	for id, m := range r.first {
		if r.hidden == 0 || r.own[id] == nil {
			list = append(list, m)
		}
	}
	return list
}

// enter notes that sub is a member here, before the presence of the channel is told.
func (r *remotes) enter(sub *subscription) {
	id := sub.session.id
	if m := r.first[id]; m != nil && r.own[id] == nil {
		r.hidden++
		r.tellLeft(m)
	}
	r.own[id] = sub
	r.endLinger(sub.user())
}

// exit notes that sub is no member here any more, after the presence of the channel was
// told.
func (r *remotes) exit(sub *subscription) {
	id := sub.session.id
	if r.own[id] != sub {
		return // it has subscribed again
	}
	delete(r.own, id)
	if m := r.first[id]; m != nil {
		r.hidden--
		r.tellJoined(m)
	}
}

// add notes what a node says of a session.
func (r *remotes) add(m *remote) {
	first := r.first[m.id]
	old := first
	for old != nil && old.node != m.node {
		old = old.next
	}
	if old != nil {
		if old.lingers.IsZero() && old.isSame(m) {
			return
		}
		r.forgetLinger(old)
	}
	r.replace(m.id, old, m)
	r.endLinger(m.name)
}

// remove notes that a session is not in the channel through a node any more.
func (r *remotes) remove(node, id string) {
	if m := r.find(node, id); m != nil {
		r.forgetLinger(m)
		r.replace(id, m, nil)
	}
}

func (r *remotes) find(node, id string) *remote {
	m := r.first[id]
	for m != nil && m.node != node {
		m = m.next
	}
	return m
}

// replace takes old out of the remotes of a session, and puts m in, either of which may
// be nil.
func (r *remotes) replace(id string, old, m *remote) {
	shown := r.first[id]
	head := shown
	if old != nil {
		at := &head
		for *at != old {
			at = &(*at).next
		}
		*at = old.next
	}
	if m != nil {
		at := &head
		for *at != nil && (*at).isBefore(m) {
			at = &(*at).next
		}
		m.next, *at = *at, m
	}
	isHere := r.own[id] != nil
	switch {
	case head == nil:
		delete(r.first, id)
	default:
		r.first[id] = head
	}
	switch {
	case head == shown:
	case isHere && shown == nil:
		r.hidden++
	case isHere && head == nil:
		r.hidden--
	case !isHere:
		if shown != nil {
			r.tellLeft(shown)
		}
		if head != nil {
			r.tellJoined(head)
		}
	}
}

func (r *remotes) tellJoined(m *remote) {
	if p := r.channel.presence; p != nil {
		p.joinRemote(m)
	}
}

func (r *remotes) tellLeft(m *remote) {
	if p := r.channel.presence; p != nil {
		p.leaveRemote(m)
	}
}

// replaceNode has members be all there are through a node.
func (r *remotes) replaceNode(node string, members []Member) {
	there := make(map[string]bool, len(members))
	for i := range members {
		there[members[i].ID] = true
	}
	for id := range r.first {
		if !there[id] {
			r.remove(node, id)
		}
	}
	for i := range members {
		r.add(newRemote(node, &members[i]))
	}
}

// keepLingering removes those through a node that do not linger.
func (r *remotes) keepLingering(node string) {
	for id := range r.first {
		if m := r.find(node, id); m != nil && m.lingers.IsZero() {
			r.replace(id, m, nil)
		}
	}
}

// clear removes all.
func (r *remotes) clear() {
	for id, m := range r.first {
		if r.own[id] == nil {
			r.tellLeft(m)
		}
	}
	*r = remotes{channel: r.channel}
}

// linger notes that a session has left a node that ends. Its client is about to come back
// through another one: its user is not to seem to have gone. So it stays until a session
// of its user comes, or endLingerOf is called. Others leave at once.
func (r *remotes) linger(node, id string, now time.Time) {
	m := r.find(node, id)
	switch {
	case m == nil || !m.lingers.IsZero():
	case m.name == "":
		r.remove(node, id)
	default:
		m.lingers = now
		if r.gone == nil {
			r.gone = make(map[string][]*remote)
		}
		r.gone[m.name] = append(r.gone[m.name], m)
	}
}

// endLinger removes the lingering remotes of a user that has come back.
func (r *remotes) endLinger(user string) {
	if len(r.gone) == 0 || user == "" {
		return
	}
	list := r.gone[user]
	delete(r.gone, user)
	for _, m := range list {
		r.replace(m.id, m, nil)
	}
}

// endLingerOf removes those of a node that have not come back since before, and returns whether
// some are left.
func (r *remotes) endLingerOf(node string, before time.Time) (isLeft bool) {
	for user, list := range r.gone {
		left := list[:0:0]
		for _, m := range list {
			if m.node == node && !m.lingers.After(before) {
				r.replace(m.id, m, nil)
				continue
			}
			isLeft = isLeft || m.node == node
			left = append(left, m)
		}
		if len(left) == 0 {
			delete(r.gone, user)
		} else {
			r.gone[user] = left
		}
	}
	return isLeft
}

// forgetLinger takes m out of the lingering remotes.
func (r *remotes) forgetLinger(m *remote) {
	if m.lingers.IsZero() {
		return
	}
	list := r.gone[m.name]
	for i := range list {
		if list[i] == m {
			list[i] = list[len(list)-1]
			list = list[:len(list)-1]
			break
		}
	}
	if len(list) == 0 {
		delete(r.gone, m.name)
	} else {
		r.gone[m.name] = list
	}
}
