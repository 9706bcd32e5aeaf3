package brokertest_test

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// TestShared: a broker that shares another one keeps to the contract, alone and beside others.
func TestShared(t *testing.T) {
	for _, others := range []int{0, 2} {
		brokertest.Suite{
			New: func(t *testing.T) hub.Broker {
				s := brokertest.NewShared(newBroker())
				t.Cleanup(func() { _ = s.Close() })
				for range others {
					beside := s.NewBroker()
					if err := beside.Start(nobody{}); err != nil {
						t.Error(err)
					}
					t.Cleanup(func() { _ = beside.Close() })
				}
				return s.NewBroker()
			},
			Disconnect: func(b hub.Broker) {
				b.(*brokertest.SharedBroker).Cut()
				b.(*brokertest.SharedBroker).Mend()
			},
		}.Run(t)
	}
}

type nobody struct{}

func (nobody) Receive(*hub.Publication) {}
func (nobody) Lost(string)              {}
