package trie

import (
	"slices"
	"strings"

	"github.com/godwit-io/godwit/access"
)

// Trie holds values by pattern, segment by segment. In a pattern "*" is any one
// segment, and "**" at its end any one or more. A wildcard in the first segment
// stands for none that begins with "@", and no wildcard for a segment that closes a
// channel (access.IsClosed).
//
//	scores/*    root ─ "scores" ─ *        values
//	scores/**   root ─ "scores" (rest)     values
//	**          root (rest)                values
//
// What Match costs depends on the segments of the name and on what matches its
// beginning, and not on how many other patterns there are. The zero Trie is empty and
// ready. It is not safe for concurrent use.
type Trie[V comparable] struct {
	root node[V]
	n    int
}

type node[V comparable] struct {
	children map[string]*node[V] // of literal segments
	star     *node[V]
	here     []V // of patterns that end here
	rest     []V // of patterns that end in ** behind here
}

// Len is the number of values.
func (t *Trie[V]) Len() int { return t.n }

// Add adds a value under a valid pattern. A value that is added twice is there
// twice.
func (t *Trie[V]) Add(pattern string, v V) {
	at := &t.root
	t.n++
	for segment := range strings.SplitSeq(pattern, "/") {
		switch segment {
		case "**":
			at.rest = append(at.rest, v)
			return
		case "*":
			if at.star == nil {
				at.star = new(node[V])
			}
			at = at.star
		default:
			next := at.children[segment]
			if next == nil {
				if at.children == nil {
					at.children = make(map[string]*node[V])
				}
				next = new(node[V])
				at.children[strings.Clone(segment)] = next
			}
			at = next
		}
	}
	at.here = append(at.here, v)
}

// Remove removes a value of a pattern, once, and reports whether it was there. What
// leads to no value any more is gone.
func (t *Trie[V]) Remove(pattern string, v V) bool {
	removed := t.root.remove(pattern, v)
	if removed {
		t.n--
	}
	return removed
}

func (n *node[V]) remove(pattern string, v V) bool {
	segment, more, hasMore := strings.Cut(pattern, "/")
	if segment == "**" {
		return removeOne(&n.rest, v)
	}
	next := n.star
	if segment != "*" {
		next = n.children[segment]
	}
	if next == nil {
		return false
	}
	removed := false
	if hasMore {
		removed = next.remove(more, v)
	} else {
		removed = removeOne(&next.here, v)
	}
	if next.isEmpty() {
		if segment == "*" {
			n.star = nil
		} else if delete(n.children, segment); len(n.children) == 0 {
			n.children = nil
		}
	}
	return removed
}

func (n *node[V]) isEmpty() bool {
	return n.children == nil && n.star == nil && n.here == nil && n.rest == nil
}

func removeOne[V comparable](list *[]V, v V) bool {
	i := slices.Index(*list, v)
	if i < 0 {
		return false
	}
	if len(*list) == 1 {
		*list = nil
	} else {
		*list = slices.Delete(*list, i, i+1)
	}
	return true
}

// Match appends the values of the patterns that match a valid name of a channel to
// dst, in no order.
func (t *Trie[V]) Match(name string, dst []V) []V {
	if name == "" {
		return dst
	}
	return t.root.match(name, openFrom(name), name[0] == '@', dst)
}

// openFrom is the length of the longest end of a name, in whole segments, of which none
// closes the channel.
func openFrom(name string) int {
	open := len(name)
	for rest, more := name, true; more; {
		segment := rest
		_, rest, more = strings.Cut(rest, "/")
		if access.Closes(segment) {
			open = len(rest)
		}
	}
	return open
}

// match appends the values that match the rest of a name, which is not empty. A rest no
// longer than open has no segment that closes the channel. With isUser no
// wildcard stands for its first segment.
func (n *node[V]) match(name string, open int, isUser bool, dst []V) []V {
	if len(name) <= open && !isUser {
		dst = append(dst, n.rest...)
	}
	segment, more, hasMore := strings.Cut(name, "/")
	if next := n.children[segment]; next != nil {
		if hasMore {
			dst = next.match(more, open, false, dst)
		} else {
			dst = append(dst, next.here...)
		}
	}
	if n.star != nil && !isUser && !access.Closes(segment) {
		if hasMore {
			dst = n.star.match(more, open, false, dst)
		} else {
			dst = append(dst, n.star.here...)
		}
	}
	return dst
}
