package hub

import (
	"strings"

	"github.com/godwit-io/godwit/access"
)

// routes finds the value under the most specific pattern that matches a name. It
// is a tree of segments, and the wildcards are segments like others, as no name
// contains them.
//
//	math/add, math/*, **       ┌─ math ─┬─ add  value
//	                     root ─┤        └─ *    value
//	                           └─ **  value
type routes[T any] struct {
	root route[T]
}

type route[T any] struct {
	next  map[string]*route[T]
	value *T // nil if no pattern ends here
}

// checkMethodPattern returns a *MethodError.
func checkMethodPattern(text string) error {
	p, err := access.ParsePattern(text)
	problem := ""
	switch refused, ok := err.(*access.PatternError); {
	case ok:
		problem = refused.Problem
	case p.HasUser():
		problem = "{user} has no meaning here: who answers a method does not depend on who asks"
	default:
		return nil
	}
	return &MethodError{text, problem}
}

// get returns the value under a pattern, or nil.
func (r *routes[T]) get(pattern string) *T {
	at := &r.root
	for segment := range strings.SplitSeq(pattern, "/") {
		if at = at.next[segment]; at == nil {
			return nil
		}
	}
	return at.value
}

// set keeps value under a pattern.
func (r *routes[T]) set(pattern string, value *T) {
	at := &r.root
	for segment := range strings.SplitSeq(pattern, "/") {
		next := at.next[segment]
		if next == nil {
			if at.next == nil {
				at.next = make(map[string]*route[T])
			}
			next = &route[T]{}
			at.next[strings.Clone(segment)] = next
		}
		at = next
	}
	at.value = value
}

// remove forgets a pattern, and the memory it needed.
func (r *routes[T]) remove(pattern string) { r.root.remove(pattern) }

func (r *route[T]) remove(pattern string) {
	segment, rest, more := strings.Cut(pattern, "/")
	next := r.next[segment]
	switch {
	case next == nil:
		return
	case more:
		next.remove(rest)
	default:
		next.value = nil
	}
	if next.value == nil && len(next.next) == 0 {
		delete(r.next, segment)
	}
	if len(r.next) == 0 {
		r.next = nil
	}
}

// find returns the value under the most specific pattern that matches name, or
// nil. It looks at each node once at most, so it costs no more than there are
// patterns.
func (r *routes[T]) find(name string) *T { return r.root.find(name, true) }

func (r *route[T]) find(name string, isFirst bool) *T {
	if r.next == nil {
		return nil
	}
	segment, rest, more := strings.Cut(name, "/")
	if found := r.next[segment].findRest(rest, more); found != nil {
		return found
	}
	if isFirst && segment[0] == '@' || access.Closes(segment) {
		return nil // no wildcard stands for these, see access.Pattern
	}
	if found := r.next["*"].findRest(rest, more); found != nil {
		return found
	}
	if everything := r.next["**"]; everything != nil && !access.IsClosed(name) {
		return everything.value
	}
	return nil
}

func (r *route[T]) findRest(rest string, more bool) *T {
	switch {
	case r == nil:
		return nil
	case more:
		return r.find(rest, false)
	}
	return r.value
}
