package redisbroker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// node is a hub on a Broker, as a server has it, with one session.
type node struct {
	t   testing.TB
	b   *Broker
	hub *hub.Hub
	*hub.Session
	woken chan struct{}
}

func startNode(t testing.TB, url string) *node {
	t.Helper()
	n := &node{t: t, b: newBroker(t, url), woken: make(chan struct{}, 1)}
	var err error
	if n.hub, err = hub.New(n.b, nil); err == nil {
		n.Session, err = n.hub.Connect("test", func() {
			select {
			case n.woken <- struct{}{}:
			default:
			}
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.hub.Close() })
	return n
}

// take takes what the session is owed until it has something that is enough, and says it in short.
func (n *node) take(isEnough func(hub.Push) bool) (took []string) {
	n.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		pushes, err := n.Take(nil)
		if err != nil {
			n.t.Fatal(err)
		}
		for _, p := range pushes {
			switch {
			case p.Gap != nil:
				took = append(took, fmt.Sprintf("%s: a gap from %v to %v", p.Channel, p.Gap.From, p.Gap.To))
			case p.Delivery != nil:
				took = append(took, fmt.Sprintf("%s: %s", p.Channel, p.Delivery.Data))
			}
			if isEnough(p) {
				return took
			}
		}
		select {
		case <-n.woken:
		case <-limit.C:
			n.t.Fatalf("after %v the session has only %q", patience, took)
		}
	}
}

// follow subscribes to a pattern, from the beginning if the vector is nil.
func (n *node) follow(pattern string, v *hub.Vector) (from *hub.Vector) {
	n.t.Helper()
	n.Subscribe(1, pattern, hub.SubscribeOptions{Vector: v})
	n.take(func(p hub.Push) bool {
		if p.Outcome == nil {
			return false
		}
		if p.Outcome.Err != nil {
			n.t.Fatal(p.Outcome.Err)
		}
		from = p.Outcome.Vector
		return true
	})
	return from
}

// age makes the epochs of a server older, as those of one are that was not started just now.
func age(t testing.TB, s *redistest.Server, by time.Duration) {
	t.Helper()
	b := newBroker(t, s.URL())
	start(t, b).listen("c")
	for _, part := range b.backend.Load().parts {
		at := part.state.Load()
		s.Must(t, "SET", part.epochKey, at.name+" "+strconv.FormatInt(at.began.Add(-by).UnixMilli(), 10)+" "+at.replid)
	}
}

// TestPatternGoesOnAtAnotherNode: a client of a pattern that comes back at another node, as all do when
// nodes are replaced, is given what was published meanwhile in channels that it had never heard of, and is told
// of no gap: nothing is missing.
func TestPatternGoesOnAtAnotherNode(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	age(t, redis, time.Minute)
	one := startNode(t, redis.URL())
	v := one.follow("a/*", nil)
	one.Close()
	mustPublish(t, one.b, "a/1", "1")
	mustPublish(t, one.b, "a/1", "2")
	mustPublish(t, one.b, "a/2", "3")

	other := startNode(t, redis.URL())
	other.Subscribe(1, "a/*", hub.SubscribeOptions{Vector: v})
	mustPublish(t, other.b, "a/9", "end")
	left := []string{"a/1: 1", "a/1: 2", "a/2: 3", "a/9: end"}
	took := other.take(func(p hub.Push) bool {
		if p.Delivery != nil {
			if i := slices.Index(left, p.Channel+": "+string(p.Delivery.Data)); i >= 0 {
				left = slices.Delete(left, i, i+1)
			}
		}
		return len(left) == 0
	})
	slices.Sort(took)
	if want := []string{"a/1: 1", "a/1: 2", "a/2: 3", "a/9: end"}; !slices.Equal(took, want) {
		t.Errorf("the client took %q, want %q", took, want)
	}
}

// TestWholeAfterWhatHasExpired: what has expired was accepted before the time after which a page is whole, and what came
// next was not, however few are read at a time.
func TestWholeAfterWhatHasExpired(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	age(t, redis, time.Minute)
	b := newBroker(t, redis.URL())
	s := start(t, b)
	s.listen("c")
	var newest time.Time
	for range 3 {
		r := make(result, 1)
		b.Publish(hub.Message{Channel: "c", Data: []byte("short")}, hub.Retention{Count: 100, Age: time.Millisecond}, r, 1)
		if p := <-r; p.Err != nil {
			t.Fatal(p.Err)
		}
		if p, err := b.History(t.Context(), "c", hub.Query{Last: 1}); err != nil {
			t.Fatal(err)
		} else if len(p.Publications) > 0 {
			newest = p.Publications[0].Time
		}
	}
	for { // until they have expired
		page, err := b.History(t.Context(), "c", hub.Query{})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Publications) == 0 {
			break
		}
	}
	first := mustPublish(t, b, "c", "long")
	for _, limit := range []int{0, 1, 2} {
		page, err := b.History(t.Context(), "c", hub.Query{Limit: limit})
		if err != nil || len(page.Publications) != 1 || page.Publications[0].Position != first {
			t.Fatalf("with limit %d the page is %+v, %v", limit, page, err)
		}
		if at := page.Publications[0].Time; page.WholeAfter.IsZero() || page.WholeAfter.Before(newest) || page.WholeAfter.After(at) {
			t.Errorf("with limit %d it is whole after %v; what expired is of %v, and what came next of %v", limit, page.WholeAfter, newest, at)
		}
	}
}

// TestPatternWantedAgain: a pattern that is followed again while the server is being told that nobody wants it has
// missed nothing.
func TestPatternWantedAgain(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	b := newBroker(t, redis.URL())
	var lost lossCounter
	if err := b.Start(&lost); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.ListenPattern(ctx, "a/*"); err != nil {
		t.Fatal(err)
	}
	be := b.backend.Load()
	all := func(is func(*topic) bool) bool { // reports whether it is so of the topic of all channels
		l := be.owners[0]
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, t := range l.topics {
			if t.isAll {
				return is(t)
			}
		}
		return false
	}
	if err := redis.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := b.MutePattern(ctx, "a/*"); err != nil {
		t.Fatal(err)
	}
	for all(func(t *topic) bool { return t.isDirty }) && ctx.Err() == nil { // it is on its way to the server then
	}
	again := make(chan error)
	go func() { again <- b.ListenPattern(ctx, "a/*") }()
	for !all(func(t *topic) bool { return t.wanted }) && ctx.Err() == nil {
	}
	if err := redis.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	if n := lost.n.Load(); n > 0 {
		t.Errorf("%d times something was said to be lost", n)
	}
}

// lossCounter is a Receiver that counts losses.
type lossCounter struct{ n atomic.Int64 }

func (c *lossCounter) Receive(*hub.Publication) {}
func (c *lossCounter) Lost(string)              { c.n.Add(1) }
