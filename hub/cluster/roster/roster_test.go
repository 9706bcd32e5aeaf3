package roster_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// TestUnion: every member is seen on every node, in one order, on every page.
func TestUnion(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		a, b, c := nodes[0], nodes[1], nodes[2]
		a.join("c", "ann")
		pass(time.Millisecond)
		b.join("c", "bob")
		pass(time.Millisecond)
		a.join("c", "cid")
		pass(time.Millisecond)
		c.join("other", "dan")
		for _, n := range nodes {
			n.want("c", "ann bob cid")
			n.want("other", "dan")
			n.want("nobody's", "")
		}
		a.join("c", "ann")
		b.join("c", "")
		pass(time.Second)
		for _, n := range nodes {
			members, last := n.list("c", hub.PresenceQuery{Limit: 2})
			if len(members) != 5 || last.Count != 5 {
				t.Errorf("on %s there are %d members on pages of two, and %d are counted", n.name, len(members), last.Count)
			}
			users, last := n.list("c", hub.PresenceQuery{ByUser: true, Limit: 2})
			if got := fmt.Sprint(users[0].User, users[0].Sessions, users[1].User, users[2].User, last.Users); got != "ann2bobcid3" {
				t.Errorf("on %s the users are %s", n.name, got)
			}
			first, _ := a.list("c", hub.PresenceQuery{})
			if own, _ := n.list("c", hub.PresenceQuery{}); !slices.Equal(own, first) {
				t.Errorf("on %s the members are %+v, and on a %+v", n.name, own, first)
			}
		}
	})
}

// TestWatch: watchers are told of changes on other nodes, by session and by user.
func TestWatch(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		a, b, c := nodes[0], nodes[1], nodes[2]
		bob := b.join("c", "bob")
		b.join("c", "")
		sessions, users := a.connect("ann"), a.connect("ann")
		if got := sessions.watch("c", false); got != 3 {
			t.Errorf("who begins to watch sessions is told of %d", got)
		}
		if got := users.watch("c", true); got != 2 {
			t.Errorf("who begins to watch users is told of %d", got)
		}
		pass(2 * time.Second)
		sessions.changes()
		users.changes()

		another := c.join("c", "bob")
		c.join("c", "cid")
		pass(2 * time.Second)
		if got := sessions.changes(); got != "+bob +cid =6" {
			t.Errorf("sessions: %q", got)
		}
		if got := users.changes(); got != "+cid =3" {
			t.Errorf("users: %q", got)
		}
		bob.Close()
		pass(2 * time.Second)
		if got := sessions.changes(); got != "-bob =5" {
			t.Errorf("sessions: %q", got)
		}
		if got := users.changes(); got != "" {
			t.Errorf("users, of whom one session of two has left: %q", got)
		}
		another.Close()
		pass(2 * time.Second)
		if got := users.changes(); got != "-bob =2" {
			t.Errorf("users: %q", got)
		}
	})
}

// TestUserMovesWithoutLeaving: a client of a node that ends comes back through another one;
// watchers of users see nothing of it.
func TestUserMovesWithoutLeaving(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		a, b, c := nodes[0], nodes[1], nodes[2]
		b.join("c", "bob")
		b.join("c", "cid")
		b.join("c", "")
		users, sessions := a.connect("ann"), a.connect("")
		users.watch("c", true)
		sessions.watch("c", false)
		pass(2 * time.Second)
		users.changes()
		sessions.changes()
		b.drain()
		pass(2 * time.Second)
		if got := sessions.changes(); got != "-? =4" {
			t.Errorf("sessions, of which one has no user who could come back: %q", got)
		}
		c.join("c", "bob")
		pass(1500 * time.Millisecond)
		if got := sessions.changes(); got != "+bob -bob =4" {
			t.Errorf("sessions, when bob has come back: %q", got)
		}
		pass(10 * time.Second)
		if got := users.changes(); got != "-cid =2" {
			t.Errorf("users: %q; only cid has not come back", got)
		}
		a.want("c", "ann ? bob")
		c.want("c", "ann ? bob")
	})
}

// TestDeath: the members of a node that dies leave together, and nobody is left.
func TestDeath(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		a, b, c := nodes[0], nodes[1], nodes[2]
		for range 50 {
			b.join("c", "bob")
		}
		watcher := a.connect("ann")
		watcher.watch("c", false)
		pass(2 * time.Second)
		watcher.changes()
		b.kill()
		pass(5 * time.Second)
		if got := watcher.changes(); got != "" {
			t.Errorf("before three heartbeats were missed: %q", got)
		}
		pass(10 * time.Second)
		pushes := watcher.changes()
		want := ""
		for range 50 {
			want += "-bob "
		}
		if want += "=1"; pushes != want {
			t.Errorf("what is told of the death of a node is %q", pushes)
		}
		a.want("c", "ann")
		c.want("c", "ann")
	})
}

// TestCount: counts are summed without moving members, and the kept members are counted exactly.
func TestCount(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		for i, n := range nodes {
			for range 10 * (i + 1) {
				n.join("c", "ann")
			}
		}
		for _, n := range nodes {
			r, err := n.hub.Members(t.Context(), "c", hub.PresenceQuery{CountOnly: true})
			if err != nil || r.Count != 60 || len(r.Members) != 0 {
				t.Errorf("on %s are %d members, %v", n.name, r.Count, err)
			}
			if s := n.roster.Stats(); s.Channels != 0 || s.Loaded != 0 || s.Counted != 1 {
				t.Errorf("%s: a count has moved members: %+v", n.name, s)
			}
		}
		nodes[0].join("c", "bob")
		count := func() int {
			r, err := nodes[1].hub.Members(t.Context(), "c", hub.PresenceQuery{CountOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			return r.Count
		}
		if n := count(); n != 60 {
			t.Errorf("a count that was asked for a moment ago is %d", n)
		}
		pass(3 * time.Second)
		if n := count(); n != 61 {
			t.Errorf("the count is %d", n)
		}
		r, err := nodes[1].hub.Members(t.Context(), "c", hub.PresenceQuery{CountOnly: true, ByUser: true})
		if err != nil || r.Count != 61 || r.Users != 2 {
			t.Errorf("there are %d sessions of %d users, %v", r.Count, r.Users, err)
		}
		nodes[2].join("c", "cid")
		pass(time.Second)
		if n := count(); n != 62 {
			t.Errorf("the count of members that are kept is %d", n)
		}
	})
}

// TestForgets: the members elsewhere are kept while a session watches, and half a minute longer.
func TestForgets(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(2)
		a, b := nodes[0], nodes[1]
		b.join("c", "bob")
		kept := func(want int) {
			t.Helper()
			synctest.Wait()
			if got := a.roster.Stats().Channels; got != want {
				t.Errorf("%d channels are kept, want %d", got, want)
			}
		}
		a.want("c", "bob")
		kept(1)
		pass(20 * time.Second)
		a.want("c", "bob")
		pass(29 * time.Second)
		kept(1)
		pass(2 * time.Second)
		kept(0)
		if s := a.hub.Stats(); s.Channels != 0 {
			t.Errorf("the hub has %d channels still", s.Channels)
		}
		watcher := a.connect("ann")
		watcher.watch("c", false)
		pass(5 * time.Minute)
		kept(1)
		watcher.changes()
		b.join("c", "cid")
		pass(2 * time.Second)
		if got := watcher.changes(); got != "+cid =3" {
			t.Errorf("after five minutes the watcher is told %q", got)
		}
		watcher.Close()
		pass(31 * time.Second)
		kept(0)
	})
}

// TestRest: with 10,000 members nothing is said while nothing changes, but heartbeats; and a
// change is one message.
func TestRest(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		for i := range 10_000 {
			nodes[i%2].join("c", fmt.Sprint("user", i))
		}
		watcher := nodes[2].connect("ann")
		if got := watcher.watch("c", false); got != 10_001 {
			t.Fatalf("there are %d members", got)
		}
		pass(30 * time.Second)
		before := w.messages(nodes)
		pass(100 * time.Second)
		if got, beats := w.messages(nodes)-before, uint64(3*50); got > beats+3 {
			t.Errorf("at rest %d messages are sent in 100 seconds, of which %d are heartbeats", got, beats)
		}
		heard := nodes[2].roster.Stats().Heard
		sent := nodes[0].roster.Stats().Sent
		nodes[0].join("c", "bob")
		nodes[0].join("c", "bob")
		pass(time.Second)
		if got := nodes[0].roster.Stats().Sent - sent; got != 1 {
			t.Errorf("two members that come at once are %d messages", got)
		}
		if got := nodes[2].roster.Stats().Heard - heard; got != 1 {
			t.Errorf("the watcher's node has heard %d", got)
		}
		if got := nodes[1].roster.Stats(); got.Heard != 0 || got.Channels != 0 {
			t.Errorf("a node that is not interested has heard of it: %+v", got)
		}
	})
}

// messages is how many messages of the bus nodes have sent.
func (w *world) messages(nodes []*node) (n uint64) {
	for _, one := range nodes {
		n += one.node.Stats().Sent
	}
	return n
}

// TestLostWithoutSuccessor: a change that was lost, with none after it to show that, is found.
func TestLostWithoutSuccessor(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(2)
		a, b := nodes[0], nodes[1]
		watcher := a.connect("ann")
		watcher.watch("c", false)
		bob := b.join("c", "bob")
		pass(15 * time.Second)
		watcher.changes()
		a.broker.Trouble(brokertest.BusTrouble{Lose: func(_ *brokertest.SharedBroker, topic string, _ []byte) bool { return topic == "topic/members/c" }})
		bob.Close()
		b.join("c", "cid")
		pass(time.Second)
		a.broker.Trouble(brokertest.BusTrouble{})
		pass(15 * time.Second)
		if got := watcher.changes(); got != "+cid -bob =2" {
			t.Errorf("the watcher was told %q", got)
		}
		// And one with a successor at once.
		a.broker.Trouble(brokertest.BusTrouble{Lose: func(_ *brokertest.SharedBroker, topic string, _ []byte) bool { return topic == "topic/members/c" }})
		b.join("c", "dan")
		pass(time.Second)
		a.broker.Trouble(brokertest.BusTrouble{})
		b.join("c", "eve")
		pass(2 * time.Second)
		if got := watcher.changes(); got != "+dan +eve =4" {
			t.Errorf("the watcher was told %q", got)
		}
		if a.roster.Stats().Missed < 2 {
			t.Errorf("nothing was missed: %+v", a.roster.Stats())
		}
	})
}

// TestLateNode: a node that joins later is known to the present nodes, and knows them.
func TestLateNode(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(2)
		a := nodes[0]
		a.join("c", "ann")
		watcher := a.connect("")
		watcher.watch("c", true)
		pass(time.Millisecond)
		late := w.begin("late")
		late.join("c", "bob") // before anybody knows the node
		<-late.node.Joined()
		pass(3 * time.Second)
		late.want("c", "ann ? bob")
		a.want("c", "ann ? bob")
		if got := watcher.changes(); got != "+bob =2" {
			t.Errorf("the watcher was told %q", got)
		}
	})
}

// TestPartition: a node whose connection breaks is dead to the others, and when it is mended
// every member is seen again everywhere.
func TestPartition(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		nodes := w.nodes(3)
		a, b, c := nodes[0], nodes[1], nodes[2]
		a.join("c", "ann")
		pass(time.Millisecond)
		b.join("c", "bob")
		pass(time.Millisecond)
		c.join("c", "cid")
		pass(time.Millisecond)
		for _, n := range nodes {
			n.connect("").watch("w", false)
			n.want("c", "ann bob cid")
		}
		b.broker.Cut()
		pass(20 * time.Second)
		a.want("c", "ann cid")
		c.want("c", "ann cid")
		b.want("c", "ann bob cid") // it cannot hear, so it shows the members that it knew
		c.join("c", "dan")
		b.join("c", "eve")
		pass(time.Second)
		b.broker.Mend()
		pass(20 * time.Second)
		for _, n := range nodes {
			members, _ := n.list("c", hub.PresenceQuery{})
			if len(members) != 5 {
				t.Errorf("on %s are %s after the mending", n.name, n.users("c"))
			}
		}
	})
}
