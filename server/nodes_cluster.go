package server

import (
	"context"

	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/forward"
)

// clusterNeighbours are the other nodes as package cluster knows them.
type clusterNeighbours struct{ of *cluster.Node }

// Node implements neighbours.
func (c clusterNeighbours) Node(id string) (forward.Node, bool) {
	p, ok := c.of.Peer(id)
	if !ok || p.Address == "" {
		return forward.Node{}, false
	}
	return forward.Node{ID: p.ID, Address: p.Address, Token: p.Token}, true
}

// IDs implements neighbours.
func (c clusterNeighbours) IDs() (ids []string) {
	for _, p := range c.of.Peers() {
		if p.Address != "" {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Ask implements neighbours.
func (c clusterNeighbours) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	return c.of.Ask(ctx, node, kind, data)
}

// SetAddress implements neighbours.
func (c clusterNeighbours) SetAddress(address, token string) { c.of.SetAddress(address, token) }

// Handle implements neighbours.
func (c clusterNeighbours) Handle(kind string, f func(ctx context.Context, from string, data []byte) ([]byte, error)) {
	c.of.Handle(kind, f)
}

// WatchGone implements neighbours.
func (c clusterNeighbours) WatchGone(f func(id string)) {
	c.of.Watch(func(change cluster.Change) {
		if change.Kind == cluster.Died || change.Kind == cluster.Left {
			f(change.Peer.ID)
		}
	})
}
