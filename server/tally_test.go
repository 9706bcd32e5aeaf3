package server

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/membroker"
)

// adders are nodes that add up something.
type adders struct {
	t      *testing.T
	shared *brokertest.Shared
	all    []*adder
	least  int
}

type adder struct {
	*tally
	server *Server
	broker *brokertest.SharedBroker
	own    map[string]int // the truth
}

type receives struct{}

func (receives) Receive(*hub.Publication) {}
func (receives) Lost(string)              {}

func newAdders(t *testing.T, n, least int) *adders {
	below, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	a := &adders{t: t, shared: brokertest.NewShared(below), least: least}
	t.Cleanup(func() { _ = a.shared.Close() })
	for range n {
		a.add()
	}
	return a
}

func (a *adders) add() *adder {
	one := &adder{server: &Server{log: slog.New(slog.NewTextHandler(io.Discard, nil))}, broker: a.shared.NewBroker(), own: make(map[string]int)}
	if err := one.broker.Start(receives{}); err != nil {
		a.t.Fatal(err)
	}
	var err error
	if one.server.node, err = cluster.Join(a.t.Context(), one.broker, nil); err != nil {
		a.t.Fatal(err)
	}
	one.tally = one.server.newTally("test", func(int) int { return a.least }, nil)
	a.all = append(a.all, one)
	a.t.Cleanup(one.die)
	return one
}

// die ends a node without a word.
func (one *adder) die() {
	one.tally.close()
	for _, c := range one.server.catching {
		c.close()
	}
	one.server.node.Close()
	_ = one.broker.Close()
}

func (one *adder) count(name string, n int) {
	one.add(name, n)
	one.own[name] += n
}

// check compares what every node knows of the others with what they have.
func (a *adders) check(when string) {
	a.t.Helper()
	for i, one := range a.all {
		want := make(map[string]int)
		for _, other := range a.all {
			if other == one {
				continue
			}
			for name, n := range other.own {
				if n >= a.least && n > 0 {
					want[name] += n
				}
			}
		}
		one.mu.Lock()
		sums := fmt.Sprint(one.sums)
		one.mu.Unlock()
		if got := sums; got != fmt.Sprint(want) {
			a.t.Fatalf("%s node %d knows of the others %s, want %v", when, i, got, want)
		}
	}
}

// TestTally: after any steps, and what takes to notice, every node knows what the others have.
func TestTally(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			a := newAdders(t, 3, 1+int(seed%3))
			pass := func(d time.Duration) {
				<-time.After(d)
				synctest.Wait()
			}
			for step := range 60 {
				one := a.all[r.IntN(len(a.all))]
				switch r.IntN(12) {
				case 0:
					pass(time.Duration(r.IntN(3000)) * time.Millisecond)
				case 1:
					one.broker.Cut()
					pass(time.Duration(r.IntN(12000)) * time.Millisecond)
					one.broker.Mend()
				case 2:
					lost := r.IntN(4)
					one.broker.Trouble(brokertest.BusTrouble{Lose: func(*brokertest.SharedBroker, string, []byte) bool { return lost == 0 }})
					pass(time.Duration(r.IntN(4000)) * time.Millisecond)
					one.broker.Trouble(brokertest.BusTrouble{Delay: time.Duration(r.IntN(500)) * time.Millisecond})
				case 3:
					if len(a.all) < 4 {
						a.add()
					}
				case 4:
					if len(a.all) > 2 && one == a.all[len(a.all)-1] {
						a.all = a.all[:len(a.all)-1]
						one.die()
					}
				default:
					name := fmt.Sprint("n", r.IntN(5))
					if n := one.own[name]; n > 0 && r.IntN(2) == 0 {
						one.count(name, -1)
						if one.own[name] == 0 {
							delete(one.own, name)
						}
					} else {
						one.count(name, 1)
					}
				}
				if step%20 == 19 {
					for _, one := range a.all {
						one.broker.Trouble(brokertest.BusTrouble{})
					}
					pass(20 * time.Second)
					a.check(fmt.Sprintf("seed %d, after step %d,", seed, step))
				}
			}
		})
	}
}

// TestTallyPages: what is more than a page is asked for page by page, and told in pieces.
func TestTallyPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdders(t, 2, 1)
		for i := range 11_000 {
			a.all[0].count(fmt.Sprint("a name that is somewhat longer ", i), 1+i%3)
		}
		<-time.After(5 * time.Second)
		synctest.Wait()
		a.check("after having told")
		a.add()
		<-time.After(5 * time.Second)
		synctest.Wait()
		a.check("after another one has come")
	})
}

// TestTallyCost: at rest nothing is told, and many changes of a name in a window are one.
func TestTallyCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdders(t, 2, 3)
		<-time.After(5 * time.Second)
		synctest.Wait()
		one := a.all[0]
		for range 1000 {
			one.count("above", 1)
			one.count("below", 1)
			one.count("below", -1)
		}
		<-time.After(time.Minute)
		synctest.Wait()
		one.mu.Lock()
		defer one.mu.Unlock()
		if one.sent != 1 {
			t.Errorf("%d messages were sent, want one", one.sent)
		}
	})
}
