package server

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/identity"
)

// catchingUp asks other nodes for all of something that they tell: those that have joined, and
// those of which something was missed. One goroutine asks, while there is somebody to ask.
type catchingUp struct {
	server *Server
	what   string
	ask    func(ctx context.Context, node string) error

	mu        sync.Mutex // guards what follows
	due       []string   // nodes, the next first
	isRunning bool
	isClosed  bool
	running   sync.WaitGroup
	ctx       context.Context
	cancel    context.CancelFunc
}

// catchAgainAfter is how long after a failure the same node is asked again.
const catchAgainAfter = time.Second

// catchUp has ask called for each other node whose telling has to be made up for. It is
// called one at a time, may wait, and is called again after an error as long as the node is there.
func (s *Server) catchUp(what string, ask func(ctx context.Context, node string) error) {
	c := &catchingUp{server: s, what: what, ask: ask}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	s.catching = append(s.catching, c)
	s.node.Watch(func(change cluster.Change) {
		switch {
		case change.Kind == cluster.Joined, change.Kind == cluster.Missed && change.Peer.ID != "":
			c.add(change.Peer.ID)
		case change.Kind == cluster.Missed:
			for _, p := range s.node.Peers() {
				c.add(p.ID)
			}
		}
	})
}

// add has a node asked.
func (c *catchingUp) add(node string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.due {
		if other == node {
			return
		}
	}
	if c.isClosed {
		return
	}
	c.due = append(c.due, node)
	if !c.isRunning {
		c.isRunning = true
		c.running.Go(c.loop)
	}
}

func (c *catchingUp) loop() {
	for {
		c.mu.Lock()
		if len(c.due) == 0 || c.isClosed {
			c.isRunning = false
			c.mu.Unlock()
			return
		}
		node := c.due[0]
		c.due = c.due[1:]
		c.mu.Unlock()
		if err := c.ask(c.ctx, node); err != nil {
			c.failed(node, err)
		}
	}
}

// failed has a node asked again that is still there, and understands what it is asked.
func (c *catchingUp) failed(node string, err error) {
	_, isThere := c.server.node.Peer(node)
	if !isThere || errors.Is(err, cluster.ErrUnknownKind) || c.ctx.Err() != nil {
		return
	}
	if errors.Is(err, cluster.ErrTooLong) || errors.Is(err, identity.ErrRevocationsFull) { // it would be the same again
		c.server.log.Error("what another node has told and this one has missed cannot be had, and is not asked for again", "what", c.what, "node", node, "error", err)
		return
	}
	c.server.log.Warn("another node did not say what this one has missed, and is asked again", "what", c.what, "node", node, "error", err)
	again := time.NewTimer(catchAgainAfter)
	defer again.Stop()
	select {
	case <-again.C:
		c.mu.Lock()
		c.due = append(c.due, node)
		c.mu.Unlock()
	case <-c.ctx.Done():
	}
}

// close ends it, and waits.
func (c *catchingUp) close() {
	c.mu.Lock()
	c.isClosed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
}
