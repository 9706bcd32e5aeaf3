package hub

import (
	"encoding/json"
	"time"

	"github.com/godwit-io/godwit/internal/jsonpointer"
)

// conflateAfter is how much older than a new publication the oldest that waits is, and
// conflateCount how many wait, when the client counts as slow. Until then it is given all
// of them, or a burst would be conflated for all: a server takes a moment to write.
const (
	conflateAfter = 100 * time.Millisecond
	conflateCount = 64
)

// isLate reports whether what waits shows with d that the client is slow.
func (b *backlog) isLate(d *Delivery) bool {
	return b.oldest != nil && (b.count >= conflateCount || d.Time.Sub(b.oldest.delivery.Time) >= conflateAfter)
}

// conflate leaves out what waits and has been replaced, and has newer ones replace others
// from now on; s.mu is held.
func (s *Session) conflate(sub *subscription) {
	b := sub.rare.Load().backlog
	b.isConflating = true
	newer := make(map[string]struct{}, b.count)
	for w := b.newest; w != nil; {
		w.lookUp(b)
		key, older := w.key, w.older
		if _, ok := newer[key]; ok {
			s.leaveOut(sub, w, GapConflated)
		}
		newer[key] = struct{}{}
		w = older
	}
}

// keysLookedThrough is how many waiting publications are compared one by one; with more
// there is a map.
const keysLookedThrough = 8

// keyOf is what d is about, "" if nothing says so.
func (b *backlog) keyOf(d *Delivery) string {
	switch {
	case d.Attributes != nil && d.Attributes.Key != "":
		return d.Attributes.Key
	case b.keys != nil:
		return b.keys.Of(d)
	}
	return ""
}

// lookUp sees that w has its key.
func (w *waiting) lookUp(b *backlog) {
	if !w.hasKey {
		w.key, w.hasKey = b.keyOf(w.delivery), true
	}
}

// giveTurns gives each subscription that waits for its interval its turn before any key
// has its next. Else, where all keys change all the time, one would always be the oldest:
// what replaces another goes behind all that wait, because positions ascend.
func (b *backlog) giveTurns() {
	if b.oldest == nil || b.oldest.hasTurn {
		return
	}
	for w := b.oldest; w != nil; w = w.newer {
		w.hasTurn = true
	}
	b.byKey = nil
}

// find returns the publication that waits under key and may be replaced, or nil.
func (b *backlog) find(key string) *waiting {
	if b.byKey != nil {
		return b.byKey[key]
	}
	for w := b.newest; w != nil && !w.hasTurn; w = w.older {
		if w.lookUp(b); w.key == key {
			return w
		}
	}
	return nil
}

// index makes w findable.
func (b *backlog) index(w *waiting) {
	if b.byKey != nil {
		b.byKey[w.key] = w
		return
	}
	if b.count <= keysLookedThrough {
		return
	}
	b.byKey = make(map[string]*waiting, 2*keysLookedThrough)
	for w := b.newest; w != nil && !w.hasTurn; w = w.older {
		w.lookUp(b)
		b.byKey[w.key] = w
	}
}

// keysOf returns the form that is the key of a publication by a JSON pointer: it is
// looked up once, however many subscribers are slow. It is nil for no pointer, and for a
// pointer that CheckKeyPointer refuses.
func (h *Hub) keysOf(pointer string) *Form[string] {
	if pointer == "" {
		return nil
	}
	if form, ok := h.keys.Load(pointer); ok {
		return form.(*Form[string])
	}
	parsed, err := jsonpointer.Parse(pointer)
	if err != nil {
		return nil
	}
	form, _ := h.keys.LoadOrStore(pointer, NewForm(func(p *Publication) string { return keyAt(p, parsed) }))
	return form.(*Form[string])
}

// keyAt is the string, number or boolean that pointer finds in p, or "".
func keyAt(p *Publication, pointer jsonpointer.Pointer) string {
	if p.Kind != JSON {
		return ""
	}
	value, ok := pointer.Find(p.Data)
	if !ok || len(value) == 0 {
		return ""
	}
	switch value[0] {
	case '{', '[', 'n':
		return ""
	case '"':
		var text string
		if json.Unmarshal(value, &text) != nil {
			return ""
		}
		return text
	}
	return string(value)
}
