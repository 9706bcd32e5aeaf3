package hub

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub/internal/trie"
)

// IsPattern reports whether name is meant as a pattern, and not as the name of a
// channel: it has a "*".
func IsPattern(name string) bool { return strings.IndexByte(name, '*') >= 0 }

// CheckPattern returns nil if pattern can be subscribed to, else a
// *NameError. It is written like the name of a channel; the segment "*" stands for any
// one segment, and "**" at the end for any one or more. A wildcard in the first segment
// stands for none that begins with "@": those are the channels of users. A wildcard
// stands for no segment that closes a channel either (access.IsClosed): a pattern for
// those has that segment.
func CheckPattern(pattern string) error {
	if !IsPattern(pattern) {
		return &NameError{pattern, `it has no "*", so it is no pattern but the name of one channel`}
	}
	if strings.Contains(pattern, access.UserMark) {
		return &NameError{pattern, access.UserMark + " is for grants; a pattern that is subscribed to names its user"}
	}
	if _, err := access.ParsePattern(pattern); err != nil {
		problem := err.Error()
		if e, ok := err.(*access.PatternError); ok {
			problem = e.Problem
		}
		return &NameError{pattern, problem}
	}
	return nil
}

// patterns are the patterns that sessions of a hub are subscribed to. The subscriptions
// to a pattern are those of a channel with its text as the name, which no channel has;
// they are given nothing themselves. When something is published in a channel for the
// first time since a pattern began, each session whose pattern matches it gets a derived
// subscription to that channel, see Hub.derive:
//
//	Receive ─► channel ─ is its generation that of patterns? ─► subs, derived ─► offer
//	                          │ no: look into the trie, once       ▲
//	                          └────► Session.attach ───────────────┘
type patterns struct {
	broker PatternBroker // nil if the Broker is none

	// generation ascends with each subscription to a pattern that begins. 0 means that
	// there was none, and costs nothing.
	generation atomic.Uint64

	mu   sync.RWMutex // guards what follows, and channel.pattern
	trie trie.Trie[*channel]
}

// pattern is what the channel of a pattern has besides its subscriptions.
type pattern struct {
	refs      int    // subscriptions that are in the trie
	beginning int    // of those, that are about to begin
	changed   uint64 // the newest generation that one of them has made
}

// add puts the pattern of a subscription that is about to begin into the trie. Then
// begun or remove is to be called.
func (t *patterns) add(ch *channel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ch.pattern.refs++; ch.pattern.refs == 1 {
		t.trie.Add(ch.name, ch)
	}
	ch.pattern.beginning++
}

// begun notes that a subscription has begun, with a generation.
func (t *patterns) begun(ch *channel, generation uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ch.pattern.beginning--
	ch.pattern.changed = max(ch.pattern.changed, generation)
}

// remove takes out what add has put in. The subscription has begun, or not.
func (t *patterns) remove(ch *channel, hasBegun bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !hasBegun {
		ch.pattern.beginning--
	}
	if ch.pattern.refs--; ch.pattern.refs == 0 {
		t.trie.Remove(ch.name, ch)
	}
}

// match returns the patterns that match a channel.
func (t *patterns) match(channel string) []*channel { return t.matchSince(channel, 0) }

// matchSince is match for patterns with subscriptions of a later generation.
func (t *patterns) matchSince(name string, generation uint64) []*channel {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.trie.Len() == 0 {
		return nil
	}
	var room [8]*channel
	matching := t.trie.Match(name, room[:0])
	var list []*channel
	for _, ch := range matching {
		if ch.pattern.beginning > 0 || ch.pattern.changed > generation {
			list = append(list, ch)
		}
	}
	return list
}

// hasMatch reports whether any pattern matches a channel. It does not allocate for a
// channel that few match.
func (t *patterns) hasMatch(name string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var room [8]*channel
	return t.trie.Len() > 0 && len(t.trie.Match(name, room[:0])) > 0
}
