package hub_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// TestResume is a client that reads 10,000 publications through 100
// disconnections while they are being published, at every pace.
func TestResume(t *testing.T) {
	const messages, resumes = 10_000, 100
	for _, o := range []hub.Options{
		{Retention: hub.Retention{Count: messages}},
		{Retention: hub.Retention{Count: messages}, QueueCountMax: 4},
		{Retention: hub.Retention{Count: messages}, QueueBytesMax: 64},
	} {
		t.Run(fmt.Sprintf("queue %d of %d bytes", o.QueueCountMax, o.QueueBytesMax), func(t *testing.T) {
			h := newHub(t, nil, &o)
			// The connections are made as the publisher advances, so that it is
			// at work during all of them.
			tickets := make(chan struct{}, messages)
			issue := func(n int) {
				for range n {
					tickets <- struct{}{}
				}
			}
			var wg sync.WaitGroup
			defer wg.Wait()
			defer close(tickets)
			wg.Go(func() {
				for i := range messages {
					if _, ok := <-tickets; !ok {
						return
					}
					if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c", Data: fmt.Append(nil, i)}); err != nil {
						t.Error("Publish:", err)
						return
					}
				}
			})
			start, err := h.History(t.Context(), "c", hub.Query{})
			if err != nil {
				t.Fatal(err)
			}
			account := &ledger{t: t, last: start.Position}
			random := rand.New(rand.NewPCG(1, 2))
			published := 0
			for round := range resumes {
				e := connect(t, h)
				issued := messages / resumes
				issue(issued / 2)
				e.subscribe("c", hub.SubscribeOptions{Since: account.last})
				issue(issued - issued/2)
				published += issued
				goal := account.n + random.IntN(published-account.n) + 1
				if round == resumes-1 {
					goal = messages
				}
				e.await(func(all []hub.Push) bool {
					for _, p := range all[e.counted:] {
						if e.counted++; account.n < goal {
							if string(p.Delivery.Data) != fmt.Sprint(account.n) {
								t.Fatalf("publication %d is %q", account.n, p.Delivery.Data)
							}
							account.add(p)
						}
					}
					return account.n >= goal
				})
				e.Close()
			}
			if account.n != messages || account.gaps != 0 {
				t.Errorf("read %d publications and %d gaps", account.n, account.gaps)
			}
		})
	}
}

func TestOverflowReadsHistory(t *testing.T) {
	for _, o := range []hub.Options{{QueueCountMax: 8}, {QueueBytesMax: 20}, {QueueCountMax: 1}, {QueueBytesMax: 1}} {
		h := newHub(t, nil, &o)
		e := connect(t, h)
		e.subscribe("a", hub.SubscribeOptions{})
		e.subscribe("b", hub.SubscribeOptions{})
		e.subscribe("quiet", hub.SubscribeOptions{})
		var a, b []string
		for i := range 600 {
			a, b = append(a, fmt.Sprint("a", i)), append(b, fmt.Sprint("b", i))
			publish(t, h, "a", a[i])
			publish(t, h, "b", b[i])
		}
		got := map[string][]hub.Push{}
		for _, p := range e.drain() {
			got[p.Channel] = append(got[p.Channel], p)
		}
		want(t, got["a"], strings.Join(a, " "))
		want(t, got["b"], strings.Join(b, " "))
		publish(t, h, "a", "live")
		publish(t, h, "quiet", "live")
		drops := h.Stats().QueueDrops
		got = map[string][]hub.Push{}
		for _, p := range e.drain() {
			got[p.Channel] = append(got[p.Channel], p)
		}
		want(t, got["a"], "live")
		want(t, got["quiet"], "live")
		if stats := h.Stats(); stats.Gaps != 0 || stats.Deliveries != 1202 || drops == 0 {
			t.Errorf("%+v: %+v, want drops, no gaps and 1202 deliveries", o, stats)
		}
	}
}

func TestQueueLimitsAreExact(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueCountMax: 4, QueueBytesMax: 100})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	check := func(drops uint64, data ...string) {
		t.Helper()
		before := h.Stats().QueueDrops
		publish(t, h, "c", data...)
		if got := h.Stats().QueueDrops - before; got != drops {
			t.Errorf("%d dropped, want %d", got, drops)
		}
		want(t, e.drain(), strings.Join(data, " "))
	}
	big := strings.Repeat("x", 50)
	check(0, "1", "2", "3", "4")
	check(5, "1", "2", "3", "4", "5")
	check(0, big, big)
	check(3, big, big, "x")
	check(0, strings.Repeat("x", 101)) // one may always wait
	check(2, strings.Repeat("x", 101), "x")
}

func TestOverflowWithoutHistory(t *testing.T) {
	h := newHub(t, nil, &hub.Options{NoHistory: true, QueueCountMax: 8})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "1", "2")
	want(t, e.drain(), "1 2")
	for range 100 {
		publish(t, h, "c", "x")
	}
	want(t, e.drain(), "gap(2-102)")
	publish(t, h, "c", "103")
	want(t, e.drain(), "103")
	if got := h.Stats(); got.Gaps != 1 || got.QueueDrops != 9 {
		t.Errorf("%d gaps and %d drops, want 1 and 9", got.Gaps, got.QueueDrops)
	}
}

func TestOverflowBeyondHistory(t *testing.T) {
	h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: 3, Age: time.Hour}, QueueCountMax: 2})
	e := connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "1", "2", "3", "4", "5")
	want(t, e.drain(), "gap(0-2) 3 4 5")
}

// TestReplayInPages checks that no Take hands out more than a page.
func TestReplayInPages(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueBytesMax: 1000})
	for range 600 {
		publish(t, h, "short", "x")
	}
	for range 20 {
		publish(t, h, "long", strings.Repeat("x", 300))
	}
	publish(t, h, "long", strings.Repeat("y", 5000), "z")
	e := connect(t, h)
	for channel, pages := range map[string][]int{"short": {256, 256, 88, 0}, "long": {3, 3, 3, 3, 3, 3, 2, 1, 1, 0}} {
		e.subscribe(channel, hub.SubscribeOptions{Last: 1000})
		for i, n := range pages {
			got, err := e.Take(nil)
			if err != nil || len(got) != n {
				t.Errorf("page %d of %s has %d, error %v; want %d", i, channel, len(got), err, n)
			}
		}
	}
}

// TestRandomWalk does everything a session can do in random order, with a queue
// that always overflows and a history that does not always reach.
func TestRandomWalk(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		h := newHub(t, nil, &hub.Options{
			Retention:     hub.Retention{Count: 1 + random.IntN(40)},
			NoHistory:     random.IntN(5) == 0,
			QueueCountMax: 1 + random.IntN(10),
			QueueBytesMax: 1 + random.IntN(20),
		})
		e := connect(t, h)
		channels := []string{"a", "b", "c"}
		tops := make(map[string]hub.Position)
		accounts := make(map[string]*ledger) // of what is subscribed to
		lasts := make(map[string]hub.Position)
		take := func() int {
			got, err := e.Take(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range got {
				if accounts[p.Channel] == nil {
					t.Fatalf("seed %d: got something of %s, which is not subscribed to", seed, p.Channel)
				}
				accounts[p.Channel].add(p)
			}
			return len(got)
		}
		for range 300 {
			channel := channels[random.IntN(len(channels))]
			switch random.IntN(12) {
			case 0:
				if accounts[channel] == nil {
					accounts[channel] = &ledger{t: t, last: lasts[channel]}
					e.subscribe(channel, hub.SubscribeOptions{Since: lasts[channel]})
				}
			case 1:
				if account := accounts[channel]; account != nil {
					e.unsubscribe(channel)
					lasts[channel] = account.last
					delete(accounts, channel)
				}
			case 2, 3, 4:
				take()
			default:
				tops[channel] = publish(t, h, channel, strings.Repeat("x", random.IntN(8)))
			}
		}
		for owed := true; owed; {
			owed = take() > 0
			select {
			case <-e.woken:
				owed = true
			default:
			}
		}
		for channel, account := range accounts {
			// Nothing was published since it subscribed, or it has all of it.
			if !account.last.IsZero() && account.last != tops[channel] && tops[channel].Offset > account.last.Offset {
				t.Fatalf("seed %d: %s ended at %v, want %v", seed, channel, account.last, tops[channel])
			}
		}
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSlowAndFast has fast and slow edges on busy channels: each gets
// everything, and the slow ones take it from history.
func TestSlowAndFast(t *testing.T) {
	const messages = 5000
	h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: messages}, QueueCountMax: 16})
	var wg sync.WaitGroup
	for i := range 8 {
		e := connect(t, h)
		for _, channel := range []string{"a", "b"} {
			e.subscribe(channel, hub.SubscribeOptions{})
		}
		wg.Go(func() {
			accounts := map[string]*ledger{"a": {t: t}, "b": {t: t}}
			counted := 0
			e.await(func(all []hub.Push) bool {
				for _, p := range all[counted:] {
					accounts[p.Channel].add(p)
				}
				counted = len(all)
				if i%2 == 1 { // slow: until as much again was published
					for target := h.Stats().Publications + 50; h.Stats().Publications < min(target, 2*messages); {
						runtime.Gosched()
					}
				}
				return accounts["a"].n == messages && accounts["b"].n == messages
			})
		})
	}
	for _, channel := range []string{"a", "b"} {
		for range 2 {
			wg.Go(func() {
				for range messages / 2 {
					if _, _, err := h.Publish(t.Context(), hub.Message{Channel: channel}); err != nil {
						t.Error("Publish:", err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if got := h.Stats(); got.QueueDrops == 0 || got.Gaps != 0 || got.Deliveries != 8*2*messages {
		t.Errorf("stats are %+v, want drops, no gaps and %d deliveries", got, 8*2*messages)
	}
}
