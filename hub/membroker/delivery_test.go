package membroker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

func TestPendingMax(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var delivered atomic.Int32
		b := started(t, nil, func(*hub.Publication) { <-gate; delivered.Add(1) })
		if err := b.Listen(t.Context(), "c"); err != nil {
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
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := b.Publish(ctx, hub.Message{Channel: "c"}, hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a publisher that gives up: %v", err)
		}
		// The first delivers its own and one batch of the others', and leaves
		// what came meanwhile to a goroutine.
		for range 1 + pendingMax {
			gate <- struct{}{}
		}
		synctest.Wait()
		select {
		case <-first:
		default:
			t.Error("the first publisher still delivers for others")
		}
		if got := delivered.Load(); got != 1+pendingMax {
			t.Errorf("%d were delivered", got)
		}
		close(gate)
		wg.Wait()
		synctest.Wait()
		if got := delivered.Load(); got != 1+pendingMax+10 {
			t.Errorf("%d were delivered in all", got)
		}
	})
}

// TestMuteDuringDelivery forgets nothing that is in use: what comes after the
// next Listen is delivered after what is under way, not beside it. What waited
// when Mute came is dropped.
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
				if _, _, err := b.Publish(t.Context(), hub.Message{Channel: "c", Data: []byte(data)}, hub.Retention{}); err != nil {
					t.Error("Publish:", err)
				}
			})
			synctest.Wait()
		}
		for range 2 {
			if err := b.Listen(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
			publish("under way")
			publish("waits")
			if err := b.Mute(t.Context(), "c"); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Listen(t.Context(), "c"); err != nil {
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

// TestCloseWhilePublishersWait ends publishers that wait for room.
func TestCloseWhilePublishersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var delivered atomic.Int32
		b := started(t, nil, func(*hub.Publication) { delivered.Add(1); <-gate })
		if err := b.Listen(t.Context(), "c"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var refused atomic.Int32
		wg.Go(func() { publish(t, b, "c", "", 1) })
		synctest.Wait()
		for range pendingMax {
			publish(t, b, "c", "", 1)
		}
		gate <- struct{}{} // now a whole batch is under way
		synctest.Wait()
		for range pendingMax + 4 {
			wg.Go(func() {
				if _, _, err := b.Publish(t.Context(), hub.Message{Channel: "c"}, hour); errors.Is(err, hub.ErrClosed) {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
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
		if got := refused.Load(); got != 4 {
			t.Errorf("%d were refused, want the 4 that waited", got)
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
	if err := b.Listen(t.Context(), "c"); err != nil {
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
