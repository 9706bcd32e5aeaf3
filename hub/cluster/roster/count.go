package roster

import (
	"context"
	"strings"
	"sync"
	"time"
)

// counts are how many members channels have elsewhere, which are not kept.
type counts struct {
	mu       sync.Mutex // guards what follows
	m        map[string]*count
	wanted   []string // channels that no node was asked for yet
	isAsking bool
	isClosed bool
}

// count is one of them. It is there while it is good, or being asked for.
type count struct {
	n       int
	isKnown bool
	waiting []func(int)
}

// Count implements hub.Neighbours. Channels that are asked for while others are on their way
// go together.
func (r *Roster) Count(channel string, then func(elsewhere int)) {
	if len(r.node.Peers()) == 0 {
		then(0)
		return
	}
	s := &r.counts
	s.mu.Lock()
	c := s.m[channel]
	if s.isClosed || c != nil && c.isKnown {
		n := 0
		if c != nil {
			n = c.n
		}
		s.mu.Unlock()
		then(n)
		return
	}
	isAsked := true
	if c == nil {
		channel = strings.Clone(channel)
		c = &count{}
		s.m[channel] = c
		s.wanted = append(s.wanted, channel)
		isAsked, s.isAsking = s.isAsking, true
	}
	c.waiting = append(c.waiting, then)
	s.mu.Unlock()
	if !isAsked {
		r.tasks.add(r.count)
	}
}

// count asks the others for all that is wanted, until nothing is.
func (r *Roster) count(ctx context.Context) {
	for {
		r.counts.mu.Lock()
		n, bytes := 0, 0
		for n < len(r.counts.wanted) && bytes < pageBytes {
			bytes += len(r.counts.wanted[n]) + 2
			n++
		}
		channels := r.counts.wanted[:n:n]
		if r.counts.wanted = r.counts.wanted[n:]; n == 0 {
			r.counts.wanted, r.counts.isAsking = nil, false
		}
		r.counts.mu.Unlock()
		if n == 0 {
			return
		}
		for i, sum := range r.sums(ctx, channels) {
			r.counted(channels[i], sum)
		}
	}
}

// sums are the members that channels have on all other nodes that answer.
func (r *Roster) sums(ctx context.Context, channels []string) []int {
	r.traffic.counted.Add(1)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sums := make([]int, len(channels))
	answers, err := r.node.AskAll(ctx, askCount, appendCountQuery(nil, channels))
	if err != nil {
		r.log.Debug("cannot ask other nodes for counts of members", "error", err)
	}
	for _, a := range answers {
		if a.Err != nil {
			r.log.Debug("a node has not said how many members it has", "node", a.Peer.ID, "error", a.Err)
			continue
		}
		counts, err := parseCounts(a.Data)
		if err != nil || len(counts) != len(channels) {
			r.log.Warn("a node has an answer that cannot be read", "node", a.Peer.ID, "error", err)
			continue
		}
		for i, n := range counts {
			sums[i] += n
		}
	}
	return sums
}

// counted tells the waiting callers.
func (r *Roster) counted(channel string, n int) {
	s := &r.counts
	s.mu.Lock()
	c := s.m[channel]
	waiting := c.waiting
	c.n, c.isKnown, c.waiting = n, true, nil
	s.mu.Unlock()
	r.plan.after(countAge, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.m, channel)
	})
	for _, then := range waiting {
		then(n)
	}
}

// giveCount answers another node that asks how many members channels have here.
func (r *Roster) giveCount(_ context.Context, _ string, data []byte) ([]byte, error) {
	r.asked.Store(time.Now().UnixNano())
	channels, err := parseCountQuery(data)
	if err != nil {
		return nil, err
	}
	counts := make([]int, len(channels))
	for i, channel := range channels {
		counts[i], _ = r.mirror.OwnCount(channel)
	}
	return appendCounts(nil, counts), nil
}

// end ends all waiting: no count is known.
func (s *counts) end() {
	s.mu.Lock()
	s.isClosed = true
	var waiting []func(int)
	for _, c := range s.m {
		waiting = append(waiting, c.waiting...)
		c.waiting, c.isKnown = nil, true
	}
	s.mu.Unlock()
	for _, then := range waiting {
		then(0)
	}
}
