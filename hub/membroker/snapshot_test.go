package membroker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// aside records the publications while a broker is frozen.
type aside struct {
	mu   sync.Mutex
	held []func(Publisher)
}

func (a *aside) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = append(a.held, func(p Publisher) { p.Publish(m, r, to, ticket) })
}

// move moves what b holds to another broker, with between in the middle.
func move(t testing.TB, b, other *Broker, between func()) *Snapshot {
	t.Helper()
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	var bulk, rest bytes.Buffer
	if err := s.WriteBulk(&bulk); err != nil {
		t.Fatal(err)
	}
	between()
	if err := s.Freeze(context.Background(), &aside{}); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteRest(&rest); err != nil {
		t.Fatal(err)
	}
	for _, part := range []*bytes.Buffer{&bulk, &rest} {
		if err := other.Restore(part); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// both does the same to two brokers and compares what comes of it.
type both struct {
	t      *testing.T
	a, b   *Broker
	random *rand.Rand
	names  int
	keys   int
}

// step does something to a, and to b, too, unless that is nil.
func (x *both) step() {
	x.t.Helper()
	name := fmt.Sprint("c", x.random.IntN(x.names))
	ctx := x.t.Context()
	var do func(b *Broker) string
	switch what := x.random.IntN(100); {
	case what < 60:
		m := hub.Message{Channel: name, Data: make([]byte, x.random.IntN(40))}
		if x.random.IntN(4) == 0 {
			m.IdempotencyKey = fmt.Sprint("k", x.random.IntN(x.keys))
		}
		if x.random.IntN(4) == 0 {
			m.Attributes = &hub.Attributes{Event: "e", Key: "k"}
		}
		r := hub.Retention{Count: x.random.IntN(12), Age: time.Duration(x.random.IntN(20)) * time.Second}
		do = func(b *Broker) string {
			pos, duplicate, err := put(b, m, r)
			return fmt.Sprint(pos.Offset, duplicate, err)
		}
	case what < 70:
		do = func(b *Broker) string {
			pos, err := b.Listen(ctx, name)
			return fmt.Sprint(pos.Offset, err)
		}
	case what < 80:
		do = func(b *Broker) string { return fmt.Sprint(b.Mute(ctx, name)) }
	case what < 85:
		do = func(b *Broker) string { return fmt.Sprint(b.Clear(ctx, name)) }
	case what < 90:
		<-time.After(time.Duration(x.random.IntN(3000)) * time.Millisecond)
		return
	default:
		q := hub.Query{Last: x.random.IntN(5), Limit: x.random.IntN(5)}
		do = func(b *Broker) string { return describe(read(x.t, b, name, q)) }
	}
	got := do(x.a)
	if x.b == nil {
		return
	}
	if other := do(x.b); other != got {
		x.t.Fatalf("%s: one says %s, the other %s", name, got, other)
	}
}

func describe(p hub.Page) string {
	s := fmt.Sprint(p.Begin.Offset, " to ", p.Position.Offset, p.Gap)
	for _, p := range p.Publications {
		s += fmt.Sprintf(" %d after %d at %v: %d %q %+v", p.Position.Offset, p.Previous, p.Time, p.Kind, p.Data, p.Attributes)
	}
	return s
}

// A broker that was given a snapshot cannot be told from the one it is of: not at once,
// and not later, when things expire, keys come again and forgotten channels come back.
func TestSnapshotIsTheSame(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			o := &Options{IdempotencyWindow: 10 * time.Second, IdempotencyKeysMax: 20}
			if seed%4 == 1 {
				o.HistoryBytesMax = 20_000
			}
			a, b := started(t, o, nil), started(t, o, nil)
			x := &both{t: t, a: a, random: rand.New(rand.NewPCG(seed, 0)), names: 60, keys: 30}
			for range 1500 {
				x.step()
			}
			s := move(t, a, b, func() {
				for range int(seed%5) * 100 {
					x.step()
				}
			})
			if a.epoch != b.epoch {
				t.Fatal("the epochs differ")
			}
			s.Thaw()
			listened := func(b *Broker) map[string]bool {
				names := make(map[string]bool)
				b.Listened(func(name string) bool { names[name] = true; return true })
				return names
			}
			if now, then := listened(b), listened(a); !reflect.DeepEqual(now, then) {
				t.Errorf("listened to are %v, were %v", now, then)
			}
			for i := range x.names {
				name := fmt.Sprint("c", i)
				if now, then := describe(read(t, b, name, hub.Query{})), describe(read(t, a, name, hub.Query{})); now != then {
					t.Fatalf("%s: was %s\nis %s", name, then, now)
				}
			}
			then, now := a.Stats(), b.Stats()
			if then.Evicted = 0; then != now {
				t.Errorf("%+v became %+v", then, now)
			}
			if o.HistoryBytesMax > 0 {
				return // which is evicted first depends on the order of maps
			}
			x.b = b
			for range 1500 {
				x.step()
			}
		})
	}
}

// A snapshot for the version before does not say what was dropped when. Then it may have been until now.
func TestSnapshotOfTheVersionBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := started(t, nil, nil)
		for _, name := range []string{"held", "gone"} {
			for range 2 {
				if _, _, err := put(a, hub.Message{Channel: name}, hub.Retention{Count: 1, Age: time.Minute}); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
			}
		}
		<-time.After(time.Minute)
		for _, name := range []string{"held", "gone", "new"} {
			if _, _, err := put(a, hub.Message{Channel: name}, hub.Retention{Count: 1, Age: time.Hour}); err != nil {
				t.Fatal(err)
			}
			if name == "gone" {
				if err := a.Clear(t.Context(), name); err != nil {
					t.Fatal(err)
				}
			}
		}
		<-time.After(time.Second)
		for version := SnapshotVersion - 1; version <= SnapshotVersion; version++ {
			b := started(t, nil, nil)
			s, err := a.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			s.Version = version
			var bulk, rest bytes.Buffer
			if err := errors.Join(s.WriteBulk(&bulk), s.Freeze(t.Context(), &aside{}), s.WriteRest(&rest)); err != nil {
				t.Fatal(err)
			}
			s.Thaw()
			<-time.After(time.Second)
			now := time.Now()
			if err := errors.Join(b.Restore(&bulk), b.Restore(&rest)); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"held", "gone", "new"} {
				was, is := read(t, a, name, hub.Query{}), read(t, b, name, hub.Query{})
				if describe(was) != describe(is) {
					t.Errorf("version %d, %s: %s, was %s", version, name, describe(is), describe(was))
				}
				want := was.WholeAfter
				if version < SnapshotVersion {
					want = now
				}
				if !is.WholeAfter.Equal(want) {
					t.Errorf("version %d, %s: whole after %v, want %v", version, name, is.WholeAfter, want)
				}
			}
		}
	})
}

// With more channels than are remembered exactly, no offset is given twice.
func TestSnapshotKeepsFloors(t *testing.T) {
	o := &Options{ChannelsMax: 64}
	a, b := started(t, o, nil), started(t, o, nil)
	const names = 5000
	tops := make(map[string]uint64)
	publish := func(to *Broker, from, until int) {
		for i := from; i < until; i++ {
			name := fmt.Sprint("c", i%names)
			for range 1 + i%7 {
				pos, _, err := put(to, hub.Message{Channel: name}, hub.Retention{})
				if err != nil {
					t.Fatal(err)
				}
				if pos.Offset <= tops[name] {
					t.Fatalf("%s: offset %d after %d", name, pos.Offset, tops[name])
				}
				tops[name] = pos.Offset
			}
		}
	}
	publish(a, 0, 2*names)
	move(t, a, b, func() { publish(a, 0, names/2) }).Release()
	publish(b, 0, 2*names)
}

// A publication while the broker is frozen goes aside, and is published when the broker
// goes on. Reading goes on, and calls that would change it answer that it is frozen.
func TestSnapshotFreezes(t *testing.T) {
	var delivered []string
	b := started(t, nil, func(p *hub.Publication) { delivered = append(delivered, string(p.Data)) })
	ctx := t.Context()
	if _, err := b.Listen(ctx, "c"); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "c", "", 1)
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Snapshot(); err != ErrSnapshot {
		t.Error(err)
	}
	if err := s.WriteBulk(io.Discard); err != nil {
		t.Fatal(err)
	}
	var a aside
	if err := s.Freeze(ctx, &a); err != nil {
		t.Fatal(err)
	}
	o := make(outcome, 1)
	b.Publish(hub.Message{Channel: "c", Data: []byte("later")}, hour, o, 1)
	if len(o) > 0 || len(a.held) != 1 {
		t.Fatal("it was not put aside")
	}
	if _, err := b.Listen(ctx, "d"); err != ErrFrozen {
		t.Error(err)
	}
	if err := b.Mute(ctx, "c"); err != ErrFrozen {
		t.Error(err)
	}
	if err := b.Clear(ctx, "c"); err != ErrFrozen {
		t.Error(err)
	}
	if page := read(t, b, "c", hub.Query{}); len(page.Publications) != 1 {
		t.Error(page)
	}
	if err := errors.Join(b.Health(ctx), s.WriteRest(io.Discard)); err != nil {
		t.Error(err)
	}
	s.Thaw()
	a.held[0](b)
	if p := <-o; p.Err != nil || p.Position.Offset != 2 || len(delivered) != 2 || delivered[1] != "later" {
		t.Errorf("%+v, %q", p, delivered)
	}

	// The next one moves.
	if s, err = b.Snapshot(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.WriteBulk(io.Discard), s.Freeze(ctx, &a), s.WriteRest(io.Discard)); err != nil {
		t.Fatal(err)
	}
	s.Release()
	if b.Publish(hub.Message{Channel: "c"}, hour, o, 1); len(a.held) != 2 {
		t.Error("what is published at one that has moved does not go aside")
	}
	if _, err := b.History(ctx, "c", hub.Query{}); err != ErrFrozen {
		t.Error(err)
	}
	if got := b.Stats(); got != (Stats{}) {
		t.Errorf("it still holds %+v", got)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// Freeze waits for deliveries, so that nothing that was accepted is delivered after the
// other has begun. It does not wait for ever.
func TestFreezeWaitsForDeliveries(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	b := started(t, nil, func(*hub.Publication) { close(begun); <-goOn })
	if _, err := b.Listen(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	go b.Publish(hub.Message{Channel: "c"}, hour, make(outcome, 1), 1)
	<-begun
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Freeze(ctx, &aside{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	s.Thaw()
	close(goOn)
}

// sample is a snapshot of everything there can be, in one part.
func sample(t testing.TB) []byte {
	b := started(t, &Options{ChannelsMax: 64}, nil)
	for i := range 3 {
		publish(t, b, "held", fmt.Sprint(i), i)
	}
	for i := range 2000 {
		if _, _, err := put(b, hub.Message{Channel: fmt.Sprint(i)}, hub.Retention{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Listen(context.Background(), "listened"); err != nil {
		t.Fatal(err)
	}
	s, err := b.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Thaw()
	e := &recordWriter{w: new(bytes.Buffer), version: SnapshotVersion}
	e.head(b)
	for i := range b.shards {
		channels, forgotten := b.shards[i].copyAll()
		for j := range channels {
			e.channel(&channels[j])
		}
		e.forgotten(forgotten)
	}
	keys, _ := b.keys.newest(0)
	e.idempotency(keys)
	e.floors(&b.floors)
	if err := e.end(); err != nil {
		t.Fatal(err)
	}
	return e.w.(*bytes.Buffer).Bytes()
}

// Every beginning of a snapshot is an error, and so is one behind which there is more.
func TestRestoreRefuses(t *testing.T) {
	whole := sample(t)
	if err := started(t, nil, nil).Restore(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole); n += 1 + n/50 {
		if err := started(t, nil, nil).Restore(bytes.NewReader(whole[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
	}
	if err := started(t, nil, nil).Restore(bytes.NewReader(append(bytes.Clone(whole), 1))); !errors.Is(err, errRecord) {
		t.Error(err)
	}
	used := started(t, nil, nil)
	publish(t, used, "c", "", 1)
	if err := used.Restore(bytes.NewReader(whole)); err != errUsed {
		t.Error(err)
	}
	other := started(t, nil, nil)
	if err := other.Restore(bytes.NewReader(whole)); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(bytes.NewReader(sample(t))); !errors.Is(err, errRecord) {
		t.Errorf("the rest of another one: %v", err)
	}
	wrong := bytes.Clone(whole)
	wrong[2] = SnapshotVersion + 1
	if err := started(t, nil, nil).Restore(bytes.NewReader(wrong)); err == nil || errors.Is(err, errRecord) {
		t.Errorf("of another version: %v", err)
	}
}

// FuzzRestore: after any input the broker works, or has returned an error.
func FuzzRestore(f *testing.F) {
	whole := sample(f)
	f.Add(whole)
	f.Add(whole[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		broker := started(t, nil, nil)
		if broker.Restore(bytes.NewReader(b)) != nil {
			return
		}
		for _, name := range []string{"held", "listened", "1"} {
			page := read(t, broker, name, hub.Query{})
			for i, p := range page.Publications {
				if p.Position.Offset != page.Publications[0].Position.Offset+uint64(i) {
					t.Errorf("%s has a hole before %v", name, p.Position)
				}
			}
			if pos, _, err := put(broker, hub.Message{Channel: name}, hour); err != nil || page.Position.Offset < 1<<60 && pos.Offset <= page.Position.Offset {
				t.Errorf("%s: %v after %v, %v", name, pos, page.Position, err)
			}
		}
	})
}

// BenchmarkSnapshot is about a full broker: how long it takes altogether, and how long
// publishers wait while nothing else has changed.
func BenchmarkSnapshot(b *testing.B) {
	for _, size := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			broker := started(b, nil, nil)
			data := make([]byte, size)
			done := outcome(make(chan hub.Published, 1))
			const channels = 1000
			for i := range DefaultHistoryBytesMax / (size + publicationBytes) {
				broker.Publish(hub.Message{Channel: fmt.Sprint("channel/", i%channels), Data: data}, hour, done, 1)
				<-done
			}
			b.ResetTimer()
			for b.Loop() {
				began := time.Now()
				s, err := broker.Snapshot()
				if err != nil {
					b.Fatal(err)
				}
				other := started(b, nil, nil)
				reader, writer := io.Pipe()
				var read sync.WaitGroup
				read.Go(func() {
					if err := other.Restore(reader); err != nil {
						b.Error(err)
					}
				})
				if err := s.WriteBulk(writer); err != nil {
					b.Fatal(err)
				}
				writer.Close()
				read.Wait()
				bulk := time.Since(began)
				for i := range channels {
					broker.Publish(hub.Message{Channel: fmt.Sprint("channel/", i), Data: data}, hour, done, 1)
					<-done
				}
				began = time.Now()
				var rest bytes.Buffer
				if err := errors.Join(s.Freeze(context.Background(), &aside{}), s.WriteRest(&rest), other.Restore(&rest)); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "frozen-ms")
				b.ReportMetric(bulk.Seconds(), "bulk-s")
				s.Thaw()
				if now, then := other.Stats(), broker.Stats(); now.Publications != then.Publications || now.Bytes != then.Bytes {
					b.Errorf("%+v became %+v", then, now)
				}
				other.Close()
			}
		})
	}
}
