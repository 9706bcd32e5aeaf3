package server

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/server/bridge/feed"
)

// BridgeReport is how a bridge is at the node that has it.
type BridgeReport struct {
	Name           string            `json:"name"`
	Node           string            `json:"node"`               // the ID of the one that has it, "" if none says so, or if there is one node
	State          string            `json:"state"`              // elsewhere, connecting, subscribing, live, away
	StateSeconds   float64           `json:"state_seconds"`      // for how long
	Problem        string            `json:"problem,omitempty"`  // why it is not live
	SilenceSeconds float64           `json:"silence_seconds"`    // since the upstream has sent something
	LagSeconds     float64           `json:"lag_seconds"`        // for how long the oldest publication waits for the broker
	Connections    uint64            `json:"connections"`        // that the node has made
	Gaps           uint64            `json:"gaps"`               // that were announced
	Channels       int               `json:"channels"`           // that it has published in lately
	Messages       map[string]uint64 `json:"messages,omitempty"` // by what became of them
}

// askBridges is what a node is asked about its bridges.
const askBridges = "bridges"

// bridgesAskTimeout is how long another node may take to say how its bridges are.
const bridgesAskTimeout = 2 * time.Second

// ownBridges are the bridges as this node has them.
func (s *Server) ownBridges() (reports []BridgeReport) {
	now := time.Now()
	for _, r := range s.bridges.Reports() {
		b := BridgeReport{
			Name: r.Name, State: string(r.State), Problem: r.Problem, SilenceSeconds: seconds(silence(&r)), LagSeconds: seconds(r.Lag),
			Connections: r.Connections, Gaps: r.Gaps, Channels: r.Channels,
		}
		if r.IsHere {
			b.Node, b.StateSeconds = s.nodeID(), seconds(now.Sub(r.Since))
		}
		for _, o := range feed.Outcomes() {
			if n := r.Messages[o]; n > 0 {
				if b.Messages == nil {
					b.Messages = make(map[string]uint64)
				}
				b.Messages[o.String()] = n
			}
		}
		reports = append(reports, b)
	}
	return reports
}

// bridgeReports are the bridges of all nodes, each from the node that has it.
func (s *Server) bridgeReports() []BridgeReport {
	all := s.ownBridges()
	if s.node != nil {
		var mu sync.Mutex // guards all
		var asking sync.WaitGroup
		ctx, cancel := context.WithTimeout(context.Background(), bridgesAskTimeout)
		defer cancel()
		for _, p := range s.node.Peers() {
			asking.Go(func() {
				answer, err := s.node.Ask(ctx, p.ID, askBridges, nil)
				var theirs []BridgeReport
				if err != nil || json.Unmarshal(answer, &theirs) != nil {
					return // it is older, or on its way out
				}
				mu.Lock()
				defer mu.Unlock()
				all = append(all, theirs...)
			})
		}
		asking.Wait()
	}
	slices.SortStableFunc(all, func(a, b BridgeReport) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(elsewhere(&a), elsewhere(&b)), strings.Compare(a.Node, b.Node))
	})
	// Nodes that only say that it is elsewhere say nothing new. Two that have it both stay: that is to be seen.
	name := ""
	return slices.DeleteFunc(all, func(r BridgeReport) bool {
		isFirst := r.Name != name
		name = r.Name
		return !isFirst && elsewhere(&r) == 1
	})
}

// elsewhere is 1 for a report of a node that does not have the bridge.
func elsewhere(r *BridgeReport) int {
	if r.State == string(bridge.Elsewhere) {
		return 1
	}
	return 0
}
