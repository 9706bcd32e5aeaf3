package membroker_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	brokertest.Run(t, func(t *testing.T) hub.Broker {
		b, err := membroker.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}
