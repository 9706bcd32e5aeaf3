package membroker

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/hub/internal/trie"
)

// patterns are the patterns that are listened to. A channel remembers whether one matches
// it, until another pattern comes or goes: so a publication does not cost more with
// patterns.
type patterns struct {
	generation atomic.Uint64 // ascends when a pattern comes or goes; 0 if there was none

	mu   sync.RWMutex // taken after that of a shard; guards what follows
	set  map[string]struct{}
	trie trie.Trie[struct{}]
}

// clear removes all patterns.
func (p *patterns) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.set, p.trie = nil, trie.Trie[struct{}]{}
	p.generation.Add(1)
}

// match reports whether a pattern matches a channel.
func (p *patterns) match(name string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var room [8]struct{}
	return p.trie.Len() > 0 && len(p.trie.Match(name, room[:0])) > 0
}

// isMatched reports whether a pattern matches c; the lock of its shard is held.
func (b *Broker) isMatched(c *channel) bool {
	generation := b.patterns.generation.Load()
	if c.verdictOf != generation {
		c.isMatched = b.patterns.match(c.name)
		c.verdictOf = generation
	}
	return c.isMatched
}

// ListenPattern implements hub.PatternBroker. It holds no state for the channels that
// the pattern matches.
func (b *Broker) ListenPattern(ctx context.Context, pattern string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := &b.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := b.checkOpen(); err != nil { // with the lock, see Snapshot.Freeze
		return err
	}
	p.add(pattern)
	return nil
}

// add adds a pattern; p.mu is held.
func (p *patterns) add(pattern string) {
	if _, ok := p.set[pattern]; ok {
		return
	}
	if p.set == nil {
		p.set = make(map[string]struct{})
	}
	pattern = strings.Clone(pattern) // it may be a part of a long request
	p.set[pattern] = struct{}{}
	p.trie.Add(pattern, struct{}{})
	p.generation.Add(1)
}

// MutePattern implements hub.PatternBroker.
func (b *Broker) MutePattern(_ context.Context, pattern string) error {
	p := &b.patterns
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := b.checkOpen(); err != nil {
		return err
	}
	if _, ok := p.set[pattern]; !ok {
		return nil
	}
	delete(p.set, pattern)
	p.trie.Remove(pattern, struct{}{})
	p.generation.Add(1)
	return nil
}

// ListenedPatterns returns the patterns that are listened to, in no order: after Restore
// also those of the other broker. The slice is the caller's.
func (b *Broker) ListenedPatterns() []string {
	p := &b.patterns
	p.mu.RLock()
	defer p.mu.RUnlock()
	list := make([]string, 0, len(p.set))
	for pattern := range p.set {
		list = append(list, pattern)
	}
	return list
}
