package hub

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestCallsAreBounded: so many in all, a quarter of them for one channel, and the
// channels in turn.
func TestCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(8)
		defer c.close()
		gate := make(chan struct{})
		var running, most, made atomic.Int32
		call := func(context.Context) {
			most.Store(max(most.Load(), running.Add(1)))
			<-gate
			running.Add(-1)
			made.Add(1)
		}
		for range 100 {
			c.add("slow", call)
		}
		synctest.Wait()
		if got := running.Load(); got != 2 {
			t.Errorf("%d calls for one channel, want a quarter of 8", got)
		}
		quick := 0
		for i := range 100 {
			c.add(fmt.Sprint(i), func(context.Context) { quick++ }) // on one of the goroutines after the other, or the race detector says so
			synctest.Wait()
		}
		if quick != 100 {
			t.Errorf("%d calls for other channels were made, want all", quick)
		}
		for i := range 100 {
			c.add(fmt.Sprint(i), call)
		}
		synctest.Wait()
		if got := running.Load(); got != 8 {
			t.Errorf("%d calls in all, want 8", got)
		}
		close(gate)
		synctest.Wait()
		if made.Load() != 200 || most.Load() > 8 {
			t.Errorf("%d calls were made, at most %d at once", made.Load(), most.Load())
		}
		if c.running != 0 || c.lines.Len() != 0 || len(c.ready) != 0 {
			t.Errorf("left are %d goroutines, %d lines, %d ready", c.running, c.lines.Len(), len(c.ready))
		}
	})
}

func TestCallsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCalls(1)
		began := time.Now()
		var took time.Duration
		c.add("c", func(ctx context.Context) { <-ctx.Done(); took = time.Since(began) })
		time.Sleep(time.Minute)
		synctest.Wait()
		if took != callTimeout {
			t.Errorf("a call may take %v, want %v", took, callTimeout)
		}
		seen := 0
		for range 3 {
			c.add("c", func(ctx context.Context) { <-ctx.Done(); seen++ })
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.do(ctx, "c", func(context.Context) { t.Error("called, and nobody waits") }); !errors.Is(err, context.Canceled) {
			t.Errorf("do: %v", err)
		}
		c.close()
		if seen != 3 {
			t.Errorf("%d calls saw the end, want all", seen)
		}
		if c.add("c", func(context.Context) { t.Error("called after the end") }) {
			t.Error("a call was taken after the end")
		}
		if err := c.do(t.Context(), "c", func(context.Context) {}); err != ErrClosed {
			t.Errorf("do after the end: %v", err)
		}
	})
}

// TestDefaultsFit: a session that gives its queue back finds all of it in the
// history, and as much again that comes while it reads.
func TestDefaultsFit(t *testing.T) {
	o, err := (*Options)(nil).effective()
	if err != nil {
		t.Fatal(err)
	}
	if 2*o.QueueCountMax > o.Retention.Count {
		t.Errorf("a queue holds %d, and a history %d: want at most half of it", o.QueueCountMax, o.Retention.Count)
	}
	if heldMax+replayCountMax > o.Retention.Count/2 {
		t.Errorf("a page and what is held while it is read are %d, and a history has %d", heldMax+replayCountMax, o.Retention.Count)
	}
	if o.QueueBytesMax < o.PublicationBytesMax {
		t.Errorf("a queue of %d bytes does not hold a publication of %d", o.QueueBytesMax, o.PublicationBytesMax)
	}
}

// TestOrdinaryNames: no name that has a problem passes without the closer look.
func TestOrdinaryNames(t *testing.T) {
	ordinary := 0
	var check func(name string)
	check = func(name string) {
		if isOrdinary(name) {
			ordinary++
			if problem := nameProblem(name); problem != "" {
				t.Errorf("%q: %s", name, problem)
			}
		}
		if len(name) < 6 {
			for _, c := range []byte("a ./*~\x7f\x1f\x80") {
				check(name + string([]byte{c}))
			}
		}
	}
	check("")
	for _, name := range []string{"chat", "match/42/score", strings.Repeat("x", ChannelNameBytesMax)} {
		if !isOrdinary(name) {
			t.Errorf("%q is looked at twice", name)
		}
	}
	if isOrdinary(strings.Repeat("x", ChannelNameBytesMax+1)) || ordinary == 0 {
		t.Error("a name that is too long is ordinary")
	}
}
