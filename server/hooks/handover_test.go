package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
)

// A new configuration knows the members, and the changes that wait for being undone.
func TestTakeOverOfStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, taken)
		before := a.start(t, Options{Events: new(Events)})
		first, second := Member{Session: "s1", User: "ann"}, Member{Session: "s2", User: "ann"}
		before.ChannelOccupied("a")
		before.MemberJoined("a", first)
		before.MemberJoined("a", second)
		after(dampedFor + gatherFor)
		before.ChannelVacated("b")  // undone later
		before.ChannelOccupied("c") // not undone
		before.MemberLeft("a", first)
		after(time.Second)

		h := a.start(t, Options{Events: new(Events)})
		h.TakeOver(before)
		h.TakeOver(before) // does nothing the second time
		if err := before.Close(context.Background()); err != nil {
			t.Error(err)
		}
		if types, _ := a.told(t); !slices.Equal(types, []string{TypeOccupied, TypeJoined}) {
			t.Errorf("before: %q", types)
		}
		before.ChannelOccupied("b") // by somebody who has not noticed
		h.MemberLeft("a", second)
		after(dampedFor - time.Second + gatherFor)
		types, channels := a.told(t)
		if !slices.Equal(types[2:], []string{TypeOccupied}) || channels[2] != "c" {
			t.Errorf("in time: %q of %q", types[2:], channels[2:])
		}
		after(dampedFor)
		if types, _ := a.told(t); !slices.Equal(types[3:], []string{TypeLeft}) {
			t.Errorf("after: %q", types[3:])
		}
		if len(h.events.states) != 3 || len(before.events.states) != 0 { // the channels
			t.Errorf("%d and %d states are kept", len(h.events.states), len(before.events.states))
		}
	})
}

// The order holds across a new configuration, also while the application fails, and
// nothing is lost.
func TestTakeOverKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		var mu sync.Mutex
		var batches [][]byte // that were taken
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			i := n.Add(1)
			if i < 20 {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			mu.Lock()
			batches = append(batches, body)
			mu.Unlock()
			if i%2 == 0 {
				pause(r.Context(), time.Second)
			}
		})
		var hooks []*Hooks
		closed := make(chan error, 3)
		next, want := 0, map[string]int{}
		for i := range 3 {
			h := a.start(t, Options{Events: &Events{BatchCountMax: 2, QueueCountMax: 1000}})
			hooks = append(hooks, h)
			if i > 0 {
				h.TakeOver(hooks[i-1])
				go func() { closed <- hooks[i-1].Close(context.Background()) }()
			}
			for range 10 {
				for s := range 8 {
					h.SessionClosed(Member{Session: fmt.Sprint(s)}, fmt.Sprint(next))
				}
				next++
				if i > 0 && next%2 == 0 {
					hooks[i-1].SessionClosed(Member{Session: "late"}, fmt.Sprint(want["late"])) // by somebody who has not noticed
					want["late"]++
				}
				after(time.Second)
			}
		}
		after(5 * time.Minute)
		for range 2 {
			if err := <-closed; err != nil {
				t.Error(err)
			}
		}
		late := want["late"]
		clear(want)
		for _, body := range batches {
			var batch struct {
				Events []struct {
					Data struct{ Session, Reason string }
				}
			}
			if err := json.Unmarshal(body, &batch); err != nil {
				t.Fatal(err)
			}
			for _, e := range batch.Events {
				if e.Data.Reason != fmt.Sprint(want[e.Data.Session]) {
					t.Fatalf("session %s: %s comes, want %d", e.Data.Session, e.Data.Reason, want[e.Data.Session])
				}
				want[e.Data.Session]++
			}
		}
		for s := range 8 {
			if want[fmt.Sprint(s)] != next {
				t.Errorf("session %d: %d of %d", s, want[fmt.Sprint(s)], next)
			}
		}
		if late != 10 || want["late"] != late {
			t.Errorf("%d of %d came late", want["late"], late)
		}
		for i, h := range hooks {
			if s := h.Stats().Events; s != (EventStats{}) {
				t.Errorf("%d: left is %+v", i, s)
			}
		}
	})
}

// Events that the new configuration does not send are not taken.
func TestTakeOverOfPart(t *testing.T) {
	for _, wait := range []time.Duration{0, dampedFor} { // they are damped, or queued
		synctest.Test(t, func(t *testing.T) { testTakeOverOfPart(t, wait) })
	}
}

func testTakeOverOfPart(t *testing.T, wait time.Duration) {
	a := runApplication(t, taken)
	before := a.start(t, Options{Events: new(Events)})
	for _, channel := range []string{"a", "private/a"} {
		before.ChannelOccupied(channel)
		before.MemberJoined(channel, Member{Session: "s"})
	}
	after(wait)
	before.SessionOpened(Member{Session: "s"})
	h := a.start(t, Options{Events: &Events{Channels: []access.Pattern{pattern(t, "private/**")}, Types: []string{TypeJoined, TypeLeft}}})
	h.TakeOver(before)
	none := a.start(t, Options{Subscribe: new(Question)})
	none.TakeOver(h)
	h.TakeOver(none)
	h.TakeOver(nil)
	(*Hooks)(nil).TakeOver(h)
	after(dampedFor + gatherFor)
	if types, channels := a.told(t); !slices.Equal(types, []string{TypeJoined}) || channels[0] != "private/a" {
		t.Errorf("told %q of %q", types, channels)
	}
	if len(h.events.states) != 1 {
		t.Errorf("%d states are kept", len(h.events.states))
	}
}
