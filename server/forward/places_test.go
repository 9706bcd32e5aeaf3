package forward

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// A place that is asked for stays, and others are forgotten.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Places
		if node, ok := p.Get("a"); ok {
			t.Error(node)
		}
		p.Put("a", "A")
		p.Put("b", "B")
		for range 10 {
			time.Sleep(placeMaxAge / 2)
			if node, ok := p.Get("a"); !ok || node != "A" {
				t.Fatal(node, ok)
			}
		}
		if node, ok := p.Get("b"); ok {
			t.Error("it was not asked for, and is remembered:", node)
		}
		p.Forget("a")
		if node, ok := p.Get("a"); ok {
			t.Error("it was forgotten:", node)
		}
		for i := range 2 * placesMax {
			p.Put(strconv.Itoa(i), "A")
		}
		if n := len(p.now) + len(p.old); n > placesMax {
			t.Errorf("%d are remembered", n)
		}
		if _, ok := p.Get(strconv.Itoa(2*placesMax - 1)); !ok {
			t.Error("the newest is forgotten")
		}
	})
}
