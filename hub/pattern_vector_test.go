package hub_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 1, time.UTC)

func sameVector(a, b *hub.Vector) bool {
	return a.Began.Equal(b.Began) && a.Until.Equal(b.Until) && a.Evicted.Equal(b.Evicted) && a.Newest == b.Newest && maps.Equal(a.Positions, b.Positions)
}

func TestVectorText(t *testing.T) {
	for _, v := range []*hub.Vector{
		{Began: noon},
		{Began: noon, Evicted: noon.Add(time.Second)},
		{Began: noon, Newest: 1000},
		{Began: noon, Positions: map[string]hub.Position{"a": {Epoch: "e", Offset: 0}}},
		{Began: noon, Positions: map[string]hub.Position{
			"chat/ü": {Epoch: "f3ZbQ2LD7K", Offset: 1<<64 - 1}, "b": {Epoch: "e2", Offset: 300}, "c": {Epoch: "f3ZbQ2LD7K", Offset: 17}}},
	} {
		text := v.String()
		got, err := hub.ParseVector(text)
		if err != nil || !sameVector(got, v) || got.String() != text {
			t.Errorf("%+v became %s and then %+v, %v", v, text, got, err)
		}
		if strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("%s is not fit for an id", text)
		}
		for i := range len(text) {
			if _, err := hub.ParseVector(text[:i]); err == nil {
				t.Errorf("the first %d bytes of %s are a vector", i, text)
			}
		}
	}
}

func TestVectorFaults(t *testing.T) {
	for name, text := range map[string]string{
		"empty":              "",
		"no base64":          "ä",
		"padded":             (&hub.Vector{Began: noon}).String() + "==",
		"another version":    "AwAAAAA",
		"a position":         "f3ZbQ2LD7K:17",
		"no beginning":       "AQAAAAAA",
		"none of the newest": "AgABAAAAAA",
		"more behind":        (&hub.Vector{Began: noon}).String() + "AAAA",
		"too long":           strings.Repeat("A", hub.VectorTextBytesMax+1),
		"bad channel":        (&hub.Vector{Began: noon, Positions: map[string]hub.Position{"a/*": {Epoch: "e", Offset: 1}}}).String(),
		"bad epoch":          (&hub.Vector{Began: noon, Positions: map[string]hub.Position{"a": {Epoch: "e:", Offset: 1}}}).String(),
		"channels for ever":  "AQEAAP____8P",
	} {
		v, err := hub.ParseVector(text)
		var fault *hub.VectorError
		var bad *hub.NameError
		if v != nil || !errors.As(err, &fault) && !errors.As(err, &bad) {
			t.Errorf("%s: %v, %v", name, v, err)
		} else if len(err.Error()) > 300 || !strings.HasPrefix(err.Error(), "hub: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseVector(f *testing.F) {
	f.Add((&hub.Vector{Began: noon}).String())
	f.Add((&hub.Vector{Began: noon, Evicted: noon, Positions: map[string]hub.Position{"a": {Epoch: "e", Offset: 1}, "b/c": {Epoch: "f", Offset: 2}}}).String())
	f.Add("AQAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		v, err := hub.ParseVector(text)
		if err != nil {
			return
		}
		if again := v.String(); again != text {
			t.Errorf("%q is also spelled %q", text, again)
		}
	})
}

// TestVectorTracker: a tracker says how far a client came that has seen what it has, and
// its text stays within its bounds.
func TestVectorTracker(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, bounds := range [][2]int{{3, 0}, {0, 200}, {64, 4096}, {1, 1}} {
		tracker := hub.NewVectorTracker(&hub.Vector{Began: noon}, bounds[0], bounds[1])
		seen := make(map[string]hub.Position)
		times := make(map[string]time.Time)
		now := noon
		for i := range 3000 {
			channel := fmt.Sprint("channel/", random.IntN(90))
			now = now.Add(time.Millisecond)
			position := hub.Position{Epoch: fmt.Sprint("epoch", i/1000), Offset: uint64(i + 1)}
			tracker.Note(channel, position, now)
			seen[channel], times[channel] = position, now
			v := tracker.Vector()
			for channel, position := range seen {
				switch got, ok := v.Positions[channel]; {
				case ok && got != position:
					t.Fatalf("%v: %s is at %v, want %v", bounds, channel, got, position)
				case !ok && times[channel].After(v.Evicted):
					t.Fatalf("%v: %s has gone, and its last publication was later than %v", bounds, channel, v.Evicted)
				}
			}
			if _, ok := v.Positions[channel]; !ok {
				t.Fatalf("%v: the newest one has gone", bounds)
			}
			text := tracker.String()
			if n := len(v.Positions); n > 1 && (bounds[0] > 0 && n > bounds[0] || bounds[1] > 0 && len(text) > bounds[1]) {
				t.Fatalf("%v: %d channels in %d bytes", bounds, n, len(text))
			}
			if i%100 == 0 {
				parsed, err := hub.ParseVector(text)
				if err != nil || !sameVector(parsed, v) {
					t.Fatalf("%v: %+v is %+v, %v", bounds, v, parsed, err)
				}
				tracker = hub.NewVectorTracker(parsed, bounds[0], bounds[1])
			}
		}
	}
}

// TestVectorTrackerGap: a gap, whose time is not known, does not make a channel older.
func TestVectorTrackerGap(t *testing.T) {
	tracker := hub.NewVectorTracker(&hub.Vector{Began: noon}, 2, 0)
	later := noon.Add(time.Hour)
	at := func(n uint64) hub.Position { return hub.Position{Epoch: "e", Offset: n} }
	tracker.Note("a", at(1), later)
	tracker.Note("b", at(1), time.Time{})
	tracker.Note("c", at(1), later)
	tracker.Note("d", at(1), later) // a and b have gone
	if v := tracker.Vector(); !v.Evicted.Equal(later) || len(v.Positions) != 2 {
		t.Errorf("the vector is %+v", v)
	}
}
