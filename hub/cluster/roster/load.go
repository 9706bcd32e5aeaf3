package roster

import (
	"context"
	"errors"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Pauses before a node, or the broker, is asked again that has not answered.
const (
	retryFirst = time.Second
	retryLast  = 30 * time.Second

	hearTimeout = 10 * time.Second
	pageTimeout = 5 * time.Second
	loadTries   = 3 // of lists that are not there any more when the next page is asked for
)

func retryAfter(tries int) time.Duration {
	return min(retryFirst<<min(tries-1, 10), retryLast)
}

// load hears the channel's topic and asks every node that was not asked yet.
func (c *channel) load(ctx context.Context) {
	if !c.hear(ctx) {
		return
	}
	nodes := c.r.node.Peers()
	c.mu.Lock()
	if c.isGone {
		c.mu.Unlock()
		return
	}
	asked := make(map[string]*source)
	for i := range nodes {
		node := nodes[i].ID
		s := c.sources[node]
		if s == nil {
			s = &source{node: node}
			c.sources[node] = s
		}
		if s.state == isUnknown {
			s.begin()
			asked[node] = s
		}
	}
	c.releaseIfComplete()
	c.mu.Unlock()
	if len(asked) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answers, err := c.r.node.AskAll(limited, askPage, appendPageQuery(nil, &pageQuery{channel: c.name}))
	for _, a := range answers {
		s := asked[a.Peer.ID]
		if s == nil {
			continue
		}
		delete(asked, a.Peer.ID)
		if a.Err == nil {
			first, bad := parsePage(a.Data)
			if a.Err = bad; bad == nil {
				c.r.tasks.add(func(ctx context.Context) { c.loadFrom(ctx, s, &first) })
				continue
			}
		}
		c.fail(s, a.Err)
	}
	for _, s := range asked {
		c.fail(s, errors.Join(err, errors.New("it was not asked")))
	}
}

// hear hears the topic, if it does not yet. It returns false if that cannot be done now: it
// is tried again.
func (c *channel) hear(ctx context.Context) bool {
	c.mu.Lock()
	isDone, isGone := c.stop != nil, c.isGone
	c.mu.Unlock()
	if isDone || isGone {
		return isDone
	}
	limited, cancel := context.WithTimeout(ctx, hearTimeout)
	defer cancel()
	stop, err := c.r.node.Subscribe(limited, topicOf(c.name), c)
	c.mu.Lock()
	isGone = c.isGone
	isSpare := err == nil && (isGone || c.stop != nil) // it is not needed, or another load was quicker
	switch {
	case isGone || isSpare:
	case err == nil:
		c.stop, c.retries = stop, 0
	default:
		c.retries++
		c.r.log.Debug("cannot hear who is in a channel elsewhere", "channel", c.name, "error", err)
		c.r.plan.after(retryAfter(c.retries), func() { c.r.tasks.add(c.load) })
	}
	c.mu.Unlock()
	if isSpare {
		stop()
	}
	return err == nil && !isGone
}

// begin has what comes from now on wait until all is known.
func (s *source) begin() {
	s.state, s.pending, s.bytes, s.isOver = isLoading, nil, 0, false
}

// reload asks a node for all members that it has; mu is held.
func (c *channel) reload(s *source) {
	s.begin()
	c.r.tasks.add(func(ctx context.Context) { c.loadFrom(ctx, s, nil) })
}

// loadFrom reads all members that a node has. first is the first page, nil if that was
// not read.
func (c *channel) loadFrom(ctx context.Context, s *source, first *page) {
	var members []hub.Member
	var err error
	for range loadTries {
		if members, err = c.readPages(ctx, s.node, &first); err == nil {
			break
		}
		first = nil
	}
	if err != nil {
		c.fail(s, err)
		return
	}
	c.r.traffic.loaded.Add(1)
	c.r.uncheck(s.node, first.asOf)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || c.sources[s.node] != s {
		return // the node has gone meanwhile
	}
	c.r.mirror.Replace(s.node, c.name, members)
	s.state, s.tries = isKnown, 0
	s.number, s.seen = first.number, max(first.number, first.asOf)
	pending := s.pending
	s.pending, s.bytes = nil, 0
	if s.isOver {
		c.reload(s)
		return
	}
	for i := range pending {
		if !c.apply(s, &pending[i]) {
			c.r.traffic.missed.Add(1)
			c.reload(s)
			s.pending = pending[i:]
			return
		}
	}
	c.releaseIfComplete()
}

// readPages reads the pages of one list, of which *first is the first one, once it was
// read.
func (c *channel) readPages(ctx context.Context, node string, first **page) (members []hub.Member, err error) {
	if *first == nil {
		p, err := c.readPage(ctx, node, &pageQuery{channel: c.name})
		if err != nil {
			return nil, err
		}
		*first = &p
	}
	members = (*first).members
	for n := uint64(1); n < (*first).pages; n++ {
		p, err := c.readPage(ctx, node, &pageQuery{channel: c.name, list: (*first).list, page: n})
		if err != nil {
			return nil, err
		}
		members = append(members, p.members...)
	}
	return members, nil
}

func (c *channel) readPage(ctx context.Context, node string, q *pageQuery) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	data, err := c.r.node.Ask(ctx, node, askPage, appendPageQuery(nil, q))
	if err != nil {
		return page{}, err
	}
	return parsePage(data)
}

// fail notes that a node was asked in vain, and plans to ask it again.
func (c *channel) fail(s *source, err error) {
	isAlive := c.r.isAlive(s.node)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone || c.sources[s.node] != s {
		return
	}
	if !isAlive {
		delete(c.sources, s.node)
		c.r.mirror.Replace(s.node, c.name, nil)
		c.releaseIfComplete()
		return
	}
	s.state, s.pending, s.bytes = isUnknown, nil, 0
	s.tries++
	c.r.log.Debug("a node has not said who is in a channel", "channel", c.name, "node", s.node, "error", err)
	c.r.plan.after(retryAfter(s.tries), func() { c.retry(s) })
	c.releaseIfComplete()
}

func (c *channel) retry(s *source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isGone && c.sources[s.node] == s && s.state == isUnknown {
		c.reload(s)
	}
}
