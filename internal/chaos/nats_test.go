//go:build linux

package chaos

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/natstest"
)

// natsMember is a nats-server as a victim.
type natsMember struct{ *natstest.Server }

func (m natsMember) Start(context.Context) error {
	if m.PID() != 0 {
		return nil
	}
	return m.Server.Start()
}

// startNATS starts three nats-servers that are one, and three nodes that use them.
func startNATS(t *testing.T) (nodes []*clustertest.Node, members []victim) {
	t.Helper()
	natstest.Require(t)
	broker := natstest.StartCluster(t, 3)
	for _, s := range broker.Servers {
		members = append(members, natsMember{s})
		t.Cleanup(func() {
			if t.Failed() {
				lines := strings.Split(strings.TrimSpace(s.Log()), "\n")
				t.Logf("%s logged last:\n%s", s.Name(), strings.Join(lines[max(len(lines)-15, 0):], "\n"))
			}
		})
	}
	c := clustertest.Start(t, clustertest.Options{Nodes: 3, Settings: settings + fmt.Sprintf("broker: {url: [%q, %q, %q]}\n", broker.URLs()[0], broker.URLs()[1], broker.URLs()[2])})
	return c.Nodes, members
}

// Three nodes and three nats-servers, of which any are killed and stopped again and again: everybody is
// given everything that was acknowledged once and in order, or is told of a gap.
func TestChaosNATS(t *testing.T) {
	p := planFor(t, 12*time.Second)
	nodes, members := startNATS(t)
	if v := run(t, p, nodes, byFate(members, "a nats-server", 1)); v != nil {
		enough(t, p, v.Acknowledged)
	}
}

// Three nodes are replaced one after another under load, by an end and a new start and by
// serve --upgrade: nobody is told of a gap.
func TestRollNATS(t *testing.T) {
	p := planFor(t, 3*time.Second)
	p.anyhow, p.whole = false, true
	nodes, _ := startNATS(t)
	withoutGaps(t, run(t, p, nodes, rolling("SIGTERM", "upgrade")), 200)
}
