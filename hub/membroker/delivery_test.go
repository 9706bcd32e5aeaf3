package membroker

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/hub"
)

func TestPendingMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var delivered atomic.Int32
		b := started(t, nil, func(*hub.Publication) { <-gate; delivered.Add(1) })
		if _, err := b.Listen(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		var returned atomic.Int32
		var wg sync.WaitGroup
		first := make(chan struct{})
		wg.Go(func() { publish(t, b, "c", "", 1); close(first) })
		synctest.Wait()
		for range pendingMax + 10 {
			wg.Go(func() { publish(t, b, "c", "", 1); returned.Add(1) })
		}
		synctest.Wait()
		if got := returned.Load(); got != pendingMax {
			t.Errorf("%d publishers returned, want %d", got, pendingMax)
		}
		// When the first takes over the pending deliveries, the publishers that made them too
		// many are answered.
		gate <- struct{}{}
		synctest.Wait()
		if got := returned.Load(); got != pendingMax+10 {
			t.Errorf("%d publishers returned, want all", got)
		}
		for range 5 {
			wg.Go(func() { publish(t, b, "c", "", 1) })
		}
		synctest.Wait()
		// It delivers this one batch of the others', and leaves what came meanwhile to
		// a goroutine.
		for range pendingMax + 10 {
			gate <- struct{}{}
		}
		synctest.Wait()
		select {
		case <-first:
		default:
			t.Error("the first publisher still delivers for others")
		}
		if got := delivered.Load(); got != 1+pendingMax+10 {
			t.Errorf("%d were delivered", got)
		}
		close(gate)
		wg.Wait()
		synctest.Wait()
		if got := delivered.Load(); got != 1+pendingMax+10+5 {
			t.Errorf("%d were delivered in all", got)
		}
	})
}

// TestMuteDuringDelivery forgets nothing that is in use: publications after the next
// Listen are delivered after those under way, not beside them. Publications that waited
// when Mute came are dropped.
func TestMuteDuringDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var delivered []string // by one at a time, or the race detector says so
		b := started(t, nil, func(p *hub.Publication) {
			delivered = append(delivered, string(p.Data))
			<-gate
		})
		var wg sync.WaitGroup
		publish := func(data string) {
			wg.Go(func() {
				if _, _, err := put(b, hub.Message{Channel: "c", Data: []byte(data)}, hub.Retention{}); err != nil {
					t.Error("Publish:", err)
				}
			})
			synctest.Wait()
		}
		for range 2 {
			if _, err := b.Listen(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
			publish("under way")
			publish("waits")
			if err := b.Mute(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Listen(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		publish("after")
		if len(delivered) != 1 {
			t.Errorf("two deliveries at once: %q", delivered)
		}
		close(gate)
		wg.Wait()
		synctest.Wait()
		if fmt.Sprint(delivered) != "[under way after]" {
			t.Errorf("delivered %q", delivered)
		}
	})
}

// TestCloseWhilePublishersWait answers publishers that wait for an outcome.
func TestCloseWhilePublishersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var delivered atomic.Int32
		b := started(t, nil, func(*hub.Publication) { delivered.Add(1); <-gate })
		if _, err := b.Listen(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var accepted atomic.Int32
		wg.Go(func() { publish(t, b, "c", "", 1) })
		synctest.Wait()
		for range pendingMax {
			publish(t, b, "c", "", 1)
		}
		gate <- struct{}{} // now a whole batch is under way
		synctest.Wait()
		for range pendingMax + 4 {
			wg.Go(func() {
				if pos, _, err := put(b, hub.Message{Channel: "c"}, hour); err == nil && pos.Offset > 0 {
					accepted.Add(1)
				}
			})
		}
		synctest.Wait()
		if got := accepted.Load(); got != pendingMax {
			t.Errorf("%d publishers returned, want %d", got, pendingMax)
		}
		closed := make(chan struct{})
		go func() { _ = b.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the delivery under way")
		default:
		}
		close(gate)
		<-closed
		wg.Wait()
		if got := accepted.Load(); got != pendingMax+4 {
			t.Errorf("%d publications were accepted, want all: those that waited, too", got)
		}
		if got := delivered.Load(); got != 2 {
			t.Errorf("%d were delivered, want the one before and the one during Close", got)
		}
	})
}

// TestReceiverPanics: the caller of Publish may survive it, so must the channel.
func TestReceiverPanics(t *testing.T) {
	got := make(chan uint64, 10)
	b := started(t, nil, func(p *hub.Publication) {
		if p.Position.Offset == 1 {
			panic("at the receiver")
		}
		got <- p.Position.Offset
	})
	if _, err := b.Listen(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		publish(t, b, "c", "", 1)
	}()
	publish(t, b, "c", "", 1)
	publish(t, b, "c", "", 1)
	if a, b := <-got, <-got; a != 2 || b != 3 {
		t.Errorf("delivered %d and %d", a, b)
	}
}
