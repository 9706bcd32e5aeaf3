//go:build linux

package chaos

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/clustertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(clustertest.Main(m)) }
