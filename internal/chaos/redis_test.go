//go:build linux

package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/redistest"
)

// redisMember is a redis-server as a victim.
type redisMember struct {
	*redistest.Server
	name string
}

func (m redisMember) Name() string { return m.name }

func (m redisMember) Start(context.Context) error {
	if m.PID() != 0 {
		return nil
	}
	return m.Server.Start()
}

// startRedis starts a master, its replica and a sentinel, as start does it, and three nodes that use them.
func startRedis(t *testing.T, start func(testing.TB, ...string) *redistest.Replicated) (nodes []*clustertest.Node, members []victim) {
	t.Helper()
	redistest.Require(t)
	broker := start(t)
	for i, s := range broker.Servers {
		members = append(members, redisMember{s, fmt.Sprint("redis-", i+1)})
	}
	c := clustertest.Start(t, clustertest.Options{Nodes: 3, Settings: settings + fmt.Sprintf("broker: {url: [%q]}\n", broker.URL())})
	return c.Nodes, members
}

// ageEpochs makes epochs older than they are: of a client that has begun within seconds of an epoch it is not known, as
// clocks may differ, whether it was there before.
func ageEpochs(t *testing.T, members []victim) {
	t.Helper()
	members[0].(redisMember).Must(t, "EVAL", `
for _, key in ipairs(redis.call('KEYS', 'g1:*:e')) do
  local epoch, began, replid = string.match(redis.call('GET', key), '(%S+) (%d+) (%S+)')
  redis.call('SET', key, string.format('%s %.0f %s', epoch, began - 60000, replid))
end
return 'aged'`, "0")
}

// Three nodes, a Redis master and its replica under a sentinel, of which any are killed and stopped again
// and again: everybody is given everything that was acknowledged once and in order, or is told of
// a gap.
func TestChaosRedis(t *testing.T) {
	p := planFor(t, 12*time.Second)
	nodes, members := startRedis(t, redistest.StartReplicated)
	if v := run(t, p, nodes, byFate(members, "a redis-server", 1)); v != nil {
		enough(t, p, v.Acknowledged)
	}
}

// Three nodes are replaced one after another under load, by an end and a new start and by
// serve --upgrade: nobody is told of a gap.
func TestRollRedis(t *testing.T) {
	p := planFor(t, 3*time.Second)
	p.anyhow, p.whole = false, true
	nodes, members := startRedis(t, redistest.StartReplicatedForGood) // another master would be another epoch, and a gap
	ageEpochs(t, members)
	withoutGaps(t, run(t, p, nodes, rolling("SIGTERM", "upgrade")), 200)
}
