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
		{Channel: "a/b", Data: []byte("x"), Attributes: &hub.Attributes{Event: "joke", User: "ann", Key: "k/1", Exclude: "session", Expires: time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC), Trace: "t"}},
		{Channel: "a/b", Kind: hub.JSON, Data: []byte(`[1,{"$base64":"AA=="}]`), Attributes: &hub.Attributes{Event: "pair", Shape: hub.ShapeArgs | hub.ShapeAttachments}},
		{Channel: "a/b"},
	} {
		earliest := time.Now()
		pos, duplicate, err := f.put(m, plenty)
		if err != nil || duplicate {
			t.Fatalf("Publish: duplicate %v, error %v", duplicate, err)
		}
		got := f.received.await(t, count(i+1))[i]
		want := hub.Publication{Channel: m.Channel, Position: pos, Previous: got.Previous, Time: got.Time, Kind: m.Kind, Data: got.Data, Publisher: m.Publisher, Attributes: m.Attributes}
		if describe(got) != describe(&want) || string(got.Data) != string(m.Data) {
			t.Errorf("delivered %+v, want %+v with data %q", *got, want, m.Data)
		}
		if got.Time.Location() != time.UTC {
			t.Errorf("time is in %v, want UTC", got.Time.Location())
		}
		// A broker elsewhere has its own clock.
		if slack := time.Minute; got.Time.Before(earliest.Add(-slack)) || got.Time.After(time.Now().Add(slack)) {
			t.Errorf("time is %v, but it is %v", got.Time, time.Now())
		}
		if kept := f.history("a/b", hub.Query{Last: 1}).Publications; len(kept) != 1 || describe(kept[0]) != describe(got) {
			t.Errorf("history has %+v, delivered was %+v", kept, *got)
		}
	}
}

// describe is all of a publication but its payload, so that two that are equal can
// be compared.
func describe(p *hub.Publication) string {
	plain := *p
	plain.Attributes = nil
	attributes := hub.Attributes{}
	if p.Attributes != nil {
		attributes = *p.Attributes
	}
	return fmt.Sprintf("%+v %+v", plain, attributes)
}

func offsetsAscend(t *testing.T, f *fixture) {
	f.start(nil)
	positions := f.publishAll("c", plenty, numbered(20)...)
	first := positions[1]
	if first.Offset == 0 || first.Epoch == "" {
		t.Fatalf("the first position is %+v, want an epoch and an offset of at least 1", first)
	}
	if parsed, err := hub.ParsePosition(first.String()); err != nil || parsed != first {
		t.Errorf("position %v does not survive its text form: %v", first, err)
	}
	page := f.history("c", hub.Query{})
	f.wantPage(page, numbered(20), positions[20], hub.Position{})
	f.wantFollows(positions[0], page.Publications[0])
	for i, p := range page.Publications {
		if p.Position != positions[i+1] {
			t.Fatalf("publication %d was answered %v, and is %v", i, positions[i+1], p.Position)
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
	f.wantChain(all)
	for _, p := range all {
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
	f.wantPage(f.history("a", hub.Query{}), []string{"mine"}, pos, hub.Position{})
	if got := texts(f.history("b", hub.Query{}).Publications); !slices.Equal(got, []string{"other"}) {
		t.Errorf("history of b is %q", got)
	}
}

func historyBeforeDelivery(t *testing.T, f *fixture) {
	received := &recorder{changed: make(chan struct{})}
	var before hub.Position
	f.start(func(p *hub.Publication) {
		// That this does not hang also shows that no lock is held.
		page, err := f.History(f.ctx, p.Channel, hub.Query{Since: before})
		before = p.Position
		if err != nil || len(page.Publications) == 0 || page.Publications[0].Position != p.Position || page.Gap != nil {
			t.Errorf("at the delivery of %v its history was %v, gap %v, error %v", p.Position, texts(page.Publications), page.Gap, err)
		}
		received.record(p)
	})
	before = f.listen("c")
	f.publish("c", plenty, numbered(50)...)
	received.await(t, count(50))
}

// listenThenHistory acts like a subscriber that resumes: it listens, then reads history,
// and the two must meet during publishing.
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
		top := f.listen("c")
		page := f.history("c", hub.Query{Since: since})
		if page.Gap != nil {
			t.Fatalf("gap %+v, though nothing was dropped", *page.Gap)
		}
		f.wantPage(page, texts(page.Publications), page.Position, hub.Position{})
		if n := len(page.Publications); n > 0 {
			f.wantFollows(since, page.Publications[0])
			if newest := page.Publications[n-1].Position; page.Position != newest {
				t.Fatalf("page ends at %v, its newest is %v", page.Position, newest)
			}
		}
		if page.Position.Offset < top.Offset {
			t.Fatalf("Listen said that the newest is %v, and history ends at %v", top, page.Position)
		}
		newer := func(p *hub.Publication) bool { return p.Position.Offset > page.Position.Offset }
		live := f.received.await(t, func(ps []*hub.Publication) bool {
			next := slices.IndexFunc(ps, newer)
			return next >= 0 && len(ps) >= next+10
		})
		next := slices.IndexFunc(live, newer)
		f.wantFollows(page.Position, live[next])
		f.wantChain(live[next:])
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
	if pos.Epoch != first.Epoch || pos.Offset <= first.Offset {
		t.Errorf("positions are %v and %v", first, pos)
	}
	if got := texts(f.received.await(t, position(pos))); !slices.Equal(got, []string{"x", "y"}) {
		t.Errorf("delivered %q", got)
	}
	f.wantPage(f.history("c", hub.Query{}), nil, pos, hub.Position{})
	// A publication that is not kept is missed by a subscriber that has not seen it, except
	// where the broker says that it holds nothing before.
	all := f.received.await(t, count(2))
	if previous := all[1].Previous; previous != first.Offset && previous != 0 {
		t.Errorf("%v names %d as the one before it, want %d or 0", pos, previous, first.Offset)
	}
}

// listenAnswersTheNewest listens during publishing: nothing lies between
// the position that Listen answers and the first delivery.
func listenAnswersTheNewest(t *testing.T, f *fixture) {
	const rounds = 30
	f.start(nil)
	if top, page := f.listen("quiet"), f.history("quiet", hub.Query{}); top != page.Position {
		t.Errorf("Listen to a channel without publications answers %v, its history ends at %v", top, page.Position)
	}
	kept := f.publish("kept", plenty, "x", "y")
	if top := f.listen("kept"); top != kept {
		t.Errorf("Listen answers %v, the newest is %v", top, kept)
	}
	dropped := f.publish("dropped", hub.Retention{}, "x", "y")
	if top := f.listen("dropped"); top != dropped {
		t.Errorf("Listen answers %v, the newest is %v, which was not kept", top, dropped)
	}
	again := f.publish("kept", plenty, "z")
	if top := f.listen("kept"); top != again {
		t.Errorf("a second Listen answers %v, the newest is %v", top, again)
	}

	stop := make(chan struct{})
	var acknowledged atomic.Uint64
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
			pos, _, err := f.put(hub.Message{Channel: "c"}, plenty)
			if err != nil {
				t.Error("Publish:", err)
				return
			}
			acknowledged.Store(pos.Offset)
		}
	})
	for range rounds {
		before := acknowledged.Load()
		top := f.listen("c")
		if top.Offset < before {
			t.Fatalf("Listen answers %v, after %d was acknowledged", top, before)
		}
		newer := func(p *hub.Publication) bool { return p.Channel == "c" && p.Position.Offset > top.Offset }
		live := f.received.await(t, func(ps []*hub.Publication) bool { return slices.ContainsFunc(ps, newer) })
		f.wantFollows(top, live[slices.IndexFunc(live, newer)])
		f.mute("c")
	}
}

// lostIsAnnounced breaks the broker's connection: a publication accepted meanwhile is
// delivered, or said to be lost and found in history.
func lostIsAnnounced(t *testing.T, f *fixture) {
	if f.suite.Disconnect == nil {
		t.Skip("this broker has no connection that could break")
	}
	f.start(nil)
	f.listen("c")
	since := f.publish("c", plenty, "before")
	f.received.await(t, position(since))
	f.suite.Disconnect(f.Broker)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	accepted := 0
	for accepted < 20 {
		if _, _, err := f.put(hub.Message{Channel: "c", Data: fmt.Append(nil, accepted), IdempotencyKey: fmt.Sprint(accepted)}, plenty); err == nil {
			accepted++
		}
		select {
		case <-timeout.C:
			t.Fatalf("the broker has not come back after %v", patience)
		default:
		}
	}
	for {
		all, changed := f.received.snapshot()
		lost, _ := f.received.losses()
		if slices.Contains(lost, "c") || slices.Contains(lost, "") {
			page := f.history("c", hub.Query{Since: since})
			f.wantPage(page, numbered(20), page.Position, hub.Position{})
			return
		}
		if len(all) >= 21 {
			f.wantChain(all)
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("after %v %d of 21 were delivered, and nothing was said to be lost", patience, len(all))
		}
	}
}
