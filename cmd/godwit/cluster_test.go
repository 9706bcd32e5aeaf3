package main

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/server"
)

// TestClusterIsPrinted: a line for each node, and nothing that a terminal would obey.
func TestClusterIsPrinted(t *testing.T) {
	r := &server.ClusterReport{
		Node: "ABCDEFGH23", Broker: server.ClusterBroker{Kind: "redis", State: "up", LagSeconds: .00042},
		Nodes: []server.ClusterNode{
			{ID: "ABCDEFGH23", Name: "one", Address: "10.0.0.1:7001", Version: "1.2.0", State: "serving", Self: true, AgeSeconds: 3*86400 + 4*3600, LagSeconds: .00042,
				Load: cluster.Load{Connections: 12000, Sessions: 11000, Channels: 900, Publications: 1234.5, Messages: 98765.4}},
			{ID: "ZZZZZZZZ22", Name: "two\x1b[31m", Version: "1.1.9", State: "draining", AgeSeconds: 130, HeardSeconds: 5, LagSeconds: 1.5},
			{ID: "Q2", Version: "1.2.0", State: "starting", AgeSeconds: 120},
		},
	}
	r.Bridges = []server.BridgeReport{
		{Name: "eth", Node: "ABCDEFGH23", State: "live", StateSeconds: 3725, SilenceSeconds: 4.2, LagSeconds: .0006, Connections: 3, Gaps: 6, Channels: 2, Messages: map[string]uint64{"published": 12345, "lost": 2}},
		{Name: "prices", Node: "Q2", State: "away", StateSeconds: 12, SilenceSeconds: 14, Problem: "connection refused\x1b[2J"},
	}
	var b strings.Builder
	if err := printCluster(&b, r); err != nil {
		t.Fatal(err)
	}
	r.Bridges = nil
	r.Broker = server.ClusterBroker{Kind: "nats", State: "away", Reason: "connection refused", AwaySeconds: 12.3}
	r.Nodes = r.Nodes[:1]
	b.WriteString("\n")
	if err := printCluster(&b, r); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/cluster.txt", b.String())
}

// TestCluster asks a server, which is alone.
func TestCluster(t *testing.T) {
	t.Parallel()
	_, url := serve(t)
	r := do(t, "", "cluster", "--server", url)
	if lines := strings.Split(r.out, "\n"); r.code != 0 || lines[0] != "broker memory: up, and no other nodes" || len(lines) != 5 || !strings.Contains(lines[3], " *  -  ") || !strings.Contains(lines[3], "  serving  ") {
		t.Errorf("%d: %q, %q", r.code, r.out, r.errOut)
	}
	if r := do(t, "", "cluster", "--server", url, "--json"); r.code != 0 || !strings.Contains(r.out, `"broker":{"kind":"memory","state":"up"`) {
		t.Errorf("%d: %q, %q", r.code, r.out, r.errOut)
	}
	if r := do(t, "", "cluster", "--server", "http://127.0.0.1:1"); r.code == 0 || r.out != "" {
		t.Errorf("of a server that is not there: %d: %q", r.code, r.out)
	}
}
