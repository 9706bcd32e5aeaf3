package roster_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/cluster/roster"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is nodes that use one broker, in virtual time.
type world struct {
	t      testing.TB
	shared *brokertest.Shared
	born   int // sessions
}

// node is a hub in a cluster.
type node struct {
	w      *world
	name   string
	broker *brokertest.SharedBroker
	hub    *hub.Hub
	node   *cluster.Node
	roster *roster.Roster
	isOver bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	below, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, shared: brokertest.NewShared(below)}
	t.Cleanup(func() { _ = w.shared.Close() })
	return w
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { run(t, newWorld(t)) })
}

// begin makes a node, and does not wait for it.
func (w *world) begin(name string) *node {
	w.t.Helper()
	n := &node{w: w, name: name, broker: w.shared.NewBroker()}
	var err error
	if n.hub, err = hub.New(n.broker, nil); err != nil {
		w.t.Fatal(err)
	}
	var r atomic.Pointer[roster.Roster]
	n.node, err = cluster.Join(w.t.Context(), n.broker, &cluster.Options{Name: name, Note: func() []byte { return r.Load().Note() }})
	if err != nil {
		w.t.Fatal(err)
	}
	if n.roster, err = roster.New(n.hub, n.node, nil); err != nil {
		w.t.Fatal(err)
	}
	r.Store(n.roster)
	w.t.Cleanup(n.kill)
	return n
}

// nodes makes nodes a, b, … that know each other.
func (w *world) nodes(count int) []*node {
	w.t.Helper()
	list := make([]*node, count)
	for i := range list {
		list[i] = w.begin(string(rune('a' + i)))
	}
	for _, n := range list {
		<-n.node.Joined()
	}
	return list
}

// kill ends a node without a word.
func (n *node) kill() {
	if n.isOver {
		return
	}
	n.isOver = true
	n.node.Close()
	n.roster.Close()
	_ = n.hub.Close() // nothing else can have closed it
}

// drain ends a node as a server does: its clients are told to come back, and have gone.
func (n *node) drain() {
	n.w.t.Helper()
	n.isOver = true
	for _, s := range n.hub.Sessions() {
		defer s.Close()
	}
	ended := make(chan error, 1)
	go func() { ended <- n.hub.Shutdown(n.w.t.Context()) }()
	synctest.Wait()
	for _, s := range n.hub.Sessions() {
		s.Close()
	}
	if err := <-ended; err != nil {
		n.w.t.Fatal(err)
	}
	<-time.After(time.Second)
	if err := n.node.Leave(n.w.t.Context()); err != nil {
		n.w.t.Fatal(err)
	}
	n.roster.Close()
	_ = n.hub.Close()
}

// session is a client.
type session struct {
	*hub.Session
	n      *node
	number int // of all of the world
	user   string
}

// connect connects a user, "" for a client that is not known.
func (n *node) connect(user string) *session {
	n.w.t.Helper()
	var id *access.Identity
	if user != "" {
		id = &access.Identity{User: user, Info: []byte(`"` + user + `!"`)}
	}
	s, err := n.hub.ConnectAs(id, "test", nil)
	if err != nil {
		n.w.t.Fatal(err)
	}
	n.w.t.Cleanup(s.Close)
	n.w.born++
	return &session{s, n, n.w.born, user}
}

// join connects a user that subscribes to a channel.
func (n *node) join(channel, user string) *session {
	n.w.t.Helper()
	s := n.connect(user)
	s.Subscribe(0, channel, hub.SubscribeOptions{})
	return s
}

// list reads all the members that a node knows, page by page.
func (n *node) list(channel string, q hub.PresenceQuery) (members []hub.Member, r hub.Roster) {
	n.w.t.Helper()
	for q.After = ""; ; q.After = r.Next {
		var err error
		if r, err = n.hub.Members(n.w.t.Context(), channel, q); err != nil {
			n.w.t.Fatal(err)
		}
		if members = append(members, r.Members...); r.Next == "" {
			return members, r
		}
	}
}

// users shows the members of a channel, as a node knows them: a user once for each session.
func (n *node) users(channel string) string {
	n.w.t.Helper()
	members, _ := n.list(channel, hub.PresenceQuery{})
	var names []string
	for _, m := range members {
		names = append(names, cmp.Or(m.User, "?"))
	}
	return strings.Join(names, " ")
}

// want compares the members of a channel with those that a node knows.
func (n *node) want(channel, want string) {
	n.w.t.Helper()
	if got := n.users(channel); got != want {
		n.w.t.Errorf("on %s %q has the members %q, want %q", n.name, channel, got, want)
	}
}

// changes are what a session was told of members since the last call: "+ann -bob =3".
func (s *session) changes() string {
	s.n.w.t.Helper()
	synctest.Wait()
	pushes, err := s.Take(nil)
	if err != nil {
		s.n.w.t.Fatal(err)
	}
	var all []string
	for _, p := range pushes {
		c := p.Changes
		if c == nil {
			continue
		}
		var words []string
		for _, m := range c.Joined {
			words = append(words, "+"+cmp.Or(m.User, "?"))
		}
		for _, m := range c.Left {
			words = append(words, "-"+cmp.Or(m.User, "?"))
		}
		slices.Sort(words)
		if c.IsPartial {
			words = append(words, "partial")
		}
		all = append(all, strings.Join(append(words, fmt.Sprint("=", c.Count)), " "))
	}
	return strings.Join(all, ", ")
}

// watch has a session watch a channel, and returns how many members it was told.
func (s *session) watch(channel string, byUser bool) int {
	s.n.w.t.Helper()
	s.Subscribe(7, channel, hub.SubscribeOptions{Presence: true, PresenceByUser: byUser})
	for range 100 {
		synctest.Wait()
		pushes, err := s.Take(nil)
		if err != nil {
			s.n.w.t.Fatal(err)
		}
		for _, p := range pushes {
			if p.Outcome != nil && p.Outcome.Tag == 7 {
				if p.Outcome.Err != nil {
					s.n.w.t.Fatal(p.Outcome.Err)
				}
				return p.Outcome.Count
			}
		}
		<-time.After(100 * time.Millisecond)
	}
	s.n.w.t.Fatal("the subscription has not begun")
	return 0
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
