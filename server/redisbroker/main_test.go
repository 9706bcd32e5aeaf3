package redisbroker

import (
	"flag"
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/internal/redistest"
)

// The client library leaves goroutines alone that sleep for a second before they look at a
// cluster again, or for five before they close connections to servers that were renamed.
func TestMain(m *testing.M) {
	// Parallel tests here wait for servers to form a cluster, and for connections to be made again.
	// The command line, which is read later, has the last word.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"))
}

// newBroker is a Broker at these servers that was not started.
func newBroker(t testing.TB, urls ...string) *Broker {
	t.Helper()
	b, err := New(&Options{URL: urls, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reachedBroker is a Broker whose Start waits until Redis was reached. Others refuse everything
// after a second, and a busy machine may take longer.
type reachedBroker struct {
	*Broker
	t *testing.T
}

func (b reachedBroker) Start(r hub.Receiver) error {
	if err := b.Broker.Start(r); err != nil {
		return err
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-b.reached:
	case <-limit.C:
		b.t.Errorf("Redis was not reached in %v: %v", patience, b.health.last())
	}
	return nil
}

// suite runs brokertest on servers that every test has for itself: it empties them.
func suite(t *testing.T, urls []string, servers []*redistest.Server) {
	brokertest.Suite{
		External: true,
		KeyAge:   true,
		New: func(t *testing.T) hub.Broker {
			for _, s := range servers {
				s.Must(t, "FLUSHALL")
			}
			return reachedBroker{newBroker(t, urls...), t}
		},
		Disconnect: func(hub.Broker) {
			for _, s := range servers {
				_, _ = s.Do("CLIENT", "KILL", "TYPE", "pubsub")
				_, _ = s.Do("CLIENT", "KILL", "TYPE", "normal")
			}
		},
	}.Run(t)
}

func TestContractAlone(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	suite(t, []string{s.URL()}, []*redistest.Server{s})
}

func TestContractInCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t, 3)
	suite(t, c.URLs(), c.Servers)
}

func TestContractBehindSentinel(t *testing.T) {
	if testing.Short() {
		t.Skip("behind a sentinel a server is like one that is alone, until it fails")
	}
	t.Parallel()
	r := redistest.StartReplicated(t)
	suite(t, []string{r.URL()}, r.Servers[:1])
}
