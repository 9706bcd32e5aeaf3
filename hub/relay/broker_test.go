package relay

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func fresh(t testing.TB) *Broker {
	t.Helper()
	local, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return New(local)
}

// receiver is the hub's side of a broker.
type receiver struct {
	receive func(*hub.Publication)
	lost    func(string)
}

func (r receiver) Receive(p *hub.Publication) {
	if r.receive != nil {
		r.receive(p)
	}
}

func (r receiver) Lost(channel string) {
	if r.lost != nil {
		r.lost(channel)
	}
}

func started(t testing.TB, r receiver) *Broker {
	t.Helper()
	b := fresh(t)
	if err := b.Start(r); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // ErrClosed when the test did it
	return b
}

// transfer writes what there is from one to the other, with between in the middle.
func transfer(from, to *Broker, between func()) (*Move, error) {
	m, err := from.Move()
	if err != nil {
		return nil, err
	}
	var bulk, rest bytes.Buffer
	if err := m.WriteBulk(&bulk); err != nil {
		return nil, err
	}
	if between != nil {
		between()
	}
	if err := errors.Join(to.Restore(&bulk), m.Freeze(context.Background()), m.WriteRest(&rest), to.Restore(&rest)); err != nil {
		return nil, err
	}
	return m, nil
}

// move moves everything that from holds to another, and returns channels that are closed
// when each has lost the other.
func move(from, to *Broker) (gone, left <-chan struct{}, err error) {
	m, err := transfer(from, to, nil)
	if err != nil {
		return nil, nil, err
	}
	here, there := net.Pipe()
	if left, err = to.Host(there); err != nil {
		return nil, nil, err
	}
	return m.Commit(here), left, nil
}

// movedBroker moves to another as soon as it is started.
type movedBroker struct {
	*Broker
	chain []*Broker
}

func (m *movedBroker) Start(r hub.Receiver) error {
	if err := m.Broker.Start(r); err != nil || r == nil {
		return err
	}
	from := m.Broker
	for _, to := range m.chain {
		if err := to.Start(receiver{}); err != nil {
			return err
		}
		if _, _, err := move(from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

func (m *movedBroker) Close() error {
	err := m.Broker.Close()
	for _, b := range m.chain {
		_ = b.Close() // ErrClosed the second time
	}
	return err
}

// A Broker keeps the contract where it is, when it has moved, and when the one that it
// moved to has moved as well.
func TestContract(t *testing.T) {
	for _, hops := range []int{0, 1, 2} {
		t.Run([]string{"at home", "moved", "moved twice"}[hops], func(t *testing.T) {
			brokertest.Run(t, func(t *testing.T) hub.Broker {
				if hops == 0 {
					return fresh(t)
				}
				m := &movedBroker{Broker: fresh(t)}
				for range hops {
					m.chain = append(m.chain, fresh(t))
				}
				return m
			})
		})
	}
}
