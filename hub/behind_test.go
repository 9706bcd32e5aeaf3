package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

var errAway = errors.New("network down")

// behindTold is a modelRun client's record of Behind pushes.
type behindTold struct {
	all bool
	one string // a channel
}

// note takes a push, which has to be news.
func (b *behindTold) note(r *modelRun, p hub.Push) {
	r.t.Helper()
	isOver := p.Behind.Err == nil
	switch {
	case p.Channel == "" && isOver && b.all, p.Channel == "" && !isOver && !b.all:
		*b = behindTold{all: !isOver}
	case p.Channel != "" && isOver && !b.all && b.one == p.Channel:
		b.one = ""
	case p.Channel != "" && !isOver && !b.all && b.one == "":
		b.one = p.Channel
	default:
		r.failf("%s is no news to a client that was told %+v", describeBehind(p), *b)
	}
}

// forget is for a channel that was unsubscribed from.
func (b *behindTold) forget(channel string) {
	if b.one == channel {
		b.one = ""
	}
}

func (r *modelRun) changeHealth(isAway bool) {
	if isAway {
		r.h.SetAway(errAway)
	} else {
		r.h.SetAway(nil)
	}
	r.b.note("away: %v", isAway)
	synctest.Wait()
}

// checkBehind is called when nothing is read and nothing fails: then every client knows
// the state of the broker.
func (r *modelRun) checkBehind() {
	r.t.Helper()
	for i, client := range r.clients {
		hasBegun := false
		for _, a := range client.accounts {
			hasBegun = hasBegun || a.begun
		}
		isAway := r.h.Away() != nil
		if told := client.behind; told.one != "" || told.all && !isAway || isAway && hasBegun && !told.all {
			r.failf("%d was told %+v, and the broker is away: %v", i, told, isAway)
		}
	}
}

// TestAway: each session is told once that the broker is away and once that it is back,
// whenever it has subscribed.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		early, idle, late := connect(t, h), connect(t, h), connect(t, h)
		for i := range 20 {
			early.subscribe(fmt.Sprint("c", i), hub.SubscribeOptions{})
		}
		for range 3 { // it is asked every second
			h.SetAway(errAway)
			<-time.After(time.Second)
		}
		got := early.drain()
		want(t, got, "behind()")
		if !errors.Is(got[0].Behind.Err, errAway) || !errors.Is(h.Away(), errAway) {
			t.Errorf("why is %v, %v", got[0].Behind.Err, h.Away())
		}
		late.subscribe("c", hub.SubscribeOptions{})
		want(t, late.drain(), "behind()")
		late.subscribe("d", hub.SubscribeOptions{})
		publish(t, h, "d", "all the same")
		want(t, late.drain(), "all the same")

		h.SetAway(nil)
		publish(t, h, "d", "later")
		synctest.Wait()
		want(t, late.drain(), "later level()")
		want(t, early.drain(), "level()")
		for range 2 { // so short that no client sees it
			h.SetAway(errAway)
			h.SetAway(nil)
		}
		synctest.Wait()
		want(t, late.drain(), "")
		want(t, idle.drain(), "")
	})
}

// TestAwaySuspended: a client that has come back with another connection is told anew.
func TestAwaySuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		h.SetAway(errAway)
		synctest.Wait()
		want(t, e.drain(), "behind()")
		e.Suspend()
		want(t, e.drain(), "")
		e.subscribe("c", hub.SubscribeOptions{})
		want(t, e.drain(), "behind()")
		e.Suspend()
		h.SetAway(nil)
		synctest.Wait()
		e.subscribe("c", hub.SubscribeOptions{})
		want(t, e.drain(), "")
	})
}

// TestBackIsToldLast: the end of an outage is told after the missed publications.
func TestBackIsToldLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		broker := &scriptedBroker{top: pos("e", 0), history: func(q hub.Query) (hub.Page, error) {
			if broken {
				return hub.Page{}, errAway
			}
			return hub.Page{Publications: []*hub.Publication{publication(pos("e", 1))}, Position: pos("e", 1)}, nil
		}}
		h := newHub(t, broker, nil)
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		want(t, e.drain(), "")
		h.SetAway(errAway)
		broker.receiver.Lost("")
		synctest.Wait()
		want(t, e.drain(), "behind()")
		h.SetAway(nil)
		synctest.Wait()
		want(t, e.drain(), "")
		broken = false
		<-e.woken
		want(t, e.drain(), "e:1 level()")
	})
}

// TestBackIsToldBehindPages: nor does it come between pages.
func TestBackIsToldBehindPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 600 // more than two pages
		broker := &scriptedBroker{top: pos("e", 0), history: func(q hub.Query) (page hub.Page, _ error) {
			for at := q.Since.Offset + 1; at <= n && len(page.Publications) < q.Limit; at++ {
				page.Publications = append(page.Publications, publication(pos("e", at)))
				page.Position = pos("e", at)
			}
			return page, nil
		}}
		h := newHub(t, broker, nil)
		e := connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		h.SetAway(errAway)
		synctest.Wait()
		want(t, e.drain(), "behind()")
		broker.receiver.Lost("")
		h.SetAway(nil)
		synctest.Wait()
		got := e.drain()
		if len(got) != n+1 || describe(got[n:]) != "level()" {
			t.Errorf("took %d pushes, the last of them %s", len(got), describe(got[max(0, len(got)-1):]))
		}
	})
}

// TestManyAreBehind: a session with many channels that cannot be read is told of the first
// one and of all, and not of each.
func TestManyAreBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := true
		broker := &scriptedBroker{top: pos("e", 0), history: func(q hub.Query) (hub.Page, error) {
			if broken {
				return hub.Page{}, errAway
			}
			return hub.Page{Position: pos("e", 0)}, nil
		}}
		h := newHub(t, broker, nil)
		e := connect(t, h)
		for i := range 50 {
			e.subscribe(fmt.Sprint("c", i), hub.SubscribeOptions{})
		}
		broker.receiver.Lost("")
		got := e.drain()
		if len(got) != 2 || got[0].Channel == "" || describe(got[1:]) != "behind()" {
			t.Errorf("took %s", describe(got))
		}
		<-time.After(time.Minute) // it is tried again
		want(t, e.drain(), "")
		broken = false
		<-time.After(time.Minute)
		want(t, e.drain(), "level()")
	})
}

// TestAwayAtAPace: sessions are told one after another, and ended sessions do not
// matter.
func TestAwayAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3000
		h := newHub(t, nil, nil)
		var woken []time.Duration // of each session
		began := time.Now()
		for i := range n {
			s, err := h.Connect("test", func() { woken = append(woken, time.Since(began)) })
			if err != nil {
				t.Fatal(err)
			}
			s.Subscribe(0, "c", hub.SubscribeOptions{})
			if i%3 == 0 {
				defer s.Close()
			} else {
				t.Cleanup(s.Close)
			}
		}
		h.SetAway(errAway)
		<-time.After(time.Second)
		synctest.Wait()
		if len(woken) != n || !slices.IsSorted(woken) || woken[n-1] != 40*time.Millisecond || woken[999] != 0 {
			t.Errorf("%d were woken, the last after %v", len(woken), woken[max(0, len(woken)-1)])
		}
	})
}

// TestAwayWhileClosing: a hub that is closed waits for goroutines that tell sessions.
func TestAwayWhileClosing(t *testing.T) {
	h, err := hub.New(newBroker(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := range 1000 {
			if i%2 == 0 {
				h.SetAway(errAway)
			} else {
				h.SetAway(nil)
			}
		}
	}()
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	<-stopped
	h.SetAway(errAway)
}
