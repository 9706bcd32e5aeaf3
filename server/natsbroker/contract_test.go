package natsbroker

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/internal/natstest"
)

var prefixes atomic.Int64

// newBroker returns a broker with a stream of its own.
func newBroker(t testing.TB, o Options) *Broker {
	t.Helper()
	if o.Prefix == "" {
		o.Prefix = fmt.Sprint("t", prefixes.Add(1))
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	b, err := New(&o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func contract(t *testing.T, o Options) {
	brokertest.Suite{
		External:   true,
		New:        func(t *testing.T) hub.Broker { return newBroker(t, o) },
		Disconnect: func(b hub.Broker) { _ = b.(*Broker).nc.ForceReconnect() },
	}.Run(t)
}

func TestContract(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{})
	contract(t, Options{URLs: []string{s.URL()}, HistoryBytesMax: 16 << 20})
}

func TestContractOnThree(t *testing.T) {
	if testing.Short() {
		t.Skip("three servers are slower than one, and are told the same")
	}
	t.Parallel()
	c := natstest.StartCluster(t, 3)
	contract(t, Options{URLs: c.URLs(), HistoryBytesMax: 16 << 20})
}
