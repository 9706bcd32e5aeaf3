package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func TestSubscribeRefuses(t *testing.T) {
	h := newHub(t, nil, &hub.Options{SubscriptionsMax: 2})
	e := connect(t, h)
	subscribe := func(channel string) error {
		return e.trySubscribe(channel, hub.SubscribeOptions{})
	}
	var name *hub.NameError
	if err := subscribe("a//b"); !errors.As(err, &name) {
		t.Errorf("a bad name: %v", err)
	}
	for _, test := range []struct {
		channel string
		want    error
	}{{"a", nil}, {"a", hub.ErrSubscribed}, {"b", nil}, {"b", hub.ErrSubscribed}, {"c", hub.ErrTooManySubscriptions}} {
		if err := subscribe(test.channel); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.channel, err, test.want)
		}
	}
	if got := h.Stats(); got.Channels != 2 || got.Subscriptions != 2 {
		t.Errorf("%d channels and %d subscriptions, want 2 and 2", got.Channels, got.Subscriptions)
	}
	for _, channel := range []string{"never had", "a"} {
		if o := e.outcome(func(tag uint64) { e.Unsubscribe(tag, channel) }); o.Err != nil || o.Command != hub.CommandUnsubscribe || o.Channel != channel {
			t.Errorf("Unsubscribe(%q): %+v", channel, o)
		}
	}
	if err := subscribe("c"); err != nil {
		t.Errorf("after Unsubscribe: %v", err)
	}
	e.Close()
	e.Close()
	e.Subscribe(1, "d", hub.SubscribeOptions{})
	if got, err := e.Take(nil); !errors.Is(err, hub.ErrClosed) || len(got) != 0 {
		t.Errorf("after Close: %v, %v", got, err)
	}
	if got := h.Stats(); got.Channels != 0 || got.Subscriptions != 0 || len(got.Sessions) != 0 {
		t.Errorf("Close left %+v", got)
	}
}

func TestSubscribeBeginsWhereAsked(t *testing.T) {
	since := func(n uint64) hub.SubscribeOptions {
		return hub.SubscribeOptions{Since: hub.Position{Epoch: "this", Offset: n}}
	}
	for _, test := range []struct {
		name string
		o    hub.SubscribeOptions
		want string
	}{
		{"now", hub.SubscribeOptions{}, "7 8"},
		{"since a held position", since(3), "4 5 6 7 8"},
		{"since the newest", since(6), "7 8"},
		{"since a lost position", since(1), "gap(1-3) 4 5 6 7 8"},
		{"since another epoch", hub.SubscribeOptions{Since: hub.Position{Epoch: "x", Offset: 9}}, "gap(9-3) 4 5 6 7 8"},
		{"since a future position", since(99), "gap(99-3) 4 5 6 7 8"},
		{"last 2", hub.SubscribeOptions{Last: 2}, "5 6 7 8"},
		{"last of more than held", hub.SubscribeOptions{Last: 1000}, "gap(2-3) 4 5 6 7 8"},
		{"since before last", hub.SubscribeOptions{Since: since(5).Since, Last: 1}, "6 7 8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: 4}})
			top := publish(t, h, "c", "1", "2", "3", "4", "5", "6")
			if test.o.Since.Epoch == "this" {
				test.o.Since.Epoch = top.Epoch
			}
			e := connect(t, h)
			e.subscribe("c", test.o)
			publish(t, h, "c", "7")
			got := e.drain()
			publish(t, h, "c", "8")
			got = append(got, e.drain()...)
			want(t, got, test.want)
		})
	}

	// Nothing that comes after Subscribe is lost to a Last that it would fill.
	h := newHub(t, nil, nil)
	publish(t, h, "c", "1", "2")
	eager := connect(t, h)
	eager.subscribe("c", hub.SubscribeOptions{Last: 1})
	publish(t, h, "c", "3", "4", "5")
	want(t, eager.drain(), "2 3 4 5")

	// An empty channel: the position is where it begins.
	e := connect(t, h)
	e.subscribe("empty", hub.SubscribeOptions{Last: 5})
	want(t, e.drain(), "")
	publish(t, h, "empty", "first")
	want(t, e.drain(), "first")
}

func TestExcludeSelf(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueCountMax: 3})
	e, other := connect(t, h), connect(t, h)
	e.subscribe("c", hub.SubscribeOptions{ExcludeSelf: true})
	say := func(who *edge, text string) hub.Position {
		t.Helper()
		o := who.publish(hub.Message{Channel: "c", Data: []byte(text), Publisher: "forged"})
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		return o.Position
	}
	first := say(e, "mine")
	say(other, "a")
	say(e, "mine")
	say(other, "b")
	want(t, e.drain(), "a b")

	// Through history: an overflow, and a replay of a page with nothing but mine.
	for range 5 {
		say(other, "x")
		say(e, "mine")
	}
	want(t, e.drain(), "x x x x x")
	e.unsubscribe("c")
	for range 600 {
		say(e, "mine")
	}
	e.subscribe("c", hub.SubscribeOptions{ExcludeSelf: true, Since: first})
	want(t, e.drain(), "a b x x x x x")
	say(other, "live")
	want(t, e.drain(), "live")
	if got := h.Stats(); got.Gaps != 0 {
		t.Errorf("%d gaps", got.Gaps)
	}
}

func TestUnsubscribeDropsWhatIsQueued(t *testing.T) {
	h := newHub(t, nil, &hub.Options{QueueBytesMax: 8})
	e := connect(t, h)
	e.subscribe("a", hub.SubscribeOptions{})
	e.subscribe("b", hub.SubscribeOptions{})
	publish(t, h, "a", "aaa")
	publish(t, h, "b", "bb")
	e.unsubscribe("a")
	publish(t, h, "a", "unheard")
	publish(t, h, "b", "bbbbbb") // fits only if the bytes of a were given back
	want(t, e.drain(), "bb bbbbbb")
	if got := h.Stats(); got.QueueDrops != 0 {
		t.Errorf("%d queue drops", got.QueueDrops)
	}
	e.subscribe("a", hub.SubscribeOptions{})
	publish(t, h, "a", "new")
	want(t, e.drain(), "new")
}

// TestUnsubscribeWhileCatchingUp has replays come and go in a session that does
// not take: nothing is kept of them, and nothing is read for them.
func TestUnsubscribeWhileCatchingUp(t *testing.T) {
	broker := &scriptedBroker{history: func(q hub.Query) (hub.Page, error) {
		return hub.Page{Publications: []*hub.Publication{publication(pos("e", 2))}, Position: pos("e", 2)}, nil
	}}
	h := newHub(t, broker, nil)
	e := connect(t, h)
	for range 100 {
		e.subscribe("c", hub.SubscribeOptions{Since: pos("e", 1)})
		e.unsubscribe("c")
	}
	want(t, e.drain(), "")
	if broker.reads != 0 {
		t.Errorf("history was read %d times for nobody", broker.reads)
	}
	e.subscribe("c", hub.SubscribeOptions{Since: pos("e", 1)})
	want(t, e.drain(), "e:2")
}

// TestWake counts calls exactly: one when something is owed after nothing was.
func TestWake(t *testing.T) {
	h := newHub(t, nil, &hub.Options{Retention: hub.Retention{Count: 1000}})
	var wakes atomic.Int32
	s, err := h.Connect("test", func() { wakes.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var taken []hub.Push
	take := func(wantPushes, wantWakes int) {
		t.Helper()
		var err error
		if taken, err = s.Take(taken[:0]); err != nil || len(taken) != wantPushes {
			t.Fatalf("took %d, error %v; want %d", len(taken), err, wantPushes)
		}
		if got := int(wakes.Swap(0)); got != wantWakes {
			t.Fatalf("woken %d times, want %d", got, wantWakes)
		}
	}
	subscribe := func(channel string, o hub.SubscribeOptions) {
		t.Helper()
		s.Subscribe(0, channel, o)
	}
	take(0, 0)
	subscribe("c", hub.SubscribeOptions{})
	take(0, 0)
	publish(t, h, "c", "1", "2", "3")
	take(3, 1)
	take(0, 0)
	publish(t, h, "c", "4")
	take(1, 1)

	for range 600 {
		publish(t, h, "long", "x")
	}
	subscribe("long", hub.SubscribeOptions{Last: 600})
	take(256, 2) // one for the subscription, one because more is owed
	publish(t, h, "c", "5")
	take(257, 1) // that call stands for both; again for more
	take(88, 0)
	take(0, 0)

	s.Unsubscribe(0, "c")
	publish(t, h, "c", "6")
	take(0, 0)
	s.Close()
	if got := wakes.Load(); got != 1 {
		t.Errorf("woken %d times at the end, want 1", got)
	}
}

// TestWakeWithoutLock calls back into the hub from wake.
func TestWakeWithoutLock(t *testing.T) {
	h := newHub(t, nil, nil)
	var s *hub.Session
	var got []hub.Push
	s, err := h.Connect("test", func() {
		h.Stats()
		if _, err := h.PresenceCount("c"); err != nil {
			t.Error(err)
		}
		got, _ = s.Take(got)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Subscribe(0, "c", hub.SubscribeOptions{Last: 1})
	publish(t, h, "c", "1", "2")
	want(t, got, "1 2")
}

func TestPresence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		if got, err := h.ListMembers("c", hub.PresenceQuery{}); err != nil || got.Count != 0 || len(got.Members) != 0 {
			t.Errorf("nobody is %v, error %v", got, err)
		}
		var name *hub.NameError
		if _, err := h.ListMembers("c/*", hub.PresenceQuery{}); !errors.As(err, &name) {
			t.Errorf("a pattern: %v", err)
		}
		var wanted []hub.Member
		var edges []*edge
		for range 20 {
			e := connect(t, h)
			time.Sleep(time.Second)
			e.subscribe("c", hub.SubscribeOptions{})
			wanted = append(wanted, hub.Member{ID: e.ID(), Transport: "test", Since: time.Now().UTC()})
			edges = append(edges, e)
		}
		edges[0].subscribe("other", hub.SubscribeOptions{})
		check := func() {
			t.Helper()
			got := present(t, h, "c")
			o := edges[0].outcome(func(tag uint64) { edges[0].Presence(tag, "c", hub.PresenceQuery{}) })
			if o.Err != nil || !slices.Equal(o.Roster.Members, got) || o.Roster.Count != len(wanted) {
				t.Errorf("a session is told of %v, error %v; want %v", o.Roster, o.Err, got)
			}
			if !slices.Equal(got, wanted) {
				t.Errorf("present are %v; want %v", got, wanted)
			}
		}
		check()
		edges[3].unsubscribe("c")
		edges[7].Close()
		wanted = slices.Delete(wanted, 7, 8)
		wanted = slices.Delete(wanted, 3, 4)
		check()
		ids := make(map[string]bool)
		for _, e := range edges {
			ids[e.ID()] = true
		}
		if len(ids) != len(edges) || len(edges[0].ID()) < 26 {
			t.Errorf("session IDs are %v", ids)
		}
	})
}

func TestStatsByTransport(t *testing.T) {
	h := newHub(t, nil, nil)
	var sessions []*hub.Session
	for _, transport := range []string{"sse", "websocket", "sse"} {
		s, err := h.Connect(transport, nil)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	if got := fmt.Sprint(h.Stats().Sessions); got != "map[sse:2 websocket:1]" {
		t.Errorf("sessions are %s", got)
	}
	sessions[1].Close()
	sessions[2].Close()
	if got := fmt.Sprint(h.Stats().Sessions); got != "map[sse:1]" {
		t.Errorf("sessions are %s", got)
	}
	sessions[0].Subscribe(0, "c", hub.SubscribeOptions{})
	publish(t, h, "c", "four")
	if _, err := sessions[0].Take(nil); err != nil {
		t.Fatal(err)
	}
	if got := h.Stats(); got.Deliveries != 1 || got.DeliveryBytes != 4 || got.Channels != 1 || got.Subscriptions != 1 {
		t.Errorf("stats are %+v", got)
	}
	sessions[0].Close()
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, nil, nil)
		e, idle := connect(t, h), connect(t, h)
		e.subscribe("c", hub.SubscribeOptions{})
		publish(t, h, "c", "before")

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		if err := h.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Minute {
			t.Errorf("with edges that do not close: %v after %v", err, time.Since(began))
		}
		if _, err := h.Connect("test", nil); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("Connect: %v", err)
		}
		if _, _, err := h.Publish(t.Context(), hub.Message{Channel: "c"}); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("Publish: %v", err)
		}
		e.Publish(1, hub.Message{Channel: "c"}) // these have no outcomes
		e.Subscribe(2, "d", hub.SubscribeOptions{})
		e.Unsubscribe(3, "c")
		e.History(4, "c", hub.Query{})
		e.Presence(5, "c", hub.PresenceQuery{})
		if _, err := h.History(t.Context(), "c", hub.Query{}); err != nil {
			t.Errorf("History: %v", err)
		}

		// First the queue, then the reason, each with its wake.
		<-e.woken
		got, err := e.Take(nil)
		if err != nil {
			t.Error("Take:", err)
		}
		want(t, got, "before")
		<-e.woken
		for range 2 {
			if got, err := e.Take(nil); !errors.Is(err, hub.ErrShutdown) || len(got) != 0 {
				t.Errorf("Take at the end: %v, %v", got, err)
			}
		}
		<-idle.woken
		if _, err := idle.Take(nil); !errors.Is(err, hub.ErrShutdown) {
			t.Errorf("Take of an idle session: %v", err)
		}

		done := make(chan error, 1)
		go func() { done <- h.Shutdown(t.Context()) }()
		synctest.Wait()
		e.Close()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("Shutdown returned %v before the last session was closed", err)
		default:
		}
		idle.Close()
		if err := <-done; err != nil {
			t.Error("Shutdown:", err)
		}
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error("Shutdown of nobody:", err)
		}
	})
}

func TestClose(t *testing.T) {
	h := newHub(t, nil, nil)
	e, busy := connect(t, h), connect(t, h)
	busy.subscribe("c", hub.SubscribeOptions{})
	publish(t, h, "c", "never taken")
	if err := h.Close(); err != nil {
		t.Fatal("Close:", err)
	}
	_, _, publish := h.Publish(t.Context(), hub.Message{Channel: "c"})
	_, history := h.History(t.Context(), "c", hub.Query{})
	_, connect := h.Connect("test", nil)
	_, take := e.Take(nil)
	_, takeBusy := busy.Take(nil)
	for call, err := range map[string]error{
		"Publish": publish, "History": history, "Connect": connect, "Take": take, "Take with a queue": takeBusy,
		"Close": h.Close(), "Health": h.Health(t.Context()),
	} {
		if !errors.Is(err, hub.ErrClosed) {
			t.Errorf("%s after Close: %v, want ErrClosed", call, err)
		}
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Error("Shutdown after Close:", err)
	}
}

// What a session is owed is handed out in parts, each with its wake, whether it was
// queued or is read from history: a client that does not read makes its edge hold a
// part, and not a queue. Nothing is missing and everything is in order, also when a
// subscription falls behind in between.
func TestTakeGivesParts(t *testing.T) {
	const size, partMax = 60 << 10, 256 << 10
	for _, c := range []struct {
		name      string
		published int // the queue holds 17
	}{{"queued", 17}, {"fallen behind", 60}} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, nil, nil)
			e := connect(t, h)
			e.subscribe("c", hub.SubscribeOptions{})
			e.drain()
			text := strings.Repeat("x", size)
			for i := range c.published {
				publish(t, h, "c", fmt.Sprint(text, i))
			}
			got, parts := 0, 0
			for ; got < c.published; parts++ {
				<-e.woken
				pushes, err := e.Take(nil)
				if err != nil {
					t.Fatal(err)
				}
				bytes := 0
				for _, p := range pushes {
					if p.Delivery == nil || string(p.Delivery.Data[size:]) != fmt.Sprint(got) {
						t.Fatalf("number %d is %+v", got, p)
					}
					got++
					bytes += len(p.Delivery.Data)
				}
				if bytes > partMax {
					t.Errorf("a part of %d bytes", bytes)
				}
				if parts == 1 { // it is caught up with in between
					publish(t, h, "c", fmt.Sprint(text, c.published))
					c.published++
				}
			}
			if rest := e.drain(); len(rest) > 0 {
				t.Errorf("then %+v", rest)
			}
			if parts < 4 {
				t.Errorf("%d parts", parts)
			}
		})
	}
}
