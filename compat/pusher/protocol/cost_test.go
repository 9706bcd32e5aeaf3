package protocol

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport/dialect"
)

// quiet is a source and a Meter that has nothing to say.
type quiet struct{ app *App }

func (q *quiet) App() *App { return q.app }
func (*quiet) Enter() bool { return true }
func (*quiet) Leave()      {}
func (*quiet) AllowPublication(time.Time) (bool, time.Duration) {
	return true, 0
}
func (*quiet) Delivered(int) {}

// sockets are connected, and subscribed to a channel.
func sockets(t testing.TB, n int, isCompressed bool) []*Socket {
	q := &quiet{testApp("shop/")}
	q.app.Meter = q
	list := make([]*Socket, n)
	for i := range list {
		d := NewSocket(q)
		d.Agree("", isCompressed)
		var e dialect.Effects
		now := time.Now()
		d.Begin(now, &e)
		d.Opened(testSession)
		d.Push(now, []hub.Push{{Outcome: &hub.Outcome{Tag: tagOpen}}}, &e)
		e.Reset()
		d.Receive(now, dialect.Frame{Data: []byte(`{"event":"pusher:subscribe","data":{"channel":"news"}}`)}, &e)
		if len(e.Commands) != 1 {
			t.Fatal("it does not subscribe")
		}
		d.Push(now, []hub.Push{{Outcome: &hub.Outcome{Tag: e.Commands[0].Tag, Command: hub.CommandSubscribe, Channel: "shop/news"}}}, &e)
		list[i] = d
	}
	return list
}

func newDelivery() *hub.Delivery {
	return &hub.Delivery{Publication: &hub.Publication{Channel: "shop/news", Kind: hub.JSON, Data: []byte(`{"price":17}`), Attributes: &hub.Attributes{Event: "price"}}}
}

// A publication is encoded once, however many are given it: no receiver costs any
// memory.
func TestDeliveriesDoNotAllocate(t *testing.T) {
	for _, isCompressed := range []bool{false, true} {
		t.Run(fmt.Sprint("compressed=", isCompressed), func(t *testing.T) {
			list := sockets(t, 3, isCompressed)
			pushes := []hub.Push{{Channel: "shop/news", Delivery: newDelivery()}}
			var e dialect.Effects
			now := time.Now()
			list[0].Push(now, pushes, &e) // which encodes it
			if got := testing.AllocsPerRun(100, func() {
				for _, d := range list {
					e.Reset()
					d.Push(now, pushes, &e)
				}
			}); got != 0 {
				t.Errorf("%v allocations for 3 receivers", got)
			}
			if len(e.Frames)+len(e.Messages) != 1 {
				t.Error("it is not delivered")
			}
		})
	}
}

// All receivers of a publication, and of changes of members, share the bytes that are sent.
func TestWhatIsSentIsShared(t *testing.T) {
	list := sockets(t, 2, false)
	pushes := []hub.Push{{Channel: "shop/news", Delivery: newDelivery()}}
	var a, b dialect.Effects
	list[0].Push(time.Now(), pushes, &a)
	list[1].Push(time.Now(), pushes, &b)
	if &a.Frames[0][0] != &b.Frames[0][0] {
		t.Error("each has its own frame")
	}
	forms := NewForms(space(t, ""))
	c := &hub.Changes{Channel: "presence-x", Joined: []hub.Member{{User: "ann"}}}
	if forms.changes(c, "presence-x") != forms.changes(c, "presence-x") {
		t.Error("changes are encoded twice")
	}
}

func BenchmarkDelivery(b *testing.B) {
	list := sockets(b, 1000, false)
	var e dialect.Effects
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		pushes := []hub.Push{{Channel: "shop/news", Delivery: newDelivery()}}
		for _, d := range list {
			e.Reset()
			d.Push(now, pushes, &e)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/receiver")
}

// A socket that is connected and subscribed to a channel, and idle, holds little.
func TestIdleSocketsAreSmall(t *testing.T) {
	const n, most = 2000, 1024
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	list := sockets(t, n, false)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := int(after.HeapAlloc-before.HeapAlloc) / n; each > most {
		t.Errorf("each has %d bytes, and %d were allowed", each, most)
	} else {
		t.Logf("each has %d bytes", each)
	}
	runtime.KeepAlive(list)
}
