package hub

import "container/heap"

// RegisterOptions says how a session answers.
type RegisterOptions struct {
	// ConcurrentMax is how many calls the session is given at a time by this
	// registration. Default 64, and at most RPC.AnswererOpenMax.
	ConcurrentMax int
}

// registration is a session's word that it answers the methods of a pattern. All
// its fields are guarded by exchange.mu.
type registration struct {
	session *Session
	pattern string
	max     int

	open      int    // calls it was given that are not over
	missed    int    // calls it let pass since it last answered one
	turn      uint64 // when it was given a call last
	isStalled bool   // the session does not take its calls
	place     int    // in its answerers
}

// missedMax is from where on it makes no difference how many calls were missed.
const missedMax = 1 << 20

// isFull reports whether it cannot be given a call now.
func (r *registration) isFull() bool { return r.isStalled || r.open >= r.max }

// answerers are the registrations for one pattern: a heap with the next to be given a
// call on top. That is the one with the fewest open calls, and among equals the one
// whose last was longest ago. Calls that were not answered count as open until one
// is, or a session that answers nothing would be the least busy one for ever.
type answerers struct{ list []*registration }

func (a *answerers) Len() int { return len(a.list) }

func (a *answerers) Less(i, j int) bool {
	x, y := a.list[i], a.list[j]
	if x.isFull() != y.isFull() {
		return y.isFull()
	}
	if x.open+x.missed != y.open+y.missed {
		return x.open+x.missed < y.open+y.missed
	}
	return x.turn < y.turn
}

func (a *answerers) Swap(i, j int) {
	a.list[i], a.list[j] = a.list[j], a.list[i]
	a.list[i].place, a.list[j].place = i, j
}

// Push is heap.Interface's.
func (a *answerers) Push(x any) {
	r := x.(*registration)
	r.place = len(a.list)
	a.list = append(a.list, r)
}

// Pop is heap.Interface's.
func (a *answerers) Pop() any {
	last := len(a.list) - 1
	r := a.list[last]
	a.list[last] = nil
	a.list = a.list[:last]
	return r
}

// next returns the registration that is to be given a call, or nil if all are full.
func (a *answerers) next() *registration {
	if len(a.list) == 0 || a.list[0].isFull() {
		return nil
	}
	return a.list[0]
}

func (a *answerers) add(r *registration)    { heap.Push(a, r) }
func (a *answerers) remove(r *registration) { heap.Remove(a, r.place) }
func (a *answerers) fix(r *registration)    { heap.Fix(a, r.place) }

// deadlines are open calls, the first due on top.
type deadlines []*openCall

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].incoming.Deadline.Before(d[j].incoming.Deadline) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push is heap.Interface's.
func (d *deadlines) Push(x any) {
	c := x.(*openCall)
	c.place = len(*d)
	*d = append(*d, c)
}

// Pop is heap.Interface's.
func (d *deadlines) Pop() any {
	last := len(*d) - 1
	c := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return c
}
