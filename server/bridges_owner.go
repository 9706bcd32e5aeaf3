package server

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/server/bridge"
)

// bridgeOwner says which of several nodes has a bridge: the one that has it keeps it as long as it serves, and else it is the
// first of those that could in an order that all of them draw alike. A node that does not hear itself has none: before the
// others can take it for dead, it has ended its bridges.
type bridgeOwner struct {
	node  *cluster.Node
	knows *tally // of nodes that are configured to have a bridge
	runs  *tally // of nodes that have it
}

var _ bridge.Owner = (*bridgeOwner)(nil)

// newBridgeOwner begins to tell the other nodes of bridges.
func (s *Server) newBridgeOwner() *bridgeOwner {
	always := func(int) int { return 1 }
	look := func(string) { s.bridges.Look() }
	return &bridgeOwner{node: s.node, knows: s.newTally("bridges", always, look), runs: s.newTally("bridges/run", always, look)}
}

// Knows implements bridge.Owner.
func (o *bridgeOwner) Knows(name string, does bool) { o.knows.add(name, one(does)) }

// Runs implements bridge.Owner.
func (o *bridgeOwner) Runs(name string, does bool) { o.runs.add(name, one(does)) }

func one(does bool) int {
	if does {
		return 1
	}
	return -1
}

// IsOurs implements bridge.Owner.
func (o *bridgeOwner) IsOurs(name string) bool {
	if o.node.Stats().IsDeaf {
		return false
	}
	select {
	case <-o.node.Joined():
	default:
		return false
	}
	self := o.node.ID()
	rivals := o.runs.nodesWith(name)
	switch runs := o.runs.has(name); {
	case runs && len(rivals) == 0:
		return true
	case runs: // both have begun, knowing nothing of each other
		return firstOf(name, append(rivals, self)) == self
	case len(rivals) > 0:
		return false
	}
	peers := o.node.Peers()
	if o.knows.isBehind(peers) || o.runs.isBehind(peers) {
		return false // one of them may have it
	}
	candidates := []string{self}
	for _, id := range o.knows.nodesWith(name) {
		if p, ok := o.node.Peer(id); ok && p.State == cluster.StateServing {
			candidates = append(candidates, id)
		}
	}
	return firstOf(name, candidates) == self
}

// firstOf is the first of nodes in an order that is another one for each bridge.
func firstOf(bridge string, nodes []string) string {
	return slices.MaxFunc(nodes, func(a, b string) int {
		left, right := rank(bridge, a), rank(bridge, b)
		switch {
		case left < right:
			return -1
		case left > right:
			return 1
		}
		return 0
	})
}

func rank(bridge, node string) uint64 {
	sum := sha256.Sum256([]byte(bridge + "\x00" + node))
	return binary.BigEndian.Uint64(sum[:])
}
