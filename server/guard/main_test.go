package guard

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newHub(t *testing.T) *hub.Hub {
	t.Helper()
	b, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(b, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}
