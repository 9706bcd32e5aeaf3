package redisbroker

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// patterns are those that are listened to. A server sends the publications of every
// channel to a node that has a pattern, and which channels match is found out here.
type patterns struct {
	generation atomic.Uint64 // ascends when a pattern comes or goes
	losing     atomic.Bool

	mu     sync.RWMutex        // guards what follows; taken after the lock of a shard
	wanted map[string]struct{} // also those that Redis has not confirmed yet
	by     map[string][]found  // by their first segment, "" for those with a wildcard there
	n      int
}

type found struct {
	text    string
	pattern access.Pattern
}

// verdict is whether a pattern matches a channel, as of a generation.
type verdict struct {
	is bool
	of uint64
}

// match looks for a pattern that matches.
func (p *patterns) match(channel string) verdict {
	v := verdict{of: p.generation.Load()}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.n == 0 {
		return v
	}
	first, _, _ := strings.Cut(channel, "/")
	for _, list := range [][]found{p.by[first], p.by[""]} {
		for i := range list {
			if list[i].pattern.Matches(channel, "") {
				v.is = true
				return v
			}
		}
	}
	return v
}

func firstSegment(pattern string) string {
	first, _, _ := strings.Cut(pattern, "/")
	if strings.Contains(first, "*") {
		return ""
	}
	return first
}

// add makes a pattern match; mu is held.
func (p *patterns) add(text string, pattern access.Pattern) {
	first := firstSegment(text)
	for _, f := range p.by[first] {
		if f.text == text {
			return
		}
	}
	if p.by == nil {
		p.by = make(map[string][]found)
	}
	p.by[first] = append(p.by[first], found{text, pattern})
	p.n++
	p.generation.Add(1)
}

// remove ends that; mu is held.
func (p *patterns) remove(text string) {
	first := firstSegment(text)
	list := p.by[first]
	for i := range list {
		if list[i].text != text {
			continue
		}
		left := append(append([]found(nil), list[:i]...), list[i+1:]...)
		if p.by[first] = left; len(left) == 0 {
			delete(p.by, first)
		}
		p.n--
		p.generation.Add(1)
		return
	}
}

// lose says that publications of channels of patterns may be lost, once for several
// calls in a row.
func (p *patterns) lose(b *Broker) {
	p.mu.RLock()
	n := p.n
	p.mu.RUnlock()
	if n == 0 || p.losing.Swap(true) {
		return
	}
	b.task(func() {
		if b.wait(b.ctx, retryMin) {
			p.losing.Store(false)
			b.receiver.Lost("")
		}
	})
}

// ListenPattern implements hub.PatternBroker. It waits for Redis as long as ctx lasts.
func (b *Broker) ListenPattern(ctx context.Context, text string) error {
	be, err := b.awaitBackend(ctx)
	if err != nil {
		return err
	}
	pattern, err := access.ParsePattern(text)
	if err != nil {
		return err
	}
	text = strings.Clone(text) // it may be a part of a long request
	p := &b.patterns
	p.mu.Lock()
	if p.wanted == nil {
		p.wanted = make(map[string]struct{})
	}
	p.wanted[text] = struct{}{}
	done := be.wantAll(b, true)
	p.mu.Unlock()
	for _, d := range done {
		select {
		case <-d:
		case <-ctx.Done():
			return b.lateError(ctx)
		case <-b.ctx.Done():
			return hub.ErrClosed
		}
	}
	// Only now, so that what was published before is not heard.
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.wanted[text]; ok {
		p.add(text, pattern)
	}
	return b.checkOpen()
}

// MutePattern implements hub.PatternBroker. It does not wait for Redis.
func (b *Broker) MutePattern(_ context.Context, text string) error {
	if err := b.checkOpen(); err != nil {
		return err
	}
	be := b.backend.Load()
	if be == nil {
		return nil // nothing was listened to
	}
	p := &b.patterns
	p.mu.Lock()
	if _, ok := p.wanted[text]; ok {
		delete(p.wanted, text)
		p.remove(text)
		if len(p.wanted) == 0 {
			be.wantAll(b, false)
		}
	}
	p.mu.Unlock()
	b.deliveries.forgetUnmatched()
	return nil
}

// wantAll says whether all channels are wanted. What it returns is closed when they are heard:
// one for each server's part of them.
func (be *backend) wantAll(b *Broker, wanted bool) (done []chan struct{}) {
	ask := func(part *partition, name string, isPattern bool) {
		var d chan struct{}
		if wanted {
			d = make(chan struct{})
			done = append(done, d)
		}
		be.want(part, name, wanted, func(t *topic) {
			if !t.isAll { // it is new
				t.isAll, t.isPattern = true, isPattern
			}
		}, d)
	}
	if !be.isCluster {
		// A cluster has no patterns for topics of one slot.
		names := b.place.names()
		ask(be.parts[0], names.topic+"{*}:c:*", true)
		return done
	}
	for _, part := range be.parts {
		ask(part, part.all, false)
	}
	return done
}
