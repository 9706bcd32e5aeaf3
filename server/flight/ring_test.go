package flight

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// largest is an event of which every text is as long as texts can be.
func largest(kind Kind) Event {
	long := strings.Repeat("ä", 300)
	position := hub.Position{Epoch: strings.Repeat("e", hub.EpochBytesMax), Offset: 1<<64 - 1}
	return Event{
		Kind: kind, Session: long, User: long, Channel: long, Transport: long, Reason: long, Position: position,
		Gap: hub.Gap{From: position, To: position, Reason: hub.GapRate, Count: math.MaxInt},
	}
}

// However much happens, the memory is that of the setting, and what is kept is the newest.
func TestMemoryIsBounded(t *testing.T) {
	for _, bytes := range []int{1, BytesMin, 100_000, 1 << 20, 5 << 20} {
		t.Run(fmt.Sprint(bytes), func(t *testing.T) {
			r := newAt(bytes, ticking(time.Microsecond))
			limit := max(bytes, BytesMin)
			n := 0
			for written := 0; written < 3*limit; n++ {
				e := Event{Kind: Subscribed, Session: fmt.Sprint("s", n), Channel: "chat"}
				if n%50 == 0 {
					e = largest(Gapped)
				}
				written += len(appendEvent(nil, &e))
				r.add(e)
				r.Refuse(fmt.Sprint("s", n), "ann", access.Subscribe, "chat", errors.New("no"))
			}
			memory := 0
			for _, ring := range []*ring{&r.turns, &r.refusals} {
				for _, s := range ring.segments {
					memory += cap(s.b)
				}
				if cap(ring.scratch) > eventBytesMax {
					t.Errorf("%d bytes for one event", cap(ring.scratch))
				}
			}
			s := r.Stats()
			if memory != s.Bytes || memory > limit || memory < limit*3/4-segmentBytesMax {
				t.Errorf("it takes %d bytes and says %d, of %d", memory, s.Bytes, limit)
			}
			kept, last, before := 0, "", int64(0)
			floor := r.turns.scan(func(e *record) {
				if kept++; e.time <= before {
					t.Fatal("the events are not in the order of their times")
				}
				before = e.time
				if e.kind == Subscribed {
					last = string(e.session)
				}
			})
			if floor == 0 || s.Evicted != uint64(2*n-s.Events) || kept != r.turns.stats().Events {
				t.Errorf("%d of %d events are kept, %d evicted, the floor is %d", s.Events, 2*n, s.Evicted, floor)
			}
			if want := fmt.Sprint("s", n-1); last != want && (n-1)%50 != 0 {
				t.Errorf("the newest is %s, want %s", last, want)
			}
			if !s.Oldest.After(timeOf(floor)) && r.turns.stats().Oldest.Before(timeOf(floor)) {
				t.Errorf("the oldest is of %v, and what was forgotten of %v", s.Oldest, timeOf(floor))
			}
		})
	}
}

// One client that is refused for ever does not make others be forgotten.
func TestRefusalsHaveTheirOwnMemory(t *testing.T) {
	r := New(BytesMin)
	r.add(Event{Kind: Opened, Session: "s"})
	for range 10_000 {
		r.Refuse("other", "eve", access.Publish, "chat", errors.New("no"))
	}
	if s := r.turns.stats(); s.Events != 1 || s.Evicted != 0 {
		t.Errorf("%+v", s)
	}
}

func TestNothingIsRecorded(t *testing.T) {
	for _, r := range []*Recorder{nil, New(0), New(-1)} {
		var o hub.Observer
		r.Observe(&o)
		r.Refuse("s", "", access.Publish, "chat", nil)
		r.Disconnect("s", 1000, "")
		r.Suspend("s", 0, "")
		r.Resume("s", "sse")
		if o.Opened != nil || o.Subscribed != nil || r.Stats() != (Stats{}) {
			t.Error("it observes")
		}
	}
}

// What is read is what was written, but for the ends of long texts.
func TestEventsAreKept(t *testing.T) {
	at := hub.Position{Epoch: "e", Offset: 300}
	for kind := Opened; kind <= Closed; kind++ {
		want := Event{
			Kind: kind, Time: time.Unix(17, 5).UTC(), Session: "s", User: "ann", Transport: "sse", Channel: "chat", Since: time.Unix(16, 1).UTC(),
			Position: at, ExcludesOwn: kind%2 == 0, IsClosed: kind%3 == 0, Action: access.Publish, Code: 4403, Reason: "ü",
		}
		if kind == Gapped {
			want.Gap = hub.Gap{From: at, To: hub.Position{Epoch: "f", Offset: 2}, Reason: hub.GapExpired, Count: 7}
		}
		r := readRecord(appendEvent(nil, &want))
		if got := r.event(); !reflect.DeepEqual(got, want) {
			t.Errorf("%v is read as\n%+v, want\n%+v", kind, got, want)
		}
		if kind.String() == "" {
			t.Errorf("kind %d has no name", kind)
		}
	}
	long := largest(Gapped)
	b := appendEvent(nil, &long)
	r := readRecord(b)
	if got := r.event(); len(got.User) > 255 || len(got.User) < 253 || !strings.HasPrefix(long.User, got.User) || got.Gap != long.Gap || len(b) > eventBytesMax {
		t.Errorf("the longest is %d bytes, and is read as %+v", len(b), got)
	}
}

func FuzzEvent(f *testing.F) {
	f.Add("s", "ann", "chat", "e", uint64(1), byte(3), int64(5), 2)
	f.Fuzz(func(t *testing.T, session, user, channel, epoch string, offset uint64, kind byte, since int64, count int) {
		want := Event{
			Kind: Kind(kind), Session: session, User: user, Channel: channel, Reason: user, Time: timeOf(since), Since: timeOf(since),
			Position: hub.Position{Epoch: epoch, Offset: offset},
		}
		if want.Kind == Gapped {
			want.Gap = hub.Gap{From: want.Position, Count: max(0, count)}
		}
		r := readRecord(appendEvent(nil, &want))
		got := r.event()
		if len(session)+len(user)+len(channel)+len(epoch) <= textBytesMax && !reflect.DeepEqual(got, want) {
			t.Errorf("%+v is read as %+v", want, got)
		}
	})
}

// Recording takes no memory but its own.
func TestRecordAllocs(t *testing.T) {
	r := New(BytesMin)
	m := hub.Milestone{Channel: "chat", Since: time.Now(), Position: hub.Position{Epoch: "e", Offset: 9}, Gap: &hub.Gap{}}
	var o hub.Observer
	r.Observe(&o)
	h := newHub(t, nil, hub.Options{})
	s := connect(t, h, "ann")
	for range 2000 { // until the ring goes round
		o.Gapped(s, m)
	}
	if got := testing.AllocsPerRun(1000, func() { o.Gapped(s, m) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := New(DefaultBytes)
	var o hub.Observer
	r.Observe(&o)
	s := connect(b, newHub(b, nil, hub.Options{}), "ann")
	m := hub.Milestone{Channel: "chat/room/17", Since: time.Now(), Position: hub.Position{Epoch: "f3Zbk2m9", Offset: 1900}}
	b.ReportAllocs()
	for b.Loop() {
		o.Subscribed(s, m)
	}
}
