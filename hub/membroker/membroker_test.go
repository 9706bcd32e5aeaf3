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
	brokertest.Run(t, func(*testing.T) hub.Broker { return membroker.New(nil) })
}
