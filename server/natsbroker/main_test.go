package natsbroker

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/waittest"
)

func TestMain(m *testing.M) {
	waittest.Beside(8) // for servers
	goleak.VerifyTestMain(m)
}
