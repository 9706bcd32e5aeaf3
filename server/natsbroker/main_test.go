package natsbroker

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Parallel tests here wait for servers. The command line, which is read later, has the last word.
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}
