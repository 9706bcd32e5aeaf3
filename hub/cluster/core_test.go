package cluster

import (
	"testing"
	"time"
)

// TestStandstill: a process that stood still for a while, stopped by a debugger or a machine that
// slept, finds its own beat first and the others' behind it: no node is dead because of that, in any
// order of notice.
func TestStandstill(t *testing.T) {
	for _, first := range []string{"tick", "self", "other"} {
		now := time.Now()
		c := newCore("SELF", now)
		other := &beat{Newest: 1, Oldest: 1}
		if !c.tick(now) {
			t.Fatal("no beat is due at the beginning")
		}
		c.hearSelf(c.beats, now)
		c.hear("OTHER", 0, other, now)
		now = now.Add(time.Minute)
		switch first {
		case "tick":
			c.tick(now)
		case "self":
			c.hearSelf(c.beats, now)
		case "other":
			c.hear("OTHER", 0, other, now)
		}
		c.tick(now)
		c.hearSelf(c.beats, now)
		c.tick(now)
		if changes := c.takeChanges(); len(changes) != 1 || changes[0].Kind != Joined {
			t.Errorf("having noticed the %s first, it says %+v", first, changes)
		}

		// From there on silence is death again.
		for end := now.Add(deadAfter + beatInterval); now.Before(end); now = now.Add(time.Second) {
			if c.tick(now) {
				c.hearSelf(c.beats, now)
			}
		}
		if changes := c.takeChanges(); len(changes) != 1 || changes[0].Kind != Died {
			t.Errorf("having noticed the %s first, of a silence it says %+v", first, changes)
		}
	}
}

// TestPeersMax: so many others are known, and no more.
func TestPeersMax(t *testing.T) {
	now := time.Now()
	c := newCore("SELF", now)
	name := func(i int) string {
		return "N" + string(rune('A'+i/676%26)) + string(rune('A'+i/26%26)) + string(rune('A'+i%26))
	}
	for i := range PeersMax + 1 {
		c.hear(name(i), 0, &beat{Newest: 1, Oldest: 1}, now)
	}
	if len(c.peers) != PeersMax || c.refused != 1 || c.peers[name(PeersMax)] != nil {
		t.Errorf("%d are known, and %d were refused", len(c.peers), c.refused)
	}
	c.hearBye(name(0))
	c.hear(name(PeersMax), 0, &beat{Newest: 1, Oldest: 1}, now)
	if c.peers[name(PeersMax)] == nil {
		t.Error("there was a place, and it was not taken")
	}
	if c.hearTold("UNKNOWN", 1) {
		t.Error("what somebody tells who is not known is heard")
	}
}

// TestTold: each is heard once, and a hole is noticed.
func TestTold(t *testing.T) {
	now := time.Now()
	c := newCore("SELF", now)
	c.hear("N", 5, &beat{Newest: 1, Oldest: 1}, now)
	c.takeChanges()
	for _, step := range []struct {
		number  uint64
		isHeard bool
		missed  int
	}{{5, false, 0}, {6, true, 0}, {6, false, 0}, {8, true, 1}, {7, false, 0}, {9, true, 0}} {
		isHeard := c.hearTold("N", step.number)
		if changes := c.takeChanges(); isHeard != step.isHeard || len(changes) != step.missed {
			t.Errorf("%d: heard %v, %+v", step.number, isHeard, changes)
		}
	}
	c.hear("N", 9, &beat{Newest: 1, Oldest: 1}, now)
	if changes := c.takeChanges(); len(changes) != 0 {
		t.Errorf("%+v", changes)
	}
	c.hear("N", 10, &beat{Newest: 1, Oldest: 1}, now)
	if changes := c.takeChanges(); len(changes) != 1 || changes[0].Kind != Missed || changes[0].Peer.ID != "N" {
		t.Errorf("a beat that says that one was lost: %+v", changes)
	}
}
