package bridge

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/server/bridge/feed"
	"github.com/godwit-io/godwit/ws"
)

// someOwner is an Owner that notes what it is told.
type someOwner struct {
	mu   sync.Mutex
	ours map[string]bool
	told strings.Builder
}

func (o *someOwner) IsOurs(bridge string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ours[bridge]
}

func (o *someOwner) Knows(bridge string, does bool) { o.note("knows", bridge, does) }
func (o *someOwner) Runs(bridge string, does bool)  { o.note("runs", bridge, does) }

func (o *someOwner) note(what, bridge string, does bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fmt.Fprintf(&o.told, "%s %s %v\n", what, bridge, does)
}

// take returns what it was told, and forgets it.
func (o *someOwner) take() string {
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.told.Reset()
	return o.told.String()
}

func (o *someOwner) set(bridge string, isOurs bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ours[bridge] = isOurs
}

// waits serves connections that stay.
func waits(ctx context.Context, conn *ws.Conn) {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return
		}
	}
}

// TestOwner: a bridge runs here while it is this process's, and what is told of it comes before it connects and after its last word.
func TestOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, socket(waits))
		owner := &someOwner{ours: map[string]bool{"a": true}}
		b := newSlowBroker(t)
		w := newWorld(t, u, b, owner, specFor(t, "a", "a"), specFor(t, "b", "b"))
		expect := func(what, want string) {
			t.Helper()
			if got := owner.take(); got != want {
				t.Errorf("%s: the owner was told\n%s", what, got)
			}
		}
		expect("start", "knows a true\nknows b true\nruns a true\n")
		states := func(want ...feed.State) {
			t.Helper()
			synctest.Wait()
			for i, r := range w.bridges.Reports() {
				if r.State != want[i] || r.IsHere != (want[i] != Elsewhere) {
					t.Errorf("bridge %d: %+v, want %s", i, r, want[i])
				}
			}
		}
		states(feed.Live, Elsewhere)

		// The last word of a is not out yet, so it still runs here.
		b.set(true, false)
		owner.set("a", false)
		owner.set("b", true)
		time.Sleep(lookEach)
		expect("while the last word waits", "runs b true\n")
		b.set(false, false)
		expect("after it", "runs a false\n")
		states(Elsewhere, feed.Live)
		if h := withoutTimes(w.history("a")); !strings.HasSuffix(h, `bridge.away {"type":"bridge.away","bridge":"a","from":"","reason":"stopped"}`+"\n") {
			t.Error(h)
		}

		// What it has counted elsewhere goes on.
		owner.set("a", true)
		w.bridges.Look()
		expect("a comes back", "runs a true\n")
		if r := w.bridges.Reports()[0]; r.Connections != 2 || r.Gaps != 2 {
			t.Errorf("%+v", r)
		}

		w.bridges.Pause(context.Background())
		if got := strings.Split(owner.take(), "\n"); len(got) != 5 || got[0] != "knows a false" || got[1] != "knows b false" || !strings.HasPrefix(got[2], "runs ") {
			t.Errorf("%q", got)
		}
		states(Elsewhere, Elsewhere)
		time.Sleep(time.Minute)
		expect("paused", "")
		w.bridges.Start()
		if got := owner.take(); !strings.HasPrefix(got, "knows a true\nknows b true\nruns ") || strings.Count(got, "runs") != 2 {
			t.Error(got)
		}
		states(feed.Live, feed.Live)
		if r := w.bridges.Reports()[0]; r.Connections != 3 || r.Gaps != 3 { // of all three times
			t.Errorf("%+v", r)
		}
		w.close(u)
		if got := owner.take(); strings.Count(got, "false") != 4 {
			t.Error(got)
		}
	})
}

// TestReplace: what has changed begins anew, and what is the same is not disturbed.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, socket(waits))
		owner := &someOwner{ours: map[string]bool{"a": true, "b": true, "c": true}}
		w := newWorld(t, u, nil, owner, specFor(t, "a", "a"), specFor(t, "b", "b"))
		owner.take()
		w.bridges.Replace([]*Spec{specFor(t, "a", "a"), specFor(t, "b", "b2"), specFor(t, "c", "c")})
		if got := owner.take(); got != "knows c true\nruns c true\nruns b false\nruns b true\n" && got != "knows c true\nruns b false\nruns b true\nruns c true\n" &&
			got != "knows c true\nruns b false\nruns c true\nruns b true\n" {
			t.Error(got)
		}
		for i, want := range []uint64{1, 2, 1} {
			if r := w.bridges.Reports()[i]; r.Connections != want || r.State != feed.Live {
				t.Errorf("%+v, want %d connections", r, want)
			}
		}
		if h := withoutTimes(w.history("b2")); !strings.HasPrefix(h, `bridge.gap {`) {
			t.Error(h)
		}
		w.bridges.Replace([]*Spec{specFor(t, "c", "c")})
		if got := owner.take(); !strings.HasPrefix(got, "knows a false\nknows b false\n") || strings.Count(got, "runs") != 2 {
			t.Error(got)
		}
		if r := w.bridges.Reports(); len(r) != 1 || r[0].Connections != 1 {
			t.Errorf("%+v", r)
		}
		w.close(u)
	})
}

// TestClosePlacid: what was never started can be closed, and a bridge whose broker never answers does not keep Close for ever.
func TestClosePlacid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newUpstream(t, socket(waits))
		b := newSlowBroker(t)
		w := newWorld(t, u, b, nil, specFor(t, "a", "a"))
		idle := New(w.hub, nil, nil)
		idle.Replace([]*Spec{specFor(t, "a", "a")})
		idle.Close(t.Context())
		idle.Start() // is too late
		synctest.Wait()
		b.set(true, false)
		began := time.Now()
		w.bridges.Close(t.Context())
		if took := time.Since(began); took != endTimeout {
			t.Errorf("closing took %v", took)
		}
		b.set(false, false)
		w.close(u)
	})
}
