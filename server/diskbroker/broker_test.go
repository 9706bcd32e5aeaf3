package diskbroker

import (
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

func TestContract(t *testing.T) {
	t.Parallel() // the disk is waited for
	for name, always := range map[string]bool{"interval": false, "always": true} {
		t.Run(name, func(t *testing.T) {
			if always && testing.Short() {
				t.Skip("the contract in yet another form is for a run of all tests")
			}
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
