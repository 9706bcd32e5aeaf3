package server

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/forward"
)

// clusterNeighbours are the other nodes as package cluster knows them. Until this one has
// joined them there are none.
type clusterNeighbours struct {
	node atomic.Pointer[cluster.Node]

	mu      sync.Mutex // guards what follows
	waiting []func(*cluster.Node)
}

// join says that this node has joined the others.
func (c *clusterNeighbours) join(n *cluster.Node) {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting = nil
	c.node.Store(n)
	c.mu.Unlock()
	for _, f := range waiting {
		f(n)
	}
}

// whenJoined calls f once this node has joined.
func (c *clusterNeighbours) whenJoined(f func(*cluster.Node)) {
	c.mu.Lock()
	n := c.node.Load()
	if n == nil {
		c.waiting = append(c.waiting, f)
	}
	c.mu.Unlock()
	if n != nil {
		f(n)
	}
}

// Node implements neighbours.
func (c *clusterNeighbours) Node(id string) (forward.Node, bool) {
	n := c.node.Load()
	if n == nil {
		return forward.Node{}, false
	}
	p, ok := n.Peer(id)
	if !ok || p.Address == "" {
		return forward.Node{}, false
	}
	return forward.Node{ID: p.ID, Address: p.Address, Token: p.Token}, true
}

// IDs implements neighbours.
func (c *clusterNeighbours) IDs() (ids []string) {
	if n := c.node.Load(); n != nil {
		for _, p := range n.Peers() {
			if p.Address != "" {
				ids = append(ids, p.ID)
			}
		}
	}
	return ids
}

// Ask implements neighbours.
func (c *clusterNeighbours) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	n := c.node.Load()
	if n == nil {
		return nil, cluster.ErrUnknownNode
	}
	return n.Ask(ctx, node, kind, data)
}

// Handle implements neighbours.
func (c *clusterNeighbours) Handle(kind string, f func(ctx context.Context, from string, data []byte) ([]byte, error)) {
	c.whenJoined(func(n *cluster.Node) { n.Handle(kind, f) })
}

// SetAddress implements neighbours.
func (c *clusterNeighbours) SetAddress(address, token string) {
	c.whenJoined(func(n *cluster.Node) { n.SetAddress(address, token) })
}

// WatchGone implements neighbours.
func (c *clusterNeighbours) WatchGone(f func(id string)) {
	c.whenJoined(func(n *cluster.Node) {
		n.Watch(func(change cluster.Change) {
			if change.Kind == cluster.Died || change.Kind == cluster.Left {
				f(change.Peer.ID)
			}
		})
	})
}
