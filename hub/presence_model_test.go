package hub_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// follower is a client that keeps a roster as the documentation of hub.Changes and
// hub.Roster says: it reads pages, and applies everything in the order in which it
// comes.
type follower struct {
	t      *testing.T
	e      *edge
	byUser bool
	isSlow bool // it takes seldom

	members   map[string]bool
	next      string
	isWhole   bool // every page was read
	isAsking  bool
	again     bool // the page that it waits for is of a roster that is out of date
	last      uint64
	tried     *[2]int // pages and partial changes of all followers
	tag       uint64
	histories []hub.Changes
}

func (f *follower) key(m hub.Member) string {
	if f.byUser {
		return m.User
	}
	return m.ID
}

// ask asks for the next page, unless it has all.
func (f *follower) ask(limit int) {
	if f.isWhole || f.isAsking {
		return
	}
	f.isAsking = true
	f.tag++
	f.e.Presence(f.tag, "c", hub.PresenceQuery{After: f.next, Limit: limit, ByUser: f.byUser})
}

func (f *follower) restart() {
	f.members, f.next, f.isWhole, f.again = map[string]bool{}, "", false, f.isAsking
}

// take takes what there is.
func (f *follower) take() {
	for _, p := range f.e.drain() {
		switch {
		case p.Outcome != nil:
			f.page(p.Outcome)
		case p.Changes != nil:
			f.change(p.Changes)
		}
	}
}

func (f *follower) page(o *hub.Outcome) {
	if o.Err != nil {
		f.t.Fatal("Presence:", o.Err)
	}
	f.isAsking = false
	r := o.Roster
	if r.Version < f.last {
		f.t.Fatalf("a roster of version %d comes after changes of version %d", r.Version, f.last)
	}
	if f.again {
		f.again = false
		return
	}
	f.tried[0]++
	for _, m := range r.Members {
		f.members[f.key(m)] = true
	}
	f.next = r.Next
	f.isWhole = r.Next == ""
}

func (f *follower) change(c *hub.Changes) {
	if c.ByUser != f.byUser || c.Version <= c.Previous || f.last != 0 && c.Previous != f.last {
		f.t.Fatalf("after version %d come changes from %d to %d, by user %v", f.last, c.Previous, c.Version, c.ByUser)
	}
	f.last = c.Version
	f.histories = append(f.histories, *c)
	if c.IsPartial {
		f.tried[1]++
		f.restart()
		return
	}
	if len(c.Joined)+len(c.Left) == 0 || len(c.Joined)+len(c.Left) > hub.ChangesMax {
		f.t.Fatalf("changes have %d and %d members", len(c.Joined), len(c.Left))
	}
	for _, m := range c.Joined {
		f.members[f.key(m)] = true
	}
	for _, m := range c.Left {
		delete(f.members, f.key(m))
	}
}

// presenceModel is a channel whose members come and go at random.
type presenceModel struct {
	t         *testing.T
	h         *hub.Hub
	random    *rand.Rand
	edges     []*edge
	users     map[*edge]string
	isThere   map[*edge]bool
	followers []*follower
	snapshots []snapshot
	tried     [2]int
}

// snapshot is a roster that a session has read that does not watch.
type snapshot struct {
	version uint64
	members map[string]bool
}

func (m *presenceModel) truth(byUser bool) map[string]bool {
	all := map[string]bool{}
	for e, isThere := range m.isThere {
		switch {
		case !isThere:
		case !byUser:
			all[e.ID()] = true
		case m.users[e] != "":
			all[m.users[e]] = true
		}
	}
	return all
}

func (m *presenceModel) step() {
	switch n := m.random.IntN(100); {
	case n < 50: // a session comes or goes
		m.toggle(m.edges[m.random.IntN(len(m.edges))])
	case n < 52: // many do
		for range m.random.IntN(500) {
			m.toggle(m.edges[m.random.IntN(len(m.edges))])
		}
	case n < 54: // a session leaves for good, and another one takes the place
		i := m.random.IntN(len(m.edges))
		e := m.edges[i]
		e.Close()
		delete(m.isThere, e)
		m.edges[i] = m.connect()
	case n < 70:
		f := m.followers[m.random.IntN(len(m.followers))]
		f.ask(1 + m.random.IntN(40))
	case n < 74: // a session that does not watch reads the roster
		r, err := m.h.ListMembers("c", hub.PresenceQuery{Limit: hub.NoLimit})
		if err != nil {
			m.t.Fatal(err)
		}
		if r.Version != 0 && len(m.snapshots) < 20 {
			s := snapshot{r.Version, map[string]bool{}}
			for _, member := range r.Members {
				s.members[member.ID] = true
			}
			m.snapshots = append(m.snapshots, s)
		}
	case n < 76: // a follower comes
		if len(m.followers) < 12 {
			m.follow()
		}
	case n < 78: // or goes
		if len(m.followers) > 3 {
			i := 2 + m.random.IntN(len(m.followers)-2)
			f := m.followers[i]
			f.e.Close()
			delete(m.isThere, f.e)
			m.followers = append(m.followers[:i], m.followers[i+1:]...)
		}
	case n < 95:
		<-time.After(time.Duration(m.random.IntN(700)) * time.Millisecond)
	default:
		publish(m.t, m.h, "c", "x")
	}
	synctest.Wait()
	for _, f := range m.followers {
		if !f.isSlow || m.random.IntN(50) == 0 {
			f.take()
		}
	}
}

func (m *presenceModel) toggle(e *edge) {
	if m.isThere[e] {
		e.unsubscribe("c")
	} else {
		e.subscribe("c", hub.SubscribeOptions{})
	}
	m.isThere[e] = !m.isThere[e]
}

func (m *presenceModel) connect() *edge {
	user := ""
	if n := m.random.IntN(240); n < 200 {
		user = fmt.Sprint("user", n)
	}
	e := connectUser(m.t, m.h, user)
	m.users[e] = user
	return e
}

func (m *presenceModel) follow() {
	f := &follower{t: m.t, e: m.connect(), tried: &m.tried, byUser: m.random.IntN(2) == 0, isSlow: m.random.IntN(3) == 0}
	f.restart()
	o := f.e.outcome(func(tag uint64) {
		f.e.Subscribe(tag, "c", hub.SubscribeOptions{Presence: true, PresenceByUser: f.byUser})
	})
	m.isThere[f.e] = true
	if want := len(m.truth(f.byUser)); o.Err != nil || o.Count != want {
		m.t.Fatalf("a subscription begins with %d members, %v; want %d", o.Count, o.Err, want)
	}
	f.tag = 1000
	f.take()
	m.followers = append(m.followers, f)
}

// check waits for the end of the window, has every watcher read the rest, and compares.
func (m *presenceModel) check() {
	m.t.Helper()
	for range 3 { // reading can meet the end of a window
		<-time.After(2 * time.Second)
		synctest.Wait()
		for _, f := range m.followers {
			for f.take(); !f.isWhole; f.take() {
				f.ask(50)
				synctest.Wait()
			}
		}
	}
	for i, f := range m.followers {
		if want := m.truth(f.byUser); !maps.Equal(f.members, want) {
			m.t.Fatalf("follower %d, by user %v, has %d members, want %d", i, f.byUser, len(f.members), len(want))
		}
	}
	want := m.truth(false)
	for _, s := range m.snapshots {
		whole := true
		for _, c := range m.followers[0].histories {
			if c.Version <= s.version {
				continue
			}
			whole = whole && !c.IsPartial
			for _, member := range c.Joined {
				s.members[member.ID] = true
			}
			for _, member := range c.Left {
				delete(s.members, member.ID)
			}
		}
		if whole && !maps.Equal(s.members, want) {
			m.t.Fatalf("a roster of version %d and the changes since have %d members, want %d", s.version, len(s.members), len(want))
		}
	}
	m.snapshots = nil
	m.followers[0].histories = nil
}

// TestPresenceModel: rosters and changes add up to the present members.
func TestPresenceModel(t *testing.T) {
	for _, isImmediate := range []bool{true, false} {
		t.Run(fmt.Sprint("immediate=", isImmediate), func(t *testing.T) {
			seeds := 8
			if testing.Short() {
				seeds = 3
			}
			partials, pages := 0, 0
			for seed := range uint64(seeds) {
				synctest.Test(t, func(t *testing.T) {
					var broker hub.Broker = newBroker()
					if !isImmediate {
						broker = struct{ hub.Broker }{broker}
					}
					m := &presenceModel{
						t: t, h: newHub(t, broker, nil), random: rand.New(rand.NewPCG(seed, 7)),
						users: map[*edge]string{}, isThere: map[*edge]bool{},
					}
					for range 300 {
						m.edges = append(m.edges, m.connect())
					}
					for len(m.followers) < 2 || m.followers[0].byUser || m.followers[0].isSlow {
						if len(m.followers) > 0 && (m.followers[0].byUser || m.followers[0].isSlow) {
							m.followers[0].e.Close()
							delete(m.isThere, m.followers[0].e)
							m.followers = m.followers[1:]
						}
						m.follow()
					}
					for range 25 {
						for range 60 {
							m.step()
						}
						m.check()
					}
					pages += m.tried[0]
					partials += m.tried[1]
				})
			}
			if partials < 100*seeds/8 || pages < 1000*seeds/8 {
				t.Errorf("%d changes were partial, and %d pages were read: this tries too little", partials, pages)
			}
		})
	}
}

// TestPresenceUnderRace: members come and go from many goroutines, while others watch
// and read.
func TestPresenceUnderRace(t *testing.T) {
	h := newHub(t, nil, &hub.Options{JoinWindow: time.Millisecond})
	f := &follower{t: t, e: connect(t, h), tried: new([2]int)}
	f.restart()
	f.e.watch(false)
	stop := make(chan struct{})
	var movers, watchers sync.WaitGroup
	for i := range 4 {
		movers.Go(func() {
			for n := range 500 {
				s, err := h.Connect("test", nil)
				if err != nil {
					t.Error(err)
					return
				}
				s.Subscribe(0, "c", hub.SubscribeOptions{Presence: n%3 == 0, PresenceByUser: n%2 == 0})
				if n%5 == 0 {
					s.Unsubscribe(0, "c")
				}
				if n%100 != i {
					s.Close()
				}
			}
		})
	}
	watchers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := h.ListMembers("c", hub.PresenceQuery{ByUser: true}); err != nil {
				t.Error(err)
			}
			if _, err := h.ListMembers("c", hub.PresenceQuery{CountOnly: true, ByUser: true}); err != nil {
				t.Error(err)
			}
		}
	})
	moved := make(chan struct{})
	go func() { movers.Wait(); close(moved) }()
	count := func() int {
		n, err := h.PresenceCount("c")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	timeout := time.After(30 * time.Second)
	for isOver := false; !isOver || !f.isWhole || len(f.members) != count(); {
		select {
		case <-f.e.woken:
		case <-moved:
			isOver, moved = true, nil
		case <-timeout:
			t.Fatalf("it has %d members, want %d", len(f.members), count())
		}
		all, err := f.e.Take(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range all {
			if p.Outcome != nil {
				f.page(p.Outcome)
			} else {
				f.change(p.Changes)
			}
		}
		f.ask(50)
	}
	close(stop)
	watchers.Wait()
}
