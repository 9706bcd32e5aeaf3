package roster

import (
	"context"
	"strings"
	"sync"
	"time"
)

// counts are how many members channels have elsewhere, which are not kept.
type counts struct {
	mu sync.Mutex // guards what follows
	m  map[string]*count
}

// count is one of them. It is there while it is good, or being asked for.
type count struct {
	n       int
	isKnown bool
	waiting []func(int)
}

// Count implements hub.Neighbours.
func (r *Roster) Count(channel string, then func(elsewhere int)) {
	if len(r.node.Peers()) == 0 {
		then(0)
		return
	}
	r.counts.mu.Lock()
	c := r.counts.m[channel]
	if c != nil && c.isKnown {
		n := c.n
		r.counts.mu.Unlock()
		then(n)
		return
	}
	isNew := c == nil
	if isNew {
		channel = strings.Clone(channel)
		c = &count{}
		r.counts.m[channel] = c
	}
	c.waiting = append(c.waiting, then)
	r.counts.mu.Unlock()
	if !isNew {
		return
	}
	r.tasks.add(func(ctx context.Context) { r.count(ctx, channel, c) })
	// A sum that has no answer in time is as it would be without those that do not answer.
	r.plan.after(patience, func() { r.counted(channel, c, 0) })
}

// count asks the others.
func (r *Roster) count(ctx context.Context, channel string, c *count) {
	r.traffic.counted.Add(1)
	ctx, cancel := context.WithTimeout(ctx, patience-arriveFor)
	defer cancel()
	answers, err := r.node.AskAll(ctx, askCount, appendCountQuery(nil, channel))
	if err != nil {
		r.log.Debug("cannot ask other nodes for counts of members", "error", err)
	}
	sum := 0
	for _, a := range answers {
		if a.Err != nil {
			continue
		}
		n, err := parseCount(a.Data)
		if err != nil {
			r.log.Warn("a node has an answer that cannot be read", "node", a.Peer.ID, "error", err)
			continue
		}
		sum += n
	}
	r.counted(channel, c, sum)
}

// counted tells those who wait, once.
func (r *Roster) counted(channel string, c *count, n int) {
	r.counts.mu.Lock()
	isFirst := !c.isKnown
	waiting := c.waiting
	if isFirst {
		c.n, c.isKnown, c.waiting = n, true, nil
	}
	r.counts.mu.Unlock()
	if !isFirst {
		return
	}
	r.plan.after(countAge, func() {
		r.counts.mu.Lock()
		defer r.counts.mu.Unlock()
		if r.counts.m[channel] == c {
			delete(r.counts.m, channel)
		}
	})
	for _, then := range waiting {
		then(n)
	}
}

// giveCount answers another node that asks how many members a channel has here.
func (r *Roster) giveCount(_ context.Context, _ string, data []byte) ([]byte, error) {
	r.asked.Store(time.Now().UnixNano())
	channel, err := parseCountQuery(data)
	if err != nil {
		return nil, err
	}
	n, _ := r.mirror.OwnCount(channel)
	return appendCount(nil, n), nil
}
