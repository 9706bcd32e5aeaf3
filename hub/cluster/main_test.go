package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bus is what the nodes of a test have in common.
type bus struct {
	t      *testing.T
	shared *brokertest.Shared
}

// inBubble runs a test in virtual time.
func inBubble(t *testing.T, run func(*bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		below, err := membroker.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		shared := brokertest.NewShared(below)
		t.Cleanup(func() { _ = shared.Close() })
		run(&bus{t, shared})
	})
}

// node is a node of a test, with the events of its watcher.
type node struct {
	*cluster.Node
	t      *testing.T
	broker *brokertest.SharedBroker

	mu  sync.Mutex
	log []string
}

// broker returns a broker of its own for a node that is to come.
func (b *bus) broker() *brokertest.SharedBroker {
	b.t.Helper()
	broker := b.shared.NewBroker()
	if err := broker.Start(nobody{}); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = broker.Close() })
	return broker
}

type nobody struct{}

func (nobody) Receive(*hub.Publication) {}
func (nobody) Lost(string)              {}

// join makes a node of this name, and does not wait.
func (b *bus) join(name string, o cluster.Options) *node {
	b.t.Helper()
	return b.joinOn(b.broker(), name, o)
}

func (b *bus) joinOn(broker *brokertest.SharedBroker, name string, o cluster.Options) *node {
	b.t.Helper()
	o.Name = name
	joined, err := cluster.Join(b.t.Context(), broker, &o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(joined.Close)
	n := &node{Node: joined, t: b.t, broker: broker}
	joined.Watch(func(c cluster.Change) { n.note("%s %s", c.Kind, c.Peer.Name) })
	return n
}

// nodes makes nodes a, b, … that know each other.
func (b *bus) nodes(count int) []*node {
	b.t.Helper()
	list := make([]*node, count)
	for i := range list {
		list[i] = b.join(string(rune('a'+i)), cluster.Options{})
	}
	for _, n := range list {
		<-n.Joined()
	}
	synctest.Wait()
	for _, n := range list {
		if got := len(n.Peers()); got != count-1 {
			b.t.Fatalf("node %s knows %d others, want %d", n.Self().Name, got, count-1)
		}
		n.take()
	}
	return list
}

func (n *node) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log = append(n.log, strings.TrimSpace(fmt.Sprintf(format, args...)))
}

// take returns the events noted since the last call.
func (n *node) take() []string {
	synctest.Wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	log := n.log
	n.log = nil
	return log
}

// want compares the events noted since.
func (n *node) want(want ...string) {
	n.t.Helper()
	if got := n.take(); !slices.Equal(got, want) {
		n.t.Errorf("node %s was told %q, want %q", n.Self().Name, got, want)
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
