package server

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub/cluster"
)

// ClusterReport is what GET /api/v1/cluster answers: the nodes that use the same broker, as
// one of them sees them.
type ClusterReport struct {
	Node   string        `json:"node"` // the ID of the node that answers, "" if it is alone
	Broker ClusterBroker `json:"broker"`
	Nodes  []ClusterNode `json:"nodes"`

	// Bridges are those of the configuration of the node that answers, and of others whose nodes have said
	// in time how they are, in the order of their names.
	Bridges []BridgeReport `json:"bridges,omitempty"`

	Bus ClusterTraffic `json:"bus"`
}

// ClusterBroker is the broker as a node sees it.
type ClusterBroker struct {
	Kind        string  `json:"kind"`                   // memory, disk, nats, redis
	State       string  `json:"state"`                  // up, away
	Reason      string  `json:"reason,omitempty"`       // why it is away
	AwaySeconds float64 `json:"away_seconds,omitempty"` // for how long
	LagSeconds  float64 `json:"lag_seconds"`            // to it and back
}

// ClusterNode is a node.
type ClusterNode struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Address      string       `json:"address,omitempty"` // where other nodes hand on requests
	Version      string       `json:"version"`
	Protocols    [2]int       `json:"protocols"` // of messages between nodes: spoken, and the oldest that is read
	State        string       `json:"state"`     // starting, serving, draining
	Self         bool         `json:"self,omitempty"`
	AgeSeconds   float64      `json:"age_seconds"`
	HeardSeconds float64      `json:"heard_seconds"` // how long ago it was heard
	LagSeconds   float64      `json:"lag_seconds"`   // from it to the broker and back
	Load         cluster.Load `json:"load"`
}

// ClusterTraffic counts the messages between nodes of the node that answers.
type ClusterTraffic struct {
	Sent       uint64 `json:"sent"`
	Received   uint64 `json:"received"`
	Malformed  uint64 `json:"malformed"`
	Unanswered uint64 `json:"unanswered"`
}

// cluster makes the report.
func (s *Server) cluster() any {
	r := &ClusterReport{Broker: ClusterBroker{Kind: s.brokerKind(), State: "up"}, Bridges: s.bridgeReports()}
	if lasts, err := s.away.lasts(); lasts > 0 {
		r.Broker.State, r.Broker.AwaySeconds, r.Broker.Reason = "away", seconds(lasts), err.Error()
	}
	if s.node == nil {
		rates := &loadRates{server: s}
		self := cluster.Peer{
			Name: s.nodeName(), Version: ThisBuild().Version, Newest: cluster.ProtocolNewest, Oldest: cluster.ProtocolOldest,
			State: cluster.StateServing, Load: rates.load(), Began: s.began, Heard: time.Now(),
		}
		if s.draining.Load() {
			self.State = cluster.StateDraining
		}
		r.Nodes = []ClusterNode{clusterNode(&self, true)}
		return r
	}
	stats, self := s.node.Stats(), s.node.Self()
	r.Node, r.Broker.LagSeconds = self.ID, seconds(stats.Lag)
	r.Bus = ClusterTraffic{Sent: stats.Sent, Received: stats.Received, Malformed: stats.Malformed, Unanswered: stats.Unanswered}
	if stats.IsDeaf && r.Broker.State == "up" {
		r.Broker.State, r.Broker.Reason = "away", "messages of this node do not come back from it"
	}
	r.Nodes = append(r.Nodes, clusterNode(&self, true))
	for _, p := range s.node.Peers() {
		r.Nodes = append(r.Nodes, clusterNode(&p, false))
	}
	slices.SortFunc(r.Nodes, func(a, b ClusterNode) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return r
}

func clusterNode(p *cluster.Peer, isSelf bool) ClusterNode {
	return ClusterNode{
		ID: p.ID, Name: p.Name, Address: p.Address, Version: p.Version, Protocols: [2]int{p.Newest, p.Oldest}, State: string(p.State),
		Self: isSelf, AgeSeconds: seconds(time.Since(p.Began)), HeardSeconds: seconds(time.Since(p.Heard)), LagSeconds: seconds(p.Lag), Load: p.Load,
	}
}

// seconds is a duration without more digits than mean something.
func seconds(d time.Duration) float64 { return d.Round(10 * time.Microsecond).Seconds() }

// brokerKind is what kind of broker there is.
func (s *Server) brokerKind() string {
	switch c := &s.config; {
	case c.Data != "":
		return "disk"
	case !c.Broker.IsOn():
		return "memory"
	}
	url, err := s.config.Broker.URL[0].Resolve()
	if err != nil {
		return "unknown"
	}
	switch scheme, _, _ := strings.Cut(string(url), "://"); scheme {
	case "nats", "tls":
		return "nats"
	default:
		return "redis"
	}
}
