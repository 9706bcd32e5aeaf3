package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/membroker"
)

// patience is how long something may take that happens at once.
const patience = time.Minute

// eventually asks until nothing is wrong any more.
func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		text := wrong()
		if text == "" {
			return
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("after %v: %s", patience, text)
		}
	}
}

// several are servers in this process that use one broker.
type several struct {
	t       *testing.T
	shared  *brokertest.Shared
	prepare func(*Server) // is called before anything was made
	all     []*running
}

// startSeveral starts n servers that know each other. configure may be nil.
func startSeveral(t *testing.T, n int, configure func(i int, c *Config)) *several {
	t.Helper()
	return startSeveralPrepared(t, n, configure, func(*Server) {})
}

// startSeveralPrepared is startSeveral of servers that prepare has had before anything was made.
func startSeveralPrepared(t *testing.T, n int, configure func(i int, c *Config), prepare func(*Server)) *several {
	t.Helper()
	below, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &several{t: t, shared: brokertest.NewShared(below), prepare: prepare}
	t.Cleanup(func() { _ = s.shared.Close() })
	for range n {
		s.add(configure)
	}
	s.settle(n)
	return s
}

// add starts another server.
func (s *several) add(configure func(i int, c *Config)) *running {
	s.t.Helper()
	var c Config
	c.Cluster.Name = fmt.Sprint("node", len(s.all))
	if configure != nil {
		configure(len(s.all), &c)
	}
	one := startPrepared(s.t, c, func(one *Server) {
		one.broker = s.shared.NewBroker()
		s.prepare(one)
	}, func(*Server) {})
	s.all = append(s.all, one)
	return one
}

// settle waits until each of n servers knows the others.
func (s *several) settle(n int) {
	s.t.Helper()
	for _, one := range s.all {
		s.await(one, func() bool {
			if len(one.node.Peers()) != n-1 {
				return false
			}
			for _, p := range one.node.Peers() {
				if p.State != cluster.StateServing {
					return false
				}
			}
			return true
		})
	}
}

// await waits until what others tell a server has made is true.
func (s *several) await(one *running, is func() bool) {
	s.t.Helper()
	changed := make(chan struct{}, 1)
	stop := one.node.Watch(func(cluster.Change) {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
	defer stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for !is() {
		select {
		case <-changed:
		case <-timeout.C:
			s.t.Fatalf("after %v it is not so; the nodes are %+v", patience, one.node.Peers())
		}
	}
}

func (r *running) nodes(t *testing.T) *ClusterReport {
	t.Helper()
	a := r.do(t, http.MethodGet, "/api/v1/cluster", "")
	var report ClusterReport
	if err := json.Unmarshal([]byte(a.body), &report); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %v", a.Status, a.body, err)
	}
	return &report
}

// TestCluster: nodes know each other, the API and the metrics say so, and a goodbye is one.
func TestCluster(t *testing.T) {
	s := startSeveral(t, 3, nil)
	for i, one := range s.all {
		r := one.nodes(t)
		if len(r.Nodes) != 3 || r.Node != one.node.ID() || r.Broker.State != "up" {
			t.Fatalf("node %d says %+v", i, r)
		}
		for j, n := range r.Nodes {
			if n.Name != fmt.Sprint("node", j) || n.Self != (i == j) || n.State != "serving" || n.ID != s.all[j].node.ID() || n.Protocols != [2]int{1, 1} || n.Version != ThisBuild().Version {
				t.Errorf("node %d says of %d: %+v", i, j, n)
			}
		}
	}
	if text := s.all[0].do(t, http.MethodGet, "/metrics", "").body; !strings.Contains(text, "\ngodwit_cluster_nodes 3\n") {
		t.Errorf("the metrics do not say that there are three nodes: %.200s", text[strings.Index(text, "godwit_cluster"):])
	}
	if err := s.all[1].stop(); err != nil {
		t.Error(err)
	}
	for _, i := range []int{0, 2} {
		one := s.all[i]
		s.await(one, func() bool { return strings.Contains(one.log.String(), "another node has left") })
		if log := one.log.String(); len(one.node.Peers()) != 1 || strings.Contains(log, "is not heard any more") {
			t.Errorf("node %d did not hear a goodbye: %s", i, log)
		}
	}
}

// TestClusterAlone: a server without a broker is one node.
func TestClusterAlone(t *testing.T) {
	s := start(t, Config{Cluster: Cluster{Name: ""}})
	r := s.nodes(t)
	if len(r.Nodes) != 1 || r.Node != "" || r.Broker.Kind != "memory" || r.Broker.State != "up" || !r.Nodes[0].Self || r.Nodes[0].State != "serving" {
		t.Errorf("%+v", r)
	}
}

// TestAway: since when a broker is away is known, and when that is too long.
func TestAway(t *testing.T) {
	var a away
	now := time.Now().Add(-time.Minute)
	if why := a.unready(time.Second); !strings.Contains(why, "not been reached yet") {
		t.Errorf("before it was reached: %q", why)
	}
	failed := brokertest.ErrCut
	for _, step := range []struct {
		after time.Duration
		err   error
		was   time.Duration
		began bool
	}{
		{0, failed, 0, true}, {time.Second, failed, 0, false}, {2 * time.Second, nil, 2 * time.Second, false},
		// A broker that has been reached is away when it has failed twice in a row, and has been since
		// the first time.
		{3 * time.Second, failed, 0, false}, {4 * time.Second, nil, 0, false}, {5 * time.Second, failed, 0, false}, {6 * time.Second, nil, 0, false},
		{7 * time.Second, failed, 0, false}, {8 * time.Second, failed, 0, true}, {9 * time.Second, failed, 0, false}, {10 * time.Second, nil, 3 * time.Second, false},
		{11 * time.Second, failed, 0, false}, {12 * time.Second, failed, 0, true},
	} {
		if was, began := a.note(now.Add(step.after), step.err); was != step.was || began != step.began {
			t.Errorf("after %v: %v, %v", step.after, was, began)
		}
		if lasts, err := a.lasts(); (lasts > 0) != (err != nil) || step.began && lasts == 0 || step.err == nil && lasts > 0 {
			t.Errorf("after %v it has been away for %v: %v", step.after, lasts, err)
		}
	}
	if lasts, err := a.lasts(); lasts < 45*time.Second || lasts > 59*time.Second || err != failed {
		t.Errorf("it lasts %v, %v", lasts, err)
	}
	if why := a.unready(45 * time.Second); !strings.Contains(why, "has been away for ") {
		t.Errorf("it is ready: %q", why)
	}
	if why := a.unready(time.Hour); why != "" {
		t.Errorf("it is not ready: %q", why)
	}
}
