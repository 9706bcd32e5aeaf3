package brokertest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func publicationIsDeliveredAsPublished(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("a/b")
	for i, m := range []hub.Message{
		{Channel: "a/b", Kind: hub.Text, Data: []byte("grüezi"), Publisher: "session"},
		{Channel: "a/b", Kind: hub.Binary, Data: []byte{0, 0xff, '\n'}},
		{Channel: "a/b", Kind: hub.JSON, Data: []byte(` {"a": 1} `), IdempotencyKey: "k"},
		{Channel: "a/b"},
	} {
		earliest := time.Now()
		pos, duplicate, err := f.put(m, plenty)
		if err != nil || duplicate {
			t.Fatalf("Publish: duplicate %v, error %v", duplicate, err)
		}
		got := f.received.await(t, count(i+1))[i]
		want := hub.Publication{Channel: m.Channel, Position: pos, Previous: got.Previous, Time: got.Time, Kind: m.Kind, Data: got.Data, Publisher: m.Publisher}
		if fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", want) || string(got.Data) != string(m.Data) {
			t.Errorf("delivered %+v, want %+v with data %q", *got, want, m.Data)
		}
		if got.Time.Location() != time.UTC {
			t.Errorf("time is in %v, want UTC", got.Time.Location())
		}
		// A broker elsewhere has its own clock.
		if slack := time.Minute; got.Time.Before(earliest.Add(-slack)) || got.Time.After(time.Now().Add(slack)) {
			t.Errorf("time is %v, but it is %v", got.Time, time.Now())
		}
		if kept := f.history("a/b", hub.Query{Last: 1}).Publications; len(kept) != 1 || fmt.Sprintf("%+v", *kept[0]) != fmt.Sprintf("%+v", *got) {
			t.Errorf("history has %+v, delivered was %+v", kept, *got)
		}
	}
}

func offsetsGrowByOne(t *testing.T, f *fixture) {
	f.start(nil)
	first := f.publish("c", plenty, "x")
	if first.Offset == 0 || first.Epoch == "" {
		t.Fatalf("the first position is %+v, want an epoch and an offset of at least 1", first)
	}
	if parsed, err := hub.ParsePosition(first.String()); err != nil || parsed != first {
		t.Errorf("position %v does not survive its text form: %v", first, err)
	}
	for i := range 20 {
		if got, want := f.publish("c", plenty, "x"), at(first, i+1); got != want {
			t.Fatalf("position is %v, want %v", got, want)
		}
	}
}

func deliveredInOrderOneAtATime(t *testing.T, f *fixture) {
	const publishers, each = 8, 250
	received := &recorder{changed: make(chan struct{})}
	var under atomic.Int32
	f.start(func(p *hub.Publication) {
		if under.Add(1) > 1 {
			t.Error("two deliveries in one channel at once")
		}
		received.record(p)
		under.Add(-1)
	})
	f.listen("c")
	accepted := make([][]hub.Position, publishers)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for j := range each {
				pos, _, err := f.put(hub.Message{Channel: "c", Data: fmt.Append(nil, i, " ", j)}, plenty)
				if err != nil {
					t.Error("Publish:", err)
					return
				}
				accepted[i] = append(accepted[i], pos)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	all := received.await(t, count(publishers*each))
	if len(all) != publishers*each {
		t.Fatalf("%d deliveries of %d publications", len(all), publishers*each)
	}
	text := make(map[hub.Position]string)
	for i, p := range all {
		if want := at(all[0].Position, i); p.Position != want {
			t.Fatalf("delivery %d is %v, want %v", i, p.Position, want)
		}
		text[p.Position] = string(p.Data)
	}
	for i, positions := range accepted {
		for j, pos := range positions {
			if want := fmt.Sprint(i, " ", j); text[pos] != want {
				t.Fatalf("%v was answered for %q and is %q", pos, want, text[pos])
			}
			if j > 0 && pos.Offset <= positions[j-1].Offset {
				t.Fatalf("a publisher's %v came after its %v", pos, positions[j-1])
			}
		}
	}
}

func channelsAreIndependent(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("a")
	f.publish("a/b", plenty, "deeper")
	f.publish("A", plenty, "other case")
	f.publish("b", plenty, "other")
	pos := f.publish("a", plenty, "mine")
	if got := texts(f.received.await(t, position(pos))); !slices.Equal(got, []string{"mine"}) {
		t.Errorf("delivered %q, want only what is of channel a", got)
	}
	f.wantPage(f.history("a", hub.Query{}), []string{"mine"}, pos, nil)
	if got := texts(f.history("b", hub.Query{}).Publications); !slices.Equal(got, []string{"other"}) {
		t.Errorf("history of b is %q", got)
	}
}

func historyBeforeDelivery(t *testing.T, f *fixture) {
	received := &recorder{changed: make(chan struct{})}
	f.start(func(p *hub.Publication) {
		// That this does not hang also shows that no lock is held.
		page, err := f.History(f.ctx, p.Channel, hub.Query{Since: at(p.Position, -1)})
		if err != nil || len(page.Publications) == 0 || page.Publications[0].Position != p.Position || page.Gap != nil {
			t.Errorf("at the delivery of %v its history was %v, gap %v, error %v", p.Position, texts(page.Publications), page.Gap, err)
		}
		received.record(p)
	})
	f.listen("c")
	f.publish("c", plenty, numbered(50)...)
	received.await(t, count(50))
}

// listenThenHistory is what a subscriber that resumes does: it listens, then
// reads history, and the two must meet while somebody publishes.
func listenThenHistory(t *testing.T, f *fixture) {
	const rounds = 30
	f.start(nil)
	since := f.publish("c", plenty, "first")
	stop := make(chan struct{})
	var published atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, _, err := f.put(hub.Message{Channel: "c"}, plenty); err != nil {
				t.Error("Publish:", err)
				return
			}
			published.Add(1)
		}
	})
	for range rounds {
		f.listen("c")
		page := f.history("c", hub.Query{Since: since})
		if page.Gap != nil {
			t.Fatalf("gap %+v, though nothing was dropped", *page.Gap)
		}
		for i, p := range page.Publications {
			if p.Position != at(since, i+1) {
				t.Fatalf("history since %v has %v at %d", since, p.Position, i)
			}
		}
		if want := at(since, len(page.Publications)); page.Position != want {
			t.Fatalf("page ends at %v, its newest is %v", page.Position, want)
		}
		live := f.received.await(t, position(at(page.Position, 10)))
		next := slices.IndexFunc(live, func(p *hub.Publication) bool { return p.Position.Offset > page.Position.Offset })
		for i, p := range live[next:] {
			if p.Position != at(page.Position, i+1) {
				t.Fatalf("history ends at %v, then %v came live at %d", page.Position, p.Position, i)
			}
		}
		since = live[len(live)-1].Position
		f.mute("c")
	}
}

func listenIsIdempotent(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	f.listen("c")
	pos := f.publish("c", plenty, "x", "y", "z")
	if got := texts(f.received.await(t, position(pos))); !slices.Equal(got, []string{"x", "y", "z"}) {
		t.Errorf("delivered %q, want each once", got)
	}
	f.mute("c") // one is enough
	f.publish("c", plenty, "unheard")
	f.listen("c")
	pos = f.publish("c", plenty, "heard")
	if got := texts(f.received.await(t, position(pos))); !slices.Equal(got, []string{"x", "y", "z", "heard"}) {
		t.Errorf("delivered %q", got)
	}
}

func muteEndsDelivery(t *testing.T, f *fixture) {
	f.start(nil)
	f.mute("never listened to")
	f.listen("c")
	f.received.await(t, position(f.publish("c", plenty, "before")))
	f.mute("c")
	f.mute("c")
	f.publish("c", plenty, "between")
	f.listen("c")
	// One channel is delivered in order: had it been sent, it would be here.
	got := texts(f.received.await(t, position(f.publish("c", plenty, "after"))))
	if !slices.Equal(got, []string{"before", "after"}) {
		t.Errorf("delivered %q", got)
	}
}

func noRetentionStillDelivers(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	first := f.publish("c", hub.Retention{}, "x")
	pos := f.publish("c", hub.Retention{}, "y")
	if pos != at(first, 1) {
		t.Errorf("positions are %v and %v", first, pos)
	}
	if got := texts(f.received.await(t, position(pos))); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("delivered %q", got)
	}
	f.wantPage(f.history("c", hub.Query{}), nil, pos, nil)
}
