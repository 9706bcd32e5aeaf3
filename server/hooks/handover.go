package hooks

// TakeOver has h tell what before has not told yet, and know what it knows: the members of
// channels, and which changes wait for being undone. It is for a new configuration, and to be
// called before the first use of h. Events told to before from then on are told by h, so
// neither needs to be replaced at a certain moment. before is still to be closed: the batches
// that it is sending are its own, and h sends nothing until they are taken or given up, so
// that the order holds.
//
// Questions are not concerned: each is answered by the hooks that were asked. If one
// of the two is nil, or tells nobody, nothing happens.
func (h *Hooks) TakeOver(before *Hooks) {
	if h == nil || before == nil || h == before || h.events == nil || before.events == nil {
		return
	}
	h.events.takeOver(before.events)
}

// takeOver takes what old has. The lock of old is taken before that of t.
func (t *teller) takeOver(old *teller) {
	old.mu.Lock()
	defer old.unlock()
	if old.closed {
		return
	}
	t.mu.Lock()
	defer t.unlock()
	for key, s := range old.states {
		if t.wants(key) {
			t.states[key] = s
		}
	}
	for e := old.damped.Front(); e != nil; e = e.Next() {
		if key := e.Value.(presenceKey); t.wants(key) {
			t.states[key].waiting = t.damped.PushBack(key)
		}
	}
	for i := range old.lanes {
		l := &old.lanes[i]
		for _, e := range l.queue {
			old.count--
			old.bytes -= len(e.text)
			if e.kind == TypeOpened || e.kind == TypeClosed || matches(t.channels, e.key) {
				t.putLocked(e)
			}
		}
		l.remove(len(l.queue))
	}
	clear(old.states)
	old.damped.Init()
	if old.timer != nil {
		old.timer.Stop()
	}
	old.closed, old.successor, t.before = true, t, old.finished
	close(old.closing)
	t.arm()
}

// wants reports whether t is told of what key means.
func (t *teller) wants(key presenceKey) bool {
	if !matches(t.channels, key.channel) {
		return false
	}
	if key.isMember() {
		return t.tellsEither(TypeJoined, TypeLeft)
	}
	return t.tellsEither(TypeOccupied, TypeVacated)
}
