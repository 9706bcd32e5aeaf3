package hooks

import (
	"container/list"
	"time"
)

// dampedFor is how long a change waits for being undone. A channel that is vacated
// and occupied again within it is no news, and neither is a member who reloads a page.
const dampedFor = 3 * time.Second

// presenceKey is something that is there or not: a channel, or a member of it.
type presenceKey struct{ channel, user, session string }

func (k presenceKey) isMember() bool { return k.user != "" || k.session != "" }

// presenceState is what is known of it. Nothing is kept of what is not there and
// of which nothing is to be told.
type presenceState struct {
	sessions int  // of the member
	isThere  bool // it is
	told     bool // as far as the application knows, it is
	event    event
	due      time.Time
	waiting  *list.Element // while isThere is not what was told, at its place by due
}

// change notes that something is there, or is no more, and tells it if it is still
// so in a while.
func (t *teller) change(key presenceKey, isThere bool, e event) {
	t.mu.Lock()
	if t := t.successor; t != nil {
		defer t.change(key, isThere, e) // when the lock is free again
	}
	defer t.unlock()
	if t.closed || t.gone {
		return
	}
	s := t.states[key]
	if s == nil {
		// What leaves and was not seen coming was told by our predecessor.
		s = &presenceState{told: !isThere, isThere: !isThere}
		t.states[key] = s
	}
	if isThere {
		s.sessions++
	} else {
		s.sessions = max(s.sessions-1, 0)
	}
	if s.isThere == isThere || key.isMember() && !isThere && s.sessions > 0 { // other sessions of the user are there
		return
	}
	s.isThere, s.event = isThere, e
	switch {
	case s.told == isThere: // as if nothing had happened
		t.damped.Remove(s.waiting)
		s.waiting = nil
		t.forget(key, s)
	default:
		s.due = e.at.Add(dampedFor)
		s.waiting = t.damped.PushBack(key)
		if t.damped.Len() > t.o.QueueCountMax {
			t.settle() // changes wait less when there are too many
		}
		t.arm()
	}
}

// settle tells the change that has waited longest. t.mu is held.
func (t *teller) settle() {
	first := t.damped.Front()
	key := t.damped.Remove(first).(presenceKey)
	s := t.states[key]
	s.waiting, s.told = nil, s.isThere
	s.event.at = time.Now()
	t.putLocked(s.event)
	s.event = event{}
	t.forget(key, s)
}

// forget keeps nothing of members and channels that are not there. t.mu is held.
func (t *teller) forget(key presenceKey, s *presenceState) {
	if !s.isThere && s.waiting == nil {
		delete(t.states, key)
	}
}

// arm sets the timer to when the next change is told. t.mu is held.
func (t *teller) arm() {
	first := t.damped.Front()
	if first == nil || t.armed {
		return
	}
	t.armed = true
	wait := time.Until(t.states[first.Value.(presenceKey)].due)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.settleDue)
		return
	}
	t.timer.Reset(wait)
}

// settleDue tells what has waited long enough.
func (t *teller) settleDue() {
	t.mu.Lock()
	defer t.unlock()
	t.armed = false
	for now := time.Now(); t.damped.Len() > 0; {
		if t.states[t.damped.Front().Value.(presenceKey)].due.After(now) {
			break
		}
		t.settle()
	}
	t.arm()
}
