package engine

import "testing"

// Every way from one interest to another changes just the filters that differ, and
// a number that comes back begins with nothing.
func TestWatchedChanges(t *testing.T) {
	var w watched
	for from := range 4 {
		for to := range 4 {
			w.begin(9, 7)
			w.change(9, from&1 != 0, from&2 != 0)
			have := from
			changes, n := w.change(9, to&1 != 0, to&2 != 0)
			for _, c := range changes[:n] {
				bit := 1
				if c.write {
					bit = 2
				}
				if c.add == (have&bit != 0) {
					t.Errorf("%b to %b: %+v changes nothing, or fails", from, to, c)
				}
				have ^= bit
			}
			if have != to {
				t.Errorf("%b to %b: %+v leads to %b", from, to, changes[:n], have)
			}
		}
	}
	if _, n := w.change(9, true, true); n != 0 {
		t.Errorf("the same again makes %d changes", n)
	}
	w.begin(9, 8)
	if changes, n := w.change(9, true, false); n != 1 || changes[0] != (filter{add: true}) {
		t.Errorf("a descriptor whose number was used before: %+v", changes[:n])
	}
	if e := w.event(9, true); e != (event{fd: 9, key: 8, writable: true}) {
		t.Errorf("%+v", e)
	}
	if e := w.event(9, false); e != (event{fd: 9, key: 8, readable: true}) {
		t.Errorf("%+v", e)
	}
	if e := w.event(3, false); e.key != 0 || len(w) != 10 {
		t.Errorf("%+v of %d", e, len(w))
	}
}
