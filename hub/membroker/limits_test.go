package membroker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/godwit-io/godwit/hub"
)

var hour = hub.Retention{Count: 1 << 20, Age: time.Hour}

type receiverFunc func(*hub.Publication)

func (r receiverFunc) Receive(p *hub.Publication) { r(p) }
func (r receiverFunc) Lost(string)                { panic("nothing can be lost here") }

func started(t testing.TB, o *Options, receive func(*hub.Publication)) *Broker {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if receive == nil {
		receive = func(*hub.Publication) {}
	}
	if err := b.Start(receiverFunc(receive)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // ErrClosed when the test did it
	return b
}

// put publishes m and waits for the outcome.
func put(b *Broker, m hub.Message, r hub.Retention) (hub.Position, bool, error) {
	o := make(outcome, 1)
	b.Publish(m, r, o, 1)
	p := <-o
	return p.Position, p.Duplicate, p.Err
}

// outcome is a hub.Completer for one publication.
type outcome chan hub.Published

func (o outcome) Published(_ uint64, p hub.Published) { o <- p }

func publish(t testing.TB, b *Broker, channel, key string, size int) (hub.Position, bool) {
	t.Helper()
	pos, duplicate, err := put(b, hub.Message{Channel: channel, Data: make([]byte, size), IdempotencyKey: key}, hour)
	if err != nil {
		t.Fatal("Publish:", err)
	}
	return pos, duplicate
}

func read(t testing.TB, b *Broker, channel string, q hub.Query) hub.Page {
	t.Helper()
	page, err := b.History(t.Context(), channel, q)
	if err != nil {
		t.Fatal("History:", err)
	}
	return page
}

func TestHistoryBytesMax(t *testing.T) {
	const size = 1000
	const each = publicationBytes + size
	b := started(t, &Options{HistoryBytesMax: 400 * each}, nil)
	for i := range 400 {
		publish(t, b, fmt.Sprint("c", i%10), "", size)
	}
	if got := b.Stats(); got.Publications != 400 || got.Bytes != 400*each || got.Evicted != 0 {
		t.Fatalf("at the limit: %+v, want nothing evicted", got)
	}
	publish(t, b, "c0", "", size)
	got := b.Stats()
	if got.Bytes > 300*each || got.Bytes < 200*each || got.Evicted != uint64(401-got.Publications) || got.Bytes != int64(got.Publications)*each {
		t.Errorf("over the limit: %+v, want at most three quarters", got)
	}
	held := 0
	for i := range 10 {
		page := read(t, b, fmt.Sprint("c", i), hub.Query{Since: hub.Position{Epoch: b.epoch}})
		n := len(page.Publications)
		held += n
		if top := page.Position.Offset; (page.Gap == nil) != (n == int(top)) {
			t.Errorf("c%d holds %d of %d, gap %+v", i, n, top, page.Gap)
		}
		if n < 20 {
			t.Errorf("c%d holds %d, want at least its newer half", i, n)
		}
	}
	if held != got.Publications {
		t.Errorf("%d are held, counted are %d", held, got.Publications)
	}
}

// TestHistoryBytesMaxTiny cannot hold even one.
func TestHistoryBytesMaxTiny(t *testing.T) {
	b := started(t, &Options{HistoryBytesMax: 1}, nil)
	for range 3 {
		pos, _ := publish(t, b, "c", "", 10)
		if page := read(t, b, "c", hub.Query{}); len(page.Publications) != 0 || page.Position != pos {
			t.Errorf("page is %+v", page)
		}
	}
	if got := b.Stats(); got != (Stats{Evicted: 3}) {
		t.Errorf("stats are %+v", got)
	}
}

func TestHistoryBytesMaxConcurrently(t *testing.T) {
	const size, publishers = 1000, 8
	const limit = 100 * (publicationBytes + size)
	b := started(t, &Options{HistoryBytesMax: limit}, nil)
	var wg sync.WaitGroup
	for i := range publishers {
		wg.Go(func() {
			for j := range 1000 {
				publish(t, b, fmt.Sprint(i, " ", j%50), "", size)
				if got := b.Stats().Bytes; got > limit+publishers*(publicationBytes+size) {
					t.Errorf("%d bytes are held, the limit is %d", got, limit)
				}
			}
		})
	}
	wg.Wait()
	if got := b.Stats(); got.Evicted+uint64(got.Publications) != publishers*1000 {
		t.Errorf("stats are %+v", got)
	}
}

func TestChannelsMax(t *testing.T) {
	b := started(t, &Options{ChannelsMax: 2}, nil)
	ctx := t.Context()
	if _, err := b.Listen(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "b", "", 1)
	for range 2 {
		if _, err := b.Listen(ctx, "c"); !errors.Is(err, hub.ErrTooManyChannels) {
			t.Errorf("Listen: %v", err)
		}
		if _, _, err := put(b, hub.Message{Channel: "c"}, hour); !errors.Is(err, hub.ErrTooManyChannels) {
			t.Errorf("Publish: %v", err)
		}
	}
	publish(t, b, "a", "", 1) // what exists goes on
	read(t, b, "c", hub.Query{})
	if got := b.Stats().Channels; got != 2 {
		t.Errorf("%d channels, want 2", got)
	}
	if _, _, err := put(b, hub.Message{Channel: "b"}, hub.Retention{}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Listen(ctx, "c"); err != nil { // b went with its history
		t.Errorf("Listen: %v", err)
	}
}

func TestIdempotencyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := started(t, nil, nil)
		first, _ := publish(t, b, "c", "k", 1)
		time.Sleep(5 * time.Minute)
		if pos, duplicate := publish(t, b, "c", "k", 1); !duplicate || pos != first {
			t.Errorf("after 5 minutes: %v, duplicate %v", pos, duplicate)
		}
		time.Sleep(time.Nanosecond)
		if pos, duplicate := publish(t, b, "c", "k", 1); duplicate || pos == first {
			t.Errorf("after more: %v, duplicate %v", pos, duplicate)
		}
	})
}

// TestIdempotencyOutlivesChannel: the answer is known though the channel is not.
func TestIdempotencyOutlivesChannel(t *testing.T) {
	b := started(t, nil, nil)
	m := hub.Message{Channel: "c", IdempotencyKey: "k"}
	first, _, err := put(b, m, hub.Retention{})
	if err != nil || b.Stats().Channels != 0 {
		t.Fatalf("error %v, stats %+v", err, b.Stats())
	}
	if pos, duplicate, err := put(b, m, hub.Retention{}); pos != first || !duplicate || err != nil {
		t.Errorf("again: %v, duplicate %v, error %v", pos, duplicate, err)
	}
}

func TestIdempotencyKeysMax(t *testing.T) {
	b := started(t, &Options{IdempotencyKeysMax: 3}, nil)
	for _, key := range []string{"1", "2", "3", "4"} {
		publish(t, b, "c", key, 1)
	}
	for _, key := range []string{"2", "3", "4"} {
		if _, duplicate := publish(t, b, "c", key, 1); !duplicate {
			t.Errorf("key %s was forgotten", key)
		}
	}
	if _, duplicate := publish(t, b, "c", "1", 1); duplicate {
		t.Error("the oldest key was kept")
	}
	if _, duplicate := publish(t, b, "c", "2", 1); duplicate {
		t.Error("the oldest key was kept")
	}
	if got := b.keys.seen.Len(); got != 3 {
		t.Errorf("%d keys are remembered", got)
	}
}

func TestJanitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := started(t, nil, nil)
		asleep := func(want bool) {
			t.Helper()
			synctest.Wait()
			if got := b.janitor.asleep.Load(); got != want {
				t.Errorf("the janitor sleeps: %v, want %v", got, want)
			}
		}
		asleep(true)
		for round := range 3 {
			for i := range 3 * sweepMax {
				channel := fmt.Sprint(i)
				if _, _, err := put(b, hub.Message{Channel: channel}, hub.Retention{Count: 1, Age: time.Minute}); err != nil {
					t.Fatal(err)
				}
			}
			publish(t, b, "longer", "", 1)
			asleep(false)
			time.Sleep(time.Minute + janitorInterval)
			synctest.Wait()
			if got := b.Stats(); got.Channels != 1 || got.Publications != 1 {
				t.Errorf("round %d: %+v, want one channel", round, got)
			}
			asleep(false)
			time.Sleep(time.Hour)
			synctest.Wait()
			if got := b.Stats(); got != (Stats{}) {
				t.Errorf("round %d: %+v, want nothing", round, got)
			}
			asleep(true)
		}
		// A newer publication may make the whole history go earlier.
		publish(t, b, "sooner", "", 1)
		if _, _, err := put(b, hub.Message{Channel: "sooner"}, hub.Retention{Count: 9, Age: time.Minute}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + janitorInterval)
		synctest.Wait()
		if got := b.Stats(); got != (Stats{}) {
			t.Errorf("%+v, want nothing", got)
		}

		publish(t, b, "gone", "k", 1)
		if _, _, err := put(b, hub.Message{Channel: "gone"}, hub.Retention{}); err != nil {
			t.Fatal(err)
		}
		asleep(false) // for the key
		time.Sleep(b.options.IdempotencyWindow + 2*janitorInterval)
		asleep(true)
	})
}

// TestNegativeOptions: a mistake is not a default.
func TestNegativeOptions(t *testing.T) {
	for name, o := range map[string]Options{
		"HistoryBytesMax": {HistoryBytesMax: -1}, "ChannelsMax": {ChannelsMax: -1},
		"IdempotencyWindow": {IdempotencyWindow: -1}, "IdempotencyKeysMax": {IdempotencyKeysMax: -1},
	} {
		b, err := New(&o)
		if e, ok := errors.AsType[*hub.OptionError](err); b != nil || !ok || e.Option != name || !strings.Contains(err.Error(), "membroker: option "+name+": -1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoLimit: with none a broker keeps everything, also what says itself that it
// may be kept for ever.
func TestNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := started(t, &Options{HistoryBytesMax: hub.NoLimit, ChannelsMax: hub.NoLimit, IdempotencyWindow: hub.NoLimit, IdempotencyKeysMax: hub.NoLimit}, nil)
		forever := hub.Retention{Count: hub.NoLimit, Age: hub.NoLimit}
		publish := func(key string) (hub.Position, bool) {
			p, duplicate, err := put(b, hub.Message{Channel: "c", Data: []byte("x"), IdempotencyKey: key}, forever)
			if err != nil {
				t.Fatal(err)
			}
			return p, duplicate
		}
		first, _ := publish("key")
		for range 2000 {
			publish("")
		}
		time.Sleep(2 * max(DefaultIdempotencyWindow, hub.DefaultRetentionAge))
		if again, duplicate := publish("key"); again != first || !duplicate {
			t.Errorf("a key is forgotten: %v, %v", again, duplicate)
		}
		if page, err := b.History(t.Context(), "c", hub.Query{Last: hub.NoLimit}); len(page.Publications) != 2001 || err != nil {
			t.Errorf("%d publications, %v", len(page.Publications), err)
		}
	})
}

func TestStartIsFirst(t *testing.T) {
	b, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(nil); err == nil {
		t.Error("started without a Receiver")
	}
	if _, err := b.Listen(t.Context(), "c"); err == nil {
		t.Error("Listen before Start succeeded")
	}
	if _, _, err := put(b, hub.Message{Channel: "c"}, hour); err == nil {
		t.Error("Publish before Start succeeded")
	}
	if err := b.Start(receiverFunc(nil)); err != nil {
		t.Error("Start:", err)
	}
	if err := b.Start(receiverFunc(nil)); err == nil {
		t.Error("started twice")
	}
	if err := b.Close(); err != nil {
		t.Error("Close:", err)
	}
	if b, err = New(nil); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error("Close before Start:", err)
	}
}

func TestCancelledContext(t *testing.T) {
	b := started(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, history := b.History(ctx, "c", hub.Query{})
	_, listen := b.Listen(ctx, "c")
	for call, err := range map[string]error{"History": history, "Listen": listen} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if got := b.Stats(); got != (Stats{}) {
		t.Errorf("stats are %+v", got)
	}
}

// TestForgottenChannelsAreExact has as many channels come and go as there may be:
// each of them continues where it was.
func TestForgottenChannelsAreExact(t *testing.T) {
	const channels = 20_000
	b := started(t, &Options{ChannelsMax: channels}, nil)
	lasts := make([]hub.Position, channels)
	for round := range 3 {
		for i := range lasts {
			channel := fmt.Sprint("user/", i)
			if round > 0 {
				if page := read(t, b, channel, hub.Query{Since: lasts[i]}); page.Gap != nil || page.Position != lasts[i] {
					t.Fatalf("round %d: %s since %v: %+v", round, channel, lasts[i], page)
				}
			}
			for range 1 + i%3 {
				pos, _, err := put(b, hub.Message{Channel: channel}, hub.Retention{})
				if err != nil || pos.Offset != lasts[i].Offset+1 {
					t.Fatalf("round %d: %s got %v after %v, error %v", round, channel, pos, lasts[i], err)
				}
				lasts[i] = pos
			}
			// A channel that is only listened to takes no place.
			if _, err := b.Listen(t.Context(), fmt.Sprint("quiet/", i)); err != nil {
				t.Fatal(err)
			}
			if err := b.Mute(t.Context(), fmt.Sprint("quiet/", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := b.Stats(); got != (Stats{}) {
		t.Errorf("forgotten channels cost %+v", got)
	}
}

// TestForgottenChannelsShareFloors has many more channels come and go than are
// remembered. What comes back continues, or announces a gap; it never repeats an
// offset.
func TestForgottenChannelsShareFloors(t *testing.T) {
	b := started(t, &Options{ChannelsMax: 1000}, nil)
	none := hub.Retention{}
	lasts := make(map[string]hub.Position)
	exact, gaps := 0, 0
	for round := range 4 {
		for i := range 3 * len(b.floors) {
			channel := fmt.Sprint("c", i)
			since, known := lasts[channel]
			if known {
				page := read(t, b, channel, hub.Query{Since: since})
				switch {
				case page.Gap != nil:
					gaps++
				case page.Position == since:
					exact++
				default:
					t.Fatalf("%s moved from %v to %v without a gap", channel, since, page.Position)
				}
			}
			for range 1 + i%3 {
				pos, _, err := put(b, hub.Message{Channel: channel}, none)
				if err != nil {
					t.Fatal(err)
				}
				if known && pos.Offset <= lasts[channel].Offset {
					t.Fatalf("round %d: %s got %v after %v", round, channel, pos, lasts[channel])
				}
				lasts[channel] = pos
			}
		}
		if got := b.Stats(); got != (Stats{}) {
			t.Fatalf("forgotten channels cost %+v", got)
		}
		remembered := 0
		for i := range b.shards {
			if f := &b.shards[i].forgotten; f.order.len() != f.offsets.Len() || f.order.len() > f.max {
				t.Fatalf("%d of %d are in order, at most %d", f.order.len(), f.offsets.Len(), f.max)
			} else {
				remembered += f.order.len()
			}
		}
		if remembered < 1000 {
			t.Errorf("%d are remembered", remembered)
		}
	}
	if exact == 0 || gaps == 0 {
		t.Errorf("%d resumes were exact and %d had a gap: both should occur", exact, gaps)
	}
}

// TestForgottenOrder: the channel that was forgotten longest ago goes first, and one
// that is in use again has a second turn.
func TestForgottenOrder(t *testing.T) {
	var shared floors
	f := forgotten{max: 3}
	hash := func(i int) uint64 { return uint64(i) << 52 } // each has a floor of its own
	for i := range 3 {
		f.remember(hash(i), uint64(10+i), &shared)
	}
	f.remember(hash(0), 20, &shared)
	f.remember(hash(0), 19, &shared) // another name of the same hash
	f.remember(hash(3), 13, &shared)
	f.remember(hash(4), 14, &shared)
	for i, want := range []struct {
		offset uint64
		exact  bool
	}{{20, true}, {11, false}, {12, false}, {13, true}, {14, true}} {
		_, exact := f.offsets.Get(hash(i))
		if got := f.of(hash(i), &shared); got != want.offset || exact != want.exact {
			t.Errorf("%d: had come to %d, exact: %v; want %d, %v", i, got, exact, want.offset, want.exact)
		}
	}
	if got := f.of(hash(0)+1, &shared); got != 0 {
		t.Errorf("one that never was had come to %d", got)
	}
}

// TestForgottenBytes measures what a forgotten channel costs.
func TestForgottenBytes(t *testing.T) {
	const channels = 200_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	b := started(t, nil, nil)
	before := heap()
	o := make(outcome, 1)
	for i := range channels {
		b.Publish(hub.Message{Channel: fmt.Sprint("user/", i)}, hub.Retention{}, o, 1)
		<-o
	}
	each := float64(heap()-before) / channels
	t.Logf("%.1f bytes for each of %d forgotten channels", each, channels)
	if each > 50 {
		t.Errorf("%.1f bytes for each forgotten channel, want less than 50", each)
	}
	runtime.KeepAlive(b)
}

// TestDroppedPublicationsAreCollected looks at what the garbage collector sees.
func TestDroppedPublicationsAreCollected(t *testing.T) {
	b := started(t, nil, nil)
	if _, err := b.Listen(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	var published []weak.Pointer[hub.Publication]
	for range 100 {
		if _, _, err := put(b, hub.Message{Channel: "c", Data: make([]byte, 100)}, hub.Retention{Count: 10, Age: time.Hour}); err != nil {
			t.Fatal(err)
		}
		published = append(published, weak.Make(read(t, b, "c", hub.Query{Last: 1}).Publications[0]))
	}
	runtime.GC()
	for i, p := range published {
		if alive, held := p.Value() != nil, i >= 90; alive != held {
			t.Errorf("publication %d: alive %v, held %v", i, alive, held)
		}
	}
	if _, _, err := put(b, hub.Message{Channel: "c"}, hub.Retention{}); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	for i, p := range published {
		if p.Value() != nil {
			t.Errorf("publication %d is alive and nothing is held", i)
		}
	}
	runtime.KeepAlive(b)
}

// TestNameIsNotKept: the name of a channel may be cut from something large.
func TestNameIsNotKept(t *testing.T) {
	b := started(t, nil, nil)
	large := "c" + string(make([]byte, 1<<20))
	publish(t, b, large[:1], "", 1)
	if _, err := b.Listen(t.Context(), large[:1]); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	with := m.HeapAlloc
	runtime.KeepAlive(large)
	large = ""
	runtime.GC()
	runtime.ReadMemStats(&m)
	if m.HeapAlloc+1<<19 > with {
		t.Errorf("the heap went from %d to %d bytes: the name keeps what it was cut from", with, m.HeapAlloc)
	}
	runtime.KeepAlive(b)
}
