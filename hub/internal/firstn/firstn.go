package firstn

import (
	"slices"
	"strings"
)

// List keeps the elements with the first Limit names, in any order of arrival, in memory
// for a few times as many. It is not safe for concurrent use.
type List[T any] struct {
	Limit int // more than 0
	Name  func(T) string

	kept  []T
	bound string // when full: what comes after it is not kept
	full  bool
}

// Wants reports whether Add would keep something with this name, as far as is known.
func (l *List[T]) Wants(name string) bool { return !l.full || name < l.bound }

// Add keeps v, unless enough with earlier names are there.
func (l *List[T]) Add(v T) {
	if !l.Wants(l.Name(v)) {
		return
	}
	if l.kept = append(l.kept, v); len(l.kept) > 2*l.Limit+64 {
		l.cut()
	}
}

func (l *List[T]) cut() {
	slices.SortFunc(l.kept, func(a, b T) int { return strings.Compare(l.Name(a), l.Name(b)) })
	if len(l.kept) < l.Limit {
		return
	}
	clear(l.kept[l.Limit:])
	l.kept = l.kept[:l.Limit]
	l.bound, l.full = l.Name(l.kept[l.Limit-1]), true
}

// Sorted returns the elements that were kept, by name. The caller owns the slice, and
// the List is not used any more.
func (l *List[T]) Sorted() []T {
	l.cut()
	return l.kept
}
