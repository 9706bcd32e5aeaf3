package membroker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// notebook is a Journal in memory. Records from before a state are dropped when the state is taken.
type notebook struct {
	mu      sync.Mutex
	records [][]byte
	refuses error
	holding bool    // Done is called by release
	held    []Entry // and this is for it
	handing sync.WaitGroup
}

func (n *notebook) Append(e Entry) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuses != nil {
		return n.refuses
	}
	if b := e.AppendTo(nil); len(b) > 0 {
		n.records = append(n.records, b)
	}
	n.held = append(n.held, e)
	if !n.holding {
		n.handing.Go(n.release)
	}
	return nil
}

// release tells everything, in order, until something is to be held.
func (n *notebook) release() { n.hand(nil, false) }

// tell tells everything, also the held entries.
func (n *notebook) tell(err error) { n.hand(err, true) }

func (n *notebook) hold(is bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holding = is
}

func (n *notebook) hand(err error, alsoHeld bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for len(n.held) > 0 && (alsoHeld || !n.holding) {
		e := n.held[0]
		n.held = n.held[1:]
		n.mu.Unlock()
		e.Done(err)
		n.mu.Lock()
	}
}

func (n *notebook) Health(context.Context) error { return n.refuses }

func (n *notebook) Close() error {
	n.release()
	n.handing.Wait()
	return nil
}

func noted(t testing.TB, o Options) (*Broker, *notebook) {
	t.Helper()
	n := new(notebook)
	o.Journal = n
	b, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(receiverFuncs{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // ErrClosed when the test did it
	return b, n
}

type receiverFuncs struct{}

func (receiverFuncs) Receive(*hub.Publication) {}
func (receiverFuncs) Lost(string)              {}

type outcomes chan hub.Published

func (o outcomes) Published(_ uint64, p hub.Published) { o <- p }

// What a Recovery puts back is what there was, wherever between two changes the state was written, and although more
// was noted since than the state knows.
func TestRecoveryIsExact(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			options := Options{ChannelsMax: 200}
			b, n := noted(t, options)
			out := make(outcomes, 1)
			accepted := make(map[string]time.Time) // by channel and offset
			var state bytes.Buffer
			stateAt := random.IntN(400)
			from := 0
			for i := range 500 {
				if i == stateAt {
					n.mu.Lock()
					from = max(0, len(n.records)-random.IntN(40)) // it knows some of the records that are read again
					n.mu.Unlock()
					if err := b.WriteState(&state); err != nil {
						t.Fatal(err)
					}
				}
				channel := fmt.Sprintf("c%d", random.IntN(150))
				r := hub.Retention{Count: random.IntN(5), Age: time.Duration(random.IntN(20)) * time.Second}
				switch random.IntN(12) {
				case 0:
					if err := b.Clear(t.Context(), channel); err != nil {
						t.Fatal(err)
					}
					continue
				case 1:
					<-time.After(time.Duration(random.IntN(4)) * time.Second)
				}
				m := hub.Message{Channel: channel, Data: fmt.Append(nil, i)}
				if random.IntN(3) == 0 {
					m.IdempotencyKey, r.KeyAge = fmt.Sprint(random.IntN(40)), time.Duration(random.IntN(30))*time.Second
				}
				b.Publish(m, r, out, 0)
				p := <-out
				if p.Err != nil {
					t.Fatal(p.Err)
				}
				if !p.Duplicate {
					accepted[fmt.Sprint(channel, p.Position.Offset)] = time.Now()
				}
			}
			again, _ := noted(t, options)
			r, err := again.Recover()
			if err != nil {
				t.Fatal(err)
			}
			if err := r.State(&state); err != nil {
				t.Fatal(err)
			}
			for _, record := range n.records[from:] {
				if err := r.Record(record); err != nil {
					t.Fatal(err)
				}
			}
			r.End(false)
			places := make(map[*atomic.Uint64]int)
			for i := range 150 {
				places[b.drops.place(b.key.of(fmt.Sprintf("c%d", i)))]++
			}
			for i := range 150 {
				channel := fmt.Sprintf("c%d", i)
				want, err := b.History(t.Context(), channel, hub.Query{})
				got, err2 := again.History(t.Context(), channel, hub.Query{})
				if err := errors.Join(err, err2); err != nil {
					t.Fatal(err)
				}
				dropped := accepted[fmt.Sprint(channel, got.Begin.Offset)]
				if got.WholeAfter.Before(dropped) || want.WholeAfter.Before(dropped) {
					t.Fatalf("seed %d, %s: whole after %v and %v, and the last that was dropped is of %v", seed, channel, got.WholeAfter, want.WholeAfter, dropped)
				}
				if places[b.drops.place(b.key.of(channel))] > 1 { // what channels have dropped that share one is not told apart
					got.WholeAfter = want.WholeAfter
				}
				// A channel that was pushed out of all tables may have come further than it did.
				if got.Position.Offset < want.Position.Offset || got.Position.Epoch != want.Position.Epoch || len(want.Publications) > 0 && !reflect.DeepEqual(got, want) {
					t.Fatalf("seed %d, %s: %+v, want %+v", seed, channel, got, want)
				}
				for k := range 40 {
					hash := hashKey(&hub.Message{Channel: channel, IdempotencyKey: fmt.Sprint(k)})
					one, is := b.keys.offset(hash)
					other, alsoIs := again.keys.offset(hash)
					if is && (!alsoIs || one != other) {
						t.Fatalf("seed %d: the key %d of %s was %d, and is %d, %v", seed, k, channel, one, other, alsoIs)
					}
				}
			}
			if b.Stats() != again.Stats() {
				t.Errorf("seed %d: %+v, want %+v", seed, again.Stats(), b.Stats())
			}
		})
	}
}

// What is missing in another epoch may have been accepted at any time before it.
func TestAnotherEpochIsNotWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, n := noted(t, Options{})
		out := make(outcomes, 1)
		for range 2 {
			b.Publish(hub.Message{Channel: "c"}, hub.Retention{Count: 1, Age: time.Hour}, out, 0)
			<-out
			<-time.After(time.Second)
		}
		for _, other := range []bool{false, true} {
			again, _ := noted(t, Options{})
			r, err := again.Recover()
			if err != nil {
				t.Fatal(err)
			}
			for _, record := range n.records {
				if err := r.Record(record); err != nil {
					t.Fatal(err)
				}
			}
			r.End(other)
			for channel, want := range map[string]time.Time{"c": read(t, b, "c", hub.Query{}).WholeAfter, "unknown": {}} {
				if other {
					want = time.Now()
				}
				if got := read(t, again, channel, hub.Query{}).WholeAfter; !got.Equal(want) {
					t.Errorf("other %v: %s is whole after %v, want %v", other, channel, got, want)
				}
			}
		}
	})
}

// A publication that is not written is not there: it is neither delivered nor found, and its position
// and key are not used up.
func TestJournalRefuses(t *testing.T) {
	b, n := noted(t, Options{})
	out := make(outcomes, 8)
	put := func(key string) { b.Publish(hub.Message{Channel: "c", IdempotencyKey: key}, plentyOf, out, 0) }
	put("")
	if p := <-out; p.Err != nil || p.Position.Offset != 1 {
		t.Fatalf("%+v", p)
	}
	n.hold(true)
	put("a")
	put("a") // waits for the publication on its way
	put("b")
	done := make(chan error, 1)
	go func() { done <- b.Clear(t.Context(), "c") }()
	for waiting := 0; waiting < 4; {
		n.mu.Lock()
		waiting = len(n.held)
		n.mu.Unlock()
	}
	if page, _ := b.History(t.Context(), "c", hub.Query{}); len(page.Publications) != 1 || page.Position.Offset != 1 || len(out) != 0 {
		t.Errorf("before it is written there is %+v", page)
	}
	broken := errors.New("broken")
	n.tell(broken)
	for range 3 {
		if p := <-out; p.Err != broken {
			t.Errorf("%+v", p)
		}
	}
	if err := <-done; err != broken {
		t.Errorf("Clear: %v", err)
	}
	n.refuses = broken
	put("a")
	if p := <-out; p.Err != broken {
		t.Errorf("%+v", p)
	}
	if err := b.Clear(t.Context(), "c"); err != broken {
		t.Errorf("Clear: %v", err)
	}
	if err := b.Health(t.Context()); err != broken {
		t.Errorf("Health: %v", err)
	}
	n.refuses = nil
	n.hold(false)
	put("a")
	if p := <-out; p.Err != nil || p.Position.Offset != 2 || p.Duplicate {
		t.Errorf("%+v", p)
	}
	put("a")
	if p := <-out; p.Err != nil || p.Position.Offset != 2 || !p.Duplicate {
		t.Errorf("%+v", p)
	}
}

var plentyOf = hub.Retention{Count: 100, Age: time.Hour}

// With another epoch everything is as it was, except the epoch.
func TestRecoveryInAnotherEpoch(t *testing.T) {
	b, n := noted(t, Options{})
	out := make(outcomes, 1)
	for i := range 5 {
		b.Publish(hub.Message{Channel: "c", Data: fmt.Append(nil, i), IdempotencyKey: fmt.Sprint(i)}, plentyOf, out, 0)
		<-out
	}
	again, _ := noted(t, Options{})
	r, err := again.Recover()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range n.records { // there is no state
		if err := r.Record(record); err != nil {
			t.Fatal(err)
		}
	}
	r.End(true)
	page, err := again.History(t.Context(), "c", hub.Query{Since: hub.Position{Epoch: b.Epoch(), Offset: 3}})
	if err != nil || page.Gap == nil || len(page.Publications) != 5 || page.Publications[0].Position.Epoch != again.Epoch() || again.Epoch() == b.Epoch() {
		t.Errorf("%+v, %v", page, err)
	}
	again.Publish(hub.Message{Channel: "c", IdempotencyKey: "3"}, plentyOf, out, 0)
	if p := <-out; !p.Duplicate || p.Position != (hub.Position{Epoch: again.Epoch(), Offset: 4}) {
		t.Errorf("%+v", p)
	}
	if _, err := again.Recover(); err == nil {
		t.Error("a second Recovery was begun")
	}
}

// FuzzRecord: no record is taken for another, and none makes a history that is not one.
func FuzzRecord(f *testing.F) {
	b, n := noted(f, Options{})
	out := make(outcomes, 1)
	b.Publish(hub.Message{Channel: "c", Data: []byte("x"), IdempotencyKey: "k", Attributes: &hub.Attributes{Event: "e"}}, plentyOf, out, 0)
	<-out
	b.Publish(hub.Message{Channel: "c", Data: []byte("x"), IdempotencyKey: "l"}, hub.Retention{}, out, 0)
	<-out
	if err := b.Clear(context.Background(), "c"); err != nil {
		f.Fatal(err)
	}
	for _, record := range n.records {
		f.Add(record, record)
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		b, _ := noted(t, Options{HistoryBytesMax: 1 << 20})
		r, err := b.Recover()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = r.Record(one), r.Record(two)
		r.End(len(one)%2 == 0)
		list, err := b.List(t.Context(), hub.ListQuery{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			page, err := b.History(t.Context(), c.Name, hub.Query{})
			if err != nil {
				t.Fatal(err)
			}
			before := page.Begin.Offset
			for _, p := range page.Publications {
				if p.Position.Offset <= before || p.Position.Epoch != b.Epoch() || p.Channel != c.Name {
					t.Fatalf("%+v in %+v", p, page)
				}
				before = p.Position.Offset
			}
		}
	})
}
