package diskbroker

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestContract(t *testing.T) {
	for name, always := range map[string]bool{"interval": false, "always": true} {
		t.Run(name, func(t *testing.T) {
			brokertest.Run(t, func(t *testing.T) hub.Broker {
				b, err := New(&Options{Dir: t.TempDir(), SyncAlways: always})
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		})
	}
}
