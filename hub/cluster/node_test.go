package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
)

// TestJoin: nodes know each other at once, and what each says of itself.
func TestJoin(t *testing.T) {
	inBubble(t, func(b *bus) {
		first := b.join("first", cluster.Options{Version: "1.2", Address: "10.0.0.1:9000", Token: "secret", Load: func() cluster.Load { return cluster.Load{Connections: 7} }})
		pass(10 * time.Second)
		second := b.join("second", cluster.Options{})
		begun := time.Now()
		<-second.Joined()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %v to join", took)
		}
		peers := second.Peers()
		if len(peers) != 1 {
			t.Fatalf("it knows %+v", peers)
		}
		p := peers[0]
		if age := time.Since(p.Began); age < 10*time.Second || age > 12*time.Second {
			t.Errorf("the first node seems to have begun %v ago", age)
		}
		p.Began, p.Heard = time.Time{}, time.Time{}
		if want := (cluster.Peer{ID: first.ID(), Name: "first", Version: "1.2", Newest: 1, Oldest: 1, Address: "10.0.0.1:9000", Token: "secret", State: cluster.StateServing, Load: cluster.Load{Connections: 7}}); p != want {
			t.Errorf("the first node is %+v, want %+v", p, want)
		}
		if again, ok := second.Peer(first.ID()); !ok || again.ID != p.ID {
			t.Errorf("Peer: %+v, %v", again, ok)
		}
		if _, ok := second.Peer(second.ID()); ok {
			t.Error("a node is a peer of itself")
		}
		first.want("joined second")
		second.want("joined first")
		if id := first.ID(); len(id) > 10 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" || id == second.ID() {
			t.Errorf("the IDs are %q and %q", id, second.ID())
		}

		first.SetAddress("10.0.0.2:1", "other")
		first.SetState(cluster.StateDraining)
		synctest.Wait()
		if p, _ := second.Peer(first.ID()); p.Address != "10.0.0.2:1" || p.Token != "other" || p.State != cluster.StateDraining {
			t.Errorf("after it has changed it is %+v", p)
		}
		if got := second.take(); len(got) == 0 || got[0] != "altered first" {
			t.Errorf("of the change was told %q", got)
		}
	})
}

// TestBegin: a node that waits is not there until it may join, and can leave before.
func TestBegin(t *testing.T) {
	inBubble(t, func(b *bus) {
		there := b.join("there", cluster.Options{})
		waits, never := b.join("waits", cluster.Options{Waits: true}), b.join("never", cluster.Options{Waits: true})
		pass(time.Minute)
		there.want()
		waits.want()
		waits.Begin()
		waits.Begin()
		<-waits.Joined()
		waits.want("joined there")
		if err := never.Leave(b.t.Context()); err != nil {
			t.Error(err)
		}
		there.want("joined waits")
	})
}

// TestLeave: a goodbye is heard at once.
func TestLeave(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(3)
		if err := nodes[1].Leave(b.t.Context()); err != nil {
			t.Error("Leave:", err)
		}
		nodes[0].want("left b")
		nodes[2].want("left b")
		pass(time.Minute)
		nodes[0].want()
		if _, err := nodes[0].Ask(b.t.Context(), nodes[1].ID(), "k", nil); !errors.Is(err, cluster.ErrUnknownNode) {
			t.Errorf("Ask of a node that has left: %v", err)
		}
		if _, err := nodes[1].Ask(b.t.Context(), nodes[0].ID(), "k", nil); !errors.Is(err, cluster.ErrClosed) {
			t.Errorf("Ask by a node that has left: %v", err)
		}
	})
}

// TestDeath: a node that says nothing any more is dead after three beats and a half, and not before.
func TestDeath(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(3)
		pass(time.Minute)
		for _, n := range nodes {
			n.want()
		}
		p, _ := nodes[0].Peer(nodes[2].ID())
		nodes[2].Close()
		pass(time.Until(p.Heard.Add(7*time.Second - time.Millisecond)))
		nodes[0].want()
		pass(time.Millisecond)
		nodes[0].want("died c")
		pass(2 * time.Second)
		nodes[1].want("died c")
	})
}

// TestCut: a node whose own connection is broken declares no other dead, however long it takes;
// the others declare it dead, and know it again when it is back.
func TestCut(t *testing.T) {
	for _, outage := range []time.Duration{1900 * time.Millisecond, 5 * time.Second, 6900 * time.Millisecond, time.Minute, time.Hour} {
		inBubble(t, func(b *bus) {
			nodes := b.nodes(3)
			nodes[0].broker.Cut()
			pass(outage)
			nodes[0].want()
			if got := len(nodes[0].Peers()); got != 2 {
				t.Errorf("after %v without a connection a node knows %d others, want both", outage, got)
			}
			if s := nodes[0].Stats(); s.IsDeaf != (outage > 4*time.Second) || s.Lag < outage-2*time.Second {
				t.Errorf("after %v without a connection: %+v", outage, s)
			}
			isDead := outage > 9*time.Second
			if isDead {
				nodes[1].want("died a")
			}
			nodes[0].broker.Mend()
			pass(time.Second)
			nodes[0].want("missed", "missed")
			if isDead {
				nodes[1].want("joined a")
			} else if got := len(nodes[1].Peers()); got != 2 {
				t.Errorf("after %v without a connection the others know %d, want 2", outage, got)
			}
			pass(time.Minute)
			nodes[0].want()
			if s := nodes[0].Stats(); s.IsDeaf || s.Lag != 0 {
				t.Errorf("afterwards: %+v", s)
			}
		})
	}
}

// TestBrokerAway: a node joins when the broker can be reached.
func TestBrokerAway(t *testing.T) {
	inBubble(t, func(b *bus) {
		there := b.join("there", cluster.Options{})
		broker := b.broker()
		broker.Cut()
		late := b.joinOn(broker, "late", cluster.Options{})
		pass(time.Hour)
		select {
		case <-late.Joined():
			t.Error("it has joined without a broker")
		default:
		}
		there.want()
		broker.Mend()
		<-late.Joined()
		late.want("joined there")
		there.want("joined late")
	})
}

// TestPartition: two nodes that hear themselves and not each other are dead to each other, and
// are not when that is over.
func TestPartition(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(3)
		lose := func(from *brokertest.SharedBroker, _ string, _ []byte) bool { return from != nodes[0].broker }
		nodes[0].broker.Trouble(brokertest.BusTrouble{Lose: lose})
		pass(10 * time.Second)
		got := nodes[0].take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"died b", "died c"}) {
			t.Errorf("it was told %q", got)
		}
		nodes[1].want() // its messages arrive
		nodes[0].broker.Trouble(brokertest.BusTrouble{})
		pass(2 * time.Second)
		if got := len(nodes[0].Peers()); got != 2 {
			t.Errorf("afterwards it knows %d others", got)
		}
	})
}

// TestDelay: a broker that is slow is a lag, and no death.
func TestDelay(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		nodes[0].broker.Trouble(brokertest.BusTrouble{Delay: 1500 * time.Millisecond})
		pass(time.Minute)
		if s := nodes[0].Stats(); s.Lag < 1500*time.Millisecond || s.Lag > 2*time.Second || s.IsDeaf {
			t.Errorf("a delay of 1.5 s is %+v", s)
		}
		pass(2 * time.Second)
		if p, _ := nodes[1].Peer(nodes[0].ID()); p.Lag < 1500*time.Millisecond || p.Lag > 2*time.Second {
			t.Errorf("to others it is %v", p.Lag)
		}
		nodes[0].want()
		nodes[1].want()
	})
}

// TestWatchStops: after stop a watcher is told nothing.
func TestWatchStops(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		told := 0
		stop := nodes[0].Watch(func(cluster.Change) { told++ })
		synctest.Wait()
		stop()
		stop()
		if err := nodes[1].Leave(b.t.Context()); err != nil {
			t.Error(err)
		}
		nodes[0].want("left b")
		if told != 1 {
			t.Errorf("it was told of %d changes, want of the node that was there", told)
		}
	})
}

// TestTopics: a message to a topic comes to its subscribers unchanged.
func TestTopics(t *testing.T) {
	inBubble(t, func(b *bus) {
		nodes := b.nodes(2)
		for _, n := range nodes {
			if _, err := n.Subscribe(b.t.Context(), "presence/x", topic{n}); err != nil {
				t.Fatal(err)
			}
		}
		if err := nodes[1].Send("presence/x", []byte("data")); err != nil {
			t.Error(err)
		}
		nodes[0].want("data")
		nodes[1].want("data")
		if err := nodes[1].Send(strings.Repeat("x", cluster.TopicBytesMax+1), nil); err == nil {
			t.Error("a topic that is too long was accepted")
		}
	})
}

type topic struct{ n *node }

func (p topic) Heard(data []byte) { p.n.note("%s", data) }
func (p topic) Missed()           { p.n.note("missed topic") }

// TestOptions: what cannot be is refused.
func TestOptions(t *testing.T) {
	for _, o := range []cluster.Options{{AsksMax: -1}, {ID: "a"}, {Address: strings.Repeat("x", 256)}, {Token: strings.Repeat("x", 256)}} {
		var wrong *hub.OptionError
		if _, err := cluster.Join(context.Background(), nil, &o); !errors.As(err, &wrong) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := cluster.Join(context.Background(), nil, nil); err == nil {
		t.Error("Join without a bus was accepted")
	}
}
