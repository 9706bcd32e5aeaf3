package brokertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func historyQueries(t *testing.T, f *fixture) {
	f.start(nil)
	texts := numbered(10)
	at := f.publishAll("c", plenty, texts...) // at[n] is where n publications end
	top := at[10]
	for _, test := range []struct {
		name string
		q    hub.Query
		want []string
		end  hub.Position
	}{
		{"everything", hub.Query{}, texts, top},
		{"since the beginning", hub.Query{Since: at[0]}, texts, top},
		{"since the middle", hub.Query{Since: at[4]}, texts[4:], top},
		{"since the last but one", hub.Query{Since: at[9]}, texts[9:], top},
		{"since the newest", hub.Query{Since: top}, nil, top},
		{"last 3", hub.Query{Last: 3}, texts[7:], top},
		{"last 10", hub.Query{Last: 10}, texts, top},
		{"last of more than there are", hub.Query{Last: 1 << 30}, texts, top},
		{"last is ignored with since", hub.Query{Since: at[2], Last: 3}, texts[2:], top},
		{"limit", hub.Query{Limit: 4}, texts[:4], at[4]},
		{"limit with since", hub.Query{Since: at[2], Limit: 4}, texts[2:6], at[6]},
		{"limit with last", hub.Query{Last: 5, Limit: 2}, texts[5:7], at[7]},
		{"limit of exactly what there is", hub.Query{Limit: 10}, texts, top},
		{"limit of more", hub.Query{Limit: 11}, texts, top},
		{"limit with nothing new", hub.Query{Since: top, Limit: 1}, nil, top},
	} {
		t.Run(test.name, func(t *testing.T) {
			sub := *f
			sub.t = t
			page := sub.history("c", test.q)
			sub.wantPage(page, test.want, test.end, hub.Position{})
			// Where a page begins it begins again.
			again := sub.history("c", hub.Query{Since: page.Begin, Limit: test.q.Limit})
			sub.wantPage(again, test.want, test.end, hub.Position{})
		})
	}
}

func historyGaps(t *testing.T, f *fixture) {
	f.start(nil)
	texts := numbered(10)
	at := f.publishAll("c", hub.Retention{Count: 4, Age: time.Hour}, texts...)
	none := f.publishAll("empty", hub.Retention{}, texts...)
	top, empty := at[10], none[10]
	foreign := hub.Position{Epoch: top.Epoch + "x", Offset: top.Offset}
	future := hub.Position{Epoch: top.Epoch, Offset: top.Offset + 1}
	endOfTime := hub.Position{Epoch: top.Epoch, Offset: 1<<64 - 1}
	for _, test := range []struct {
		name    string
		channel string
		q       hub.Query
		want    []string
		end     hub.Position
		hasGap  bool
	}{
		{"just before the oldest held", "c", hub.Query{Since: at[6]}, texts[6:], top, false},
		{"one is missing", "c", hub.Query{Since: at[5]}, texts[6:], top, true},
		{"all are missing", "c", hub.Query{Since: at[0]}, texts[6:], top, true},
		{"with a limit", "c", hub.Query{Since: at[0], Limit: 1}, texts[6:7], at[7], true},
		{"another epoch", "c", hub.Query{Since: foreign}, texts[6:], top, true},
		{"from the future", "c", hub.Query{Since: future}, texts[6:], top, true},
		{"from the end of time", "c", hub.Query{Since: endOfTime}, texts[6:], top, true},
		{"no question no gap", "c", hub.Query{}, texts[6:], top, false},
		{"last of more than are held", "c", hub.Query{Last: 8}, texts[6:], top, false},
		{"none held", "empty", hub.Query{Since: none[8]}, nil, empty, true},
		{"none held and none missing", "empty", hub.Query{Since: empty}, nil, empty, false},
		{"none held, another epoch", "empty", hub.Query{Since: foreign}, nil, empty, true},
		{"none held, from the future", "empty", hub.Query{Since: hub.Position{Epoch: empty.Epoch, Offset: empty.Offset + 7}}, nil, empty, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			sub := *f
			sub.t = t
			page := sub.history(test.channel, test.q)
			gap := test.q.Since
			if !test.hasGap {
				gap = hub.Position{}
			}
			sub.wantPage(page, test.want, test.end, gap)
			if test.hasGap && len(test.want) > 0 && page.Begin.Offset < at[6].Offset {
				t.Errorf("the gap ends at %v, but what came before %v is missing, too", page.Begin, at[6])
			}
		})
	}
}

// historyIsWhole: a page from the oldest names a time for the publications before it, and none that was
// dropped was accepted later than that.
func historyIsWhole(t *testing.T, f *fixture) {
	f.start(nil)
	const kept = 3
	var accepted []time.Time
	for _, text := range numbered(8) {
		f.publish("c", hub.Retention{Count: kept, Age: time.Hour}, text)
		newest := f.history("c", hub.Query{Last: 1})
		accepted = append(accepted, newest.Publications[0].Time)
		for _, limit := range []int{0, 1, kept, kept + 1} {
			page := f.history("c", hub.Query{Limit: limit})
			if dropped := len(accepted) - kept; dropped > 0 && !page.WholeAfter.IsZero() && page.WholeAfter.Before(accepted[dropped-1]) {
				t.Errorf("with limit %d nothing is said to be missing after %v, but what was accepted at %v was dropped", limit, page.WholeAfter, accepted[dropped-1])
			}
		}
	}
	f.publish("none", hub.Retention{}, "x")
	newest := time.Now().Add(-time.Minute)
	if page := f.history("none", hub.Query{}); !page.WholeAfter.IsZero() && page.WholeAfter.Before(newest) {
		t.Errorf("nothing is said to be missing after %v in a channel that keeps nothing", page.WholeAfter)
	}
}

func historyInPages(t *testing.T, f *fixture) {
	f.start(nil)
	texts := numbered(25)
	at := f.publishAll("c", plenty, texts...)
	since, top := at[0], at[25]
	for i := 0; ; i += 7 {
		page := f.history("c", hub.Query{Since: since, Limit: 7})
		end := min(i+7, 25)
		f.wantPage(page, texts[i:end], at[end], hub.Position{})
		if since = page.Position; since == top || t.Failed() {
			break
		}
	}
	// The slice of a page belongs to the caller.
	page := f.history("c", hub.Query{})
	clear(page.Publications)
	f.wantPage(f.history("c", hub.Query{}), texts, top, hub.Position{})
}

func historyOfUnknownChannel(t *testing.T, f *fixture) {
	f.start(nil)
	page := f.history("nobody", hub.Query{})
	if len(page.Publications) != 0 || page.Gap != nil || page.Position.Epoch == "" {
		t.Errorf("page is %+v, want an empty one with a position", page)
	}
	f.wantPage(f.history("nobody", hub.Query{Since: page.Position}), nil, page.Position, hub.Position{})
	f.wantPage(f.history("nobody", hub.Query{Last: 3}), nil, page.Position, hub.Position{})
	stale := hub.Position{Epoch: "stale", Offset: 3}
	f.wantPage(f.history("nobody", hub.Query{Since: stale}), nil, page.Position, stale)

	// A client that has read the empty history misses nothing from there.
	pos := f.publish("nobody", plenty, "first")
	f.wantPage(f.history("nobody", hub.Query{Since: page.Position}), []string{"first"}, pos, hub.Position{})
}

func retentionByCount(t *testing.T, f *fixture) {
	f.start(nil)
	texts := numbered(10)
	for i := range texts {
		top := f.publish("c", hub.Retention{Count: 3, Age: time.Hour}, texts[i])
		f.wantPage(f.history("c", hub.Query{}), texts[max(0, i-2):i+1], top, hub.Position{})
	}
	top := f.publish("one", hub.Retention{Count: 1, Age: time.Hour}, "x", "y")
	f.wantPage(f.history("one", hub.Query{}), []string{"y"}, top, hub.Position{})
}

// retentionWithoutHoles changes retention between publications. Each keeps to
// its own, and a history ends where something newer is missing.
func retentionWithoutHoles(t *testing.T, f *fixture) {
	f.start(nil)
	none := hub.Position{}
	f.publish("c", plenty, "a", "b")
	f.publish("c", hub.Retention{}, "not kept")
	top := f.publish("c", plenty, "c")
	f.wantPage(f.history("c", hub.Query{}), []string{"c"}, top, none)

	f.publish("c", hub.Retention{Count: 2, Age: time.Hour}, "d")
	top = f.publish("c", plenty, "e")
	f.wantPage(f.history("c", hub.Query{}), []string{"c", "d", "e"}, top, none)
	top = f.publish("c", plenty, "f") // two newer than d: it goes, and c with it
	f.wantPage(f.history("c", hub.Query{}), []string{"e", "f"}, top, none)

	for _, r := range []hub.Retention{{Count: 1}, {Age: time.Hour}, {Count: -1, Age: -1}} {
		top = f.publish("none", r, "x")
		f.wantPage(f.history("none", hub.Query{}), nil, top, none)
	}
}

// testAge is how old publications get in virtual time.
const testAge = 10 * time.Minute

// silence lets d go by, in which nothing is delivered.
func (f *fixture) silence(d time.Duration) {
	f.t.Helper()
	if f.suite.External {
		<-time.After(d)
		return
	}
	_, changed := f.received.snapshot()
	select {
	case <-changed:
		f.t.Fatal("something was delivered though nothing was published")
	case <-time.After(d): // of the bubble
	}
}

func retentionByAge(t *testing.T, f *fixture) {
	f.start(nil)
	none := hub.Position{}
	const age, clear = testAge, time.Nanosecond
	r := hub.Retention{Count: 100, Age: age}
	before := f.publishAll("c", r, "old")[0]
	f.silence(age / 2)
	top := f.publish("c", r, "new")
	f.silence(age/2 - clear)
	f.wantPage(f.history("c", hub.Query{}), []string{"old", "new"}, top, none)
	f.silence(2 * clear)
	f.wantPage(f.history("c", hub.Query{}), []string{"new"}, top, none)
	f.wantPage(f.history("c", hub.Query{Since: before}), []string{"new"}, top, before)
	f.silence(age)
	f.wantPage(f.history("c", hub.Query{}), nil, top, none)

	// Of two ages, the shorter one of the newer publication ends both.
	f.publish("mixed", hub.Retention{Count: 100, Age: 10 * age}, "long")
	top = f.publish("mixed", r, "short")
	f.silence(age - clear)
	f.wantPage(f.history("mixed", hub.Query{}), []string{"long", "short"}, top, none)
	f.silence(2 * clear)
	f.wantPage(f.history("mixed", hub.Query{}), nil, top, none)
}

// positionsSurviveSilence resumes after everything was muted and has expired.
func positionsSurviveSilence(t *testing.T, f *fixture) {
	f.start(nil)
	r := hub.Retention{Count: 100, Age: testAge}
	f.listen("c")
	old := f.publish("c", r, "a", "b", "c")
	f.received.await(t, position(old))
	f.mute("c")
	f.silence(testAge + 2*time.Second)
	f.survivesSilence("c", old, r)
}

// survivesSilence resumes behind the newest publication of a channel, which has expired.
func (f *fixture) survivesSilence(channel string, old hub.Position, r hub.Retention) {
	t := f.t
	t.Helper()
	check := func(page hub.Page, data []string, position hub.Position) {
		t.Helper()
		gap := hub.Position{}
		if page.Gap != nil {
			gap = old
			t.Logf("an allowed gap: %+v", *page.Gap)
		}
		f.wantPage(page, data, position, gap)
	}
	page := f.history(channel, hub.Query{Since: old})
	check(page, nil, page.Position)
	if page.Gap == nil && page.Position != old {
		t.Errorf("nothing happened since %v, but the page ends at %v and has no gap", old, page.Position)
	}

	pos := f.publish(channel, r, "d")
	if pos.Epoch == old.Epoch && pos.Offset <= old.Offset {
		t.Fatalf("%v was given out again, after %v", pos, old)
	}
	page = f.history(channel, hub.Query{Since: old})
	check(page, []string{"d"}, pos)
	if page.Gap == nil {
		f.wantFollows(old, page.Publications[0])
	}
}

func idempotencyKey(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	m := hub.Message{Channel: "c", Data: []byte("x"), IdempotencyKey: "k"}
	publish := func(m hub.Message) (hub.Position, bool) {
		t.Helper()
		pos, duplicate, err := f.put(m, plenty)
		if err != nil {
			t.Fatal("Publish:", err)
		}
		return pos, duplicate
	}
	first, duplicate := publish(m)
	if duplicate {
		t.Error("the first is called a duplicate")
	}
	other := m
	other.Data = []byte("what is published does not matter")
	for range 3 {
		if pos, duplicate := publish(other); !duplicate || pos != first {
			t.Errorf("the same key: %v, duplicate %v; want %v, true", pos, duplicate, first)
		}
	}
	other.IdempotencyKey = "K"
	if pos, duplicate := publish(other); duplicate || pos.Offset <= first.Offset {
		t.Errorf("another key: %v, duplicate %v", pos, duplicate)
	}
	other = m
	other.Channel = "other"
	if _, duplicate := publish(other); duplicate {
		t.Error("the key of another channel is a duplicate")
	}
	// What a separator between the two would confuse.
	publish(hub.Message{Channel: "p", IdempotencyKey: "/qr"})
	publish(hub.Message{Channel: "p", IdempotencyKey: "q/r"})
	if _, duplicate := publish(hub.Message{Channel: "p/q", IdempotencyKey: "r"}); duplicate {
		t.Error("channel and key are confused")
	}
	publish(hub.Message{Channel: "c"})
	if _, duplicate := publish(hub.Message{Channel: "c"}); duplicate {
		t.Error("no key is a duplicate of no key")
	}
	pos := f.publish("c", plenty, "last")
	all := f.received.await(t, position(pos))
	if len(all) != 5 {
		t.Errorf("%d deliveries, want 5", len(all))
	}
	f.wantChain(all) // duplicates moved nothing
}

func idempotencyKeyConcurrently(t *testing.T, f *fixture) {
	f.start(nil)
	f.listen("c")
	for _, key := range numbered(20) {
		var wg sync.WaitGroup
		const publishers = 16
		var positions [publishers]hub.Position
		var duplicates [publishers]bool
		for i := range publishers {
			wg.Go(func() {
				var err error
				positions[i], duplicates[i], err = f.put(hub.Message{Channel: "c", IdempotencyKey: key}, plenty)
				if err != nil {
					t.Error("Publish:", err)
				}
			})
		}
		wg.Wait()
		published := 0
		for i := range publishers {
			if !duplicates[i] {
				published++
			}
			if positions[i] != positions[0] {
				t.Errorf("key %q was answered %v and %v", key, positions[0], positions[i])
			}
		}
		if published != 1 {
			t.Fatalf("key %q was published %d times", key, published)
		}
	}
	page := f.history("c", hub.Query{})
	if len(page.Publications) != 20 {
		t.Errorf("history has %d publications, want 20", len(page.Publications))
	}
}

// clearForgets is about a Broker that can clear. The positions go on, so that no client
// takes a new publication for one that was seen.
func clearForgets(t *testing.T, f *fixture) {
	f.start(nil)
	b, ok := f.Broker.(hub.ClearingBroker)
	if !ok {
		t.Skip("this broker is no hub.ClearingBroker")
	}
	at := f.publishAll("c", plenty, numbered(10)...)
	other := f.publishAll("other", plenty, "kept")
	for range 2 {
		if err := b.Clear(f.ctx, "c"); err != nil {
			t.Fatal("Clear:", err)
		}
	}
	if err := b.Clear(f.ctx, "never heard of"); err != nil {
		t.Error("Clear of a channel without history:", err)
	}
	f.wantPage(f.history("c", hub.Query{}), nil, at[10], hub.Position{})
	f.wantPage(f.history("c", hub.Query{Since: at[10]}), nil, at[10], hub.Position{})
	f.wantPage(f.history("c", hub.Query{Since: at[4]}), nil, at[10], at[4])
	f.wantPage(f.history("other", hub.Query{}), []string{"kept"}, other[1], hub.Position{})
	next := f.publishAll("c", plenty, "new")
	if next[1].Epoch != at[10].Epoch || next[1].Offset <= at[10].Offset {
		t.Errorf("after Clear a publication is at %v, and the one before was at %v", next[1], at[10])
	}
	f.wantPage(f.history("c", hub.Query{}), []string{"new"}, next[1], hub.Position{})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Clear(f.ctx, "c"); !errors.Is(err, hub.ErrClosed) {
		t.Errorf("Clear after Close: %v, want ErrClosed", err)
	}
}

// idempotencyKeyAge is about keys that are remembered for as long as their own
// publication says, not those of others.
func idempotencyKeyAge(t *testing.T, f *fixture) {
	f.start(nil)
	const second = time.Second
	ages := map[string]time.Duration{"long": 30 * second, "short": 10 * second, "longer": 50 * second}
	publish := func(key string) bool {
		t.Helper()
		retention := plenty
		retention.KeyAge = ages[key]
		_, duplicate, err := f.put(hub.Message{Channel: "c", IdempotencyKey: key}, retention)
		if err != nil {
			t.Fatal("Publish:", err)
		}
		return duplicate
	}
	for _, key := range []string{"long", "short", "longer"} {
		publish(key)
	}
	for _, step := range []struct {
		pass time.Duration
		key  string
		want bool
	}{
		{5 * second, "short", true}, {0, "long", true},
		{10 * second, "short", false}, {0, "short", true}, {0, "long", true},
		{20 * second, "long", false}, {0, "longer", true}, {0, "short", false},
		{30 * second, "longer", false},
	} {
		f.silence(step.pass)
		if got := publish(step.key); got != step.want {
			t.Errorf("%s is a duplicate: %v, want %v (after %v more)", step.key, got, step.want, step.pass)
		}
	}
}
