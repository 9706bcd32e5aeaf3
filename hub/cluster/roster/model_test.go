package roster_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// model is a cluster in which everything happens at random.
type model struct {
	t        *testing.T
	w        *world
	random   *rand.Rand
	nodes    []*node
	born     int
	sessions map[*session]map[string]bool // and the channels that each is in
	watches  []*viewer
	tried    tried
}

// tried counts the events, so that the test tries enough.
type tried struct{ kills, drains, cuts, losses, pages, partials, missed, loaded int }

// channelsOfModel are the channels that members come to. One is seldom watched.
var channelsOfModel = []string{"a", "b/c", "größe", "with space"}

// viewer is a client that keeps the members of a channel as docs/protocol.md says.
type viewer struct {
	m       *model
	s       *session
	channel string
	byUser  bool

	hasBegun bool
	members  map[string]bool
	next     string
	isWhole  bool
	asking   bool
	again    bool
}

func (v *viewer) key(m hub.Member) string {
	if v.byUser {
		return m.User
	}
	return m.ID
}

func (v *viewer) restart() {
	v.members, v.next, v.isWhole, v.again = map[string]bool{}, "", false, v.asking
}

// take applies the changes that have come, and asks for the missing ones.
func (v *viewer) take() {
	pushes, err := v.s.Take(nil)
	if err != nil {
		v.m.t.Fatal(err)
	}
	for _, p := range pushes {
		switch o, c := p.Outcome, p.Changes; {
		case o != nil && o.Command == hub.CommandPresence:
			if o.Err != nil {
				v.m.t.Fatal(o.Err)
			}
			v.asking = false
			if v.again {
				v.again = false
				continue
			}
			v.m.tried.pages++
			for _, member := range o.Roster.Members {
				v.members[v.key(member)] = true
			}
			v.next = o.Roster.Next
			v.isWhole = v.next == ""
		case o != nil && o.Err != nil: // the broker was away
			v.s.Close()
			delete(v.m.sessions, v.s)
			v.m.watches = slices.DeleteFunc(slices.Clone(v.m.watches), func(o *viewer) bool { return o == v })
			return
		case o != nil && o.Command == hub.CommandSubscribe:
			v.hasBegun = true
		case c != nil && c.IsPartial:
			v.m.tried.partials++
			v.restart()
		case c != nil:
			for _, member := range c.Joined {
				v.members[v.key(member)] = true
			}
			for _, member := range c.Left {
				delete(v.members, v.key(member))
			}
		}
	}
	if v.hasBegun && !v.isWhole && !v.asking {
		v.asking = true
		v.s.Presence(9, v.channel, hub.PresenceQuery{After: v.next, Limit: 1 + v.m.random.IntN(40), ByUser: v.byUser})
	}
}

// truth is the members of a channel on the nodes that are there.
func (m *model) truth(channel string, byUser bool) map[string]bool {
	all := map[string]bool{}
	for s, channels := range m.sessions {
		switch {
		case !channels[channel]:
		case !byUser:
			all[s.ID()] = true
		case s.user != "":
			all[s.user] = true
		}
	}
	return all
}

func (m *model) node() *node       { return m.nodes[m.random.IntN(len(m.nodes))] }
func (m *model) channel() string   { return channelsOfModel[m.random.IntN(len(channelsOfModel))] }
func (m *model) chance(n int) bool { return m.random.IntN(n) == 0 }

func (m *model) begin() {
	m.born++
	n := m.w.begin(fmt.Sprint("n", m.born))
	m.nodes = append(m.nodes, n)
	// One user is everywhere from the beginning, so that others can come while the broker is away.
	s := n.connect(anchor)
	m.sessions[s] = map[string]bool{}
	for _, channel := range channelsOfModel {
		m.toggle(s, channel)
	}
}

const anchor = "anchor"

func (m *model) user() string {
	if m.chance(5) {
		return ""
	}
	return fmt.Sprint("user", m.random.IntN(40))
}

func (m *model) toggle(s *session, channel string) {
	if m.sessions[s][channel] {
		s.Unsubscribe(0, channel)
		delete(m.sessions[s], channel)
	} else {
		s.Subscribe(0, channel, hub.SubscribeOptions{})
		m.sessions[s][channel] = true
	}
}

// some is one of the sessions that do not watch, always the same one of a seed.
func (m *model) some() *session {
	var list []*session
	for s := range m.sessions {
		if s.user != anchor && !slices.ContainsFunc(m.watches, func(v *viewer) bool { return v.s == s }) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b *session) int { return a.number - b.number })
	return list[m.random.IntN(len(list))]
}

// forget forgets the members on a node.
func (m *model) forget(n *node) {
	maps.DeleteFunc(m.sessions, func(s *session, _ map[string]bool) bool { return s.n == n })
	m.watches = slices.DeleteFunc(m.watches, func(v *viewer) bool { return v.s.n == n })
	m.nodes = slices.DeleteFunc(m.nodes, func(o *node) bool { return o == n })
}

func (m *model) step() {
	switch n := m.random.IntN(100); {
	case n < 30:
		s := m.node().connect(m.user())
		m.sessions[s] = map[string]bool{}
		m.toggle(s, m.channel())
	case n < 55:
		if s := m.some(); s != nil {
			m.toggle(s, m.channel())
		}
	case n < 62:
		if s := m.some(); s != nil {
			s.Close()
			delete(m.sessions, s)
		}
	case n < 64: // many at once
		at, channel := m.node(), m.channel()
		for range 120 {
			s := at.connect(m.user())
			m.sessions[s] = map[string]bool{}
			m.toggle(s, channel)
		}
	case n < 66: // and many go
		for range m.random.IntN(200) {
			if s := m.some(); s != nil {
				s.Close()
				delete(m.sessions, s)
			}
		}
	case n < 70:
		m.watch()
	case n < 74: // a caller asks
		_, _ = m.node().hub.ListMembers(m.channel(), hub.PresenceQuery{})
		m.node().hub.BeginMembers(m.channel(), hub.PresenceQuery{ByUser: m.chance(2), CountOnly: m.chance(2)}, func(_ hub.Roster, err error) {
			if err != nil {
				m.t.Error(err)
			}
		})
	case n < 75:
		if len(m.nodes) < 4 {
			m.begin()
		}
	case n < 76:
		if len(m.nodes) > 2 {
			n := m.node()
			if m.chance(2) {
				m.tried.kills++
				n.kill()
			} else {
				m.tried.drains++
				n.drain()
			}
			m.forget(n)
		}
	case n < 78: // a connection breaks for a while
		b := m.node().broker
		m.tried.cuts++
		b.Cut()
		time.AfterFunc(time.Duration(m.random.IntN(20_000))*time.Millisecond, b.Mend)
	case n < 82: // messages are late, or lost, for a while
		b, delay, part := m.node().broker, time.Duration(m.random.IntN(3000))*time.Millisecond, 1+m.random.IntN(4)
		count := atomic.Int64{}
		m.tried.losses++
		b.Trouble(brokertest.BusTrouble{Delay: delay, Lose: func(*brokertest.SharedBroker, string, []byte) bool { return count.Add(1)%int64(part) == 0 }})
		time.AfterFunc(time.Duration(m.random.IntN(10_000))*time.Millisecond, func() { b.Trouble(brokertest.BusTrouble{}) })
	default:
		<-time.After(time.Duration(m.random.IntN(1500)) * time.Millisecond)
	}
	synctest.Wait()
	m.take()
}

// take takes the changes of every watcher. A subscription fails while the broker is away,
// unless it need not be asked.
func (m *model) take() {
	isWatching := map[*session]bool{}
	for _, v := range m.watches {
		isWatching[v.s] = true
		v.take()
	}
	for s, channels := range m.sessions {
		if isWatching[s] {
			continue
		}
		pushes, err := s.Take(nil)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, p := range pushes {
			if p.Outcome != nil && p.Outcome.Err != nil {
				delete(channels, p.Channel)
			}
		}
	}
}

// watch begins a watch.
func (m *model) watch() {
	if len(m.watches) >= 12 {
		v := m.watches[m.random.IntN(len(m.watches))]
		v.s.Close()
		delete(m.sessions, v.s)
		m.watches = slices.DeleteFunc(m.watches, func(o *viewer) bool { return o == v })
	}
	v := &viewer{m: m, s: m.node().connect(m.user()), channel: m.channel(), byUser: m.chance(2)}
	v.restart()
	v.s.Subscribe(8, v.channel, hub.SubscribeOptions{Presence: true, PresenceByUser: v.byUser})
	m.sessions[v.s] = map[string]bool{v.channel: true}
	m.watches = append(m.watches, v)
}

// check waits until everything has settled, and compares the members that every node and
// every watcher knows with those that are there.
func (m *model) check() {
	m.t.Helper()
	for _, n := range m.nodes {
		n.broker.Mend()
		n.broker.Trouble(brokertest.BusTrouble{})
	}
	for range 60 {
		pass(time.Second)
		m.take()
	}
	for _, v := range m.watches {
		for !v.isWhole || v.asking {
			pass(time.Second)
			v.take()
		}
		if want := m.truth(v.channel, v.byUser); !maps.Equal(v.members, want) {
			known, _ := v.s.n.list(v.channel, hub.PresenceQuery{ByUser: v.byUser, Limit: 1000})
			for _, one := range known {
				if !v.members[v.key(one)] {
					m.t.Errorf("the node knows %+v", one)
				}
			}
			for s, channels := range m.sessions {
				if !v.byUser && channels[v.channel] != v.members[s.ID()] {
					m.t.Errorf("known %v, there %v: %q of %s, in order %d", v.members[s.ID()], channels[v.channel], s.user, s.n.name, s.number)
				}
			}
			m.t.Errorf("the node knows %d", len(known))
			m.t.Fatalf("who watches %q on %s, by user %v, knows %d members, want %d", v.channel, v.s.n.name, v.byUser, len(v.members), len(want))
		}
	}
	for _, channel := range channelsOfModel {
		want := m.truth(channel, false)
		var first []hub.Member
		for _, n := range m.nodes {
			members, last := n.list(channel, hub.PresenceQuery{Limit: 100})
			got := map[string]bool{}
			for _, one := range members {
				got[one.ID] = true
			}
			if !maps.Equal(got, want) || len(members) != len(want) || last.Count != len(want) {
				m.t.Errorf("%s knows %d members of %q and counts %d, want %d", n.name, len(members), channel, last.Count, len(want))
				for s, channels := range m.sessions {
					if channels[channel] != got[s.ID()] {
						m.t.Errorf("known %v, there %v: %q of %s", got[s.ID()], channels[channel], s.user, s.n.name)
					}
					delete(got, s.ID())
				}
				m.t.Fatalf("known and nowhere: %v", got)
			}
			if first == nil {
				first = members
			} else if !slices.Equal(first, members) {
				m.t.Fatalf("%s has the members of %q in another order than %s", n.name, channel, m.nodes[0].name)
			}
		}
	}
	for _, n := range m.nodes {
		s := n.roster.Stats()
		m.tried.missed += int(s.Missed)
		m.tried.loaded += int(s.Loaded)
	}
}

// TestModel: messages are lost or late, connections cut, nodes killed or ended; in the end every
// node and every watcher knows the members of each channel.
func TestModel(t *testing.T) {
	seeds, steps := uint64(8), 150
	if testing.Short() {
		seeds = 3
	}
	var sum tried
	for seed := range seeds {
		inBubble(t, func(t *testing.T, w *world) {
			defer func() {
				if t.Failed() {
					t.Logf("this was the seed %d", seed)
				}
			}()
			m := &model{t: t, w: w, random: rand.New(rand.NewPCG(seed, 13)), sessions: map[*session]map[string]bool{}}
			for range 3 {
				m.begin()
			}
			<-m.nodes[2].node.Joined()
			for range 4 {
				for range steps {
					m.step()
				}
				m.check()
			}
			sum.kills += m.tried.kills
			sum.drains += m.tried.drains
			sum.cuts += m.tried.cuts
			sum.losses += m.tried.losses
			sum.pages += m.tried.pages
			sum.partials += m.tried.partials
			sum.missed += m.tried.missed
			sum.loaded += m.tried.loaded
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%+v", sum)
	if n := int(seeds); sum.kills < n || sum.drains < n || sum.cuts < 4*n || sum.losses < 8*n || sum.partials < n || sum.missed < n || sum.loaded < 100*n {
		t.Errorf("this tries too little: %+v", sum)
	}
}
