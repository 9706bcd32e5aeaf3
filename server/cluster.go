package server

import (
	"context"
	"os"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/cluster"
)

// joinCluster makes this process a node of those that use the same broker, if it connects
// nodes. The hub has started the broker.
func (s *Server) joinCluster() (err error) {
	bus, ok := s.broker.(hub.BusBroker)
	if !ok {
		return nil
	}
	rates := &loadRates{server: s}
	s.node, err = cluster.Join(context.Background(), bus, &cluster.Options{
		Name: s.nodeName(), Version: ThisBuild().Version, State: cluster.StateStarting, Waits: true, Load: rates.load, Log: s.log,
		AsksMax: asksMax, HandlersMax: handlersMax, AskTimeout: s.askTimeout,
		Note: func() []byte { return s.roster.Load().Note() },
	})
	if err != nil {
		return err
	}
	s.users = s.newTally("users", s.leastOfUser, nil)
	s.callElsewhere()
	s.node.Watch(func(c cluster.Change) {
		switch c.Kind {
		case cluster.Joined:
			s.log.Info("another node has joined", "node", c.Peer.ID, "name", c.Peer.Name, "version", c.Peer.Version)
		case cluster.Left:
			s.log.Info("another node has left", "node", c.Peer.ID, "name", c.Peer.Name)
		case cluster.Died:
			s.log.Warn("another node is not heard any more", "node", c.Peer.ID, "name", c.Peer.Name, "silent", time.Since(c.Peer.Heard).Round(time.Millisecond).String())
		case cluster.Missed:
			s.log.Debug("messages of other nodes may have been lost, and are asked for", "node", c.Peer.ID)
		}
	})
	return nil
}

// A call of a method on another node is a question, and a handler, as long as it lasts.
const (
	asksMax     = 20_000
	handlersMax = 4096
)

// nodeName is what people call this node.
func (s *Server) nodeName() string {
	if name := s.config.Cluster.Name; name != "" {
		return name
	}
	name, err := os.Hostname()
	if err != nil {
		return "" // it has an ID
	}
	return name
}

// beginDraining notes that the server is going away, and tells the other nodes.
func (s *Server) beginDraining() {
	s.draining.Store(true)
	if s.node != nil {
		s.node.SetState(cluster.StateDraining)
	}
}

// leaveTimeout is how long a goodbye may take.
const leaveTimeout = 2 * time.Second

// leaveCluster says goodbye to the other nodes. The sessions of this one have ended.
func (s *Server) leaveCluster(ctx context.Context) {
	if s.node == nil {
		return
	}
	for _, t := range s.tallies {
		t.close()
	}
	for _, c := range s.catching {
		c.close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := s.node.Leave(ctx); err != nil {
		s.log.Warn("the other nodes may not know that this one has left; they notice it in a few seconds", "error", err)
	}
	if s.calling != nil {
		s.calling.close()
	}
	s.closeRoster()
}

// loadRates makes rates of what is counted.
type loadRates struct {
	server *Server

	mu     sync.Mutex // guards what follows
	at     time.Time
	counts [2]uint64
	rates  [2]float64
}

// ratesInterval is the shortest time from which a rate is made.
const ratesInterval = time.Second

// load is what other nodes are told of this one.
func (r *loadRates) load() cluster.Load {
	stats := r.server.hub.Stats()
	counts := [2]uint64{stats.Publications, stats.Deliveries}
	sessions := 0
	for _, n := range stats.Sessions {
		sessions += n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if took := now.Sub(r.at); r.at.IsZero() || took >= ratesInterval {
		for i := range counts {
			if !r.at.IsZero() {
				r.rates[i] = float64(counts[i]-r.counts[i]) / took.Seconds()
			}
		}
		r.at, r.counts = now, counts
	}
	return cluster.Load{
		Connections: r.server.front.counts().open, Sessions: sessions, Channels: stats.Channels,
		Publications: r.rates[0], Messages: r.rates[1],
	}
}
