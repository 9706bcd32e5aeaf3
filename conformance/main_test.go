package conformance_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Most of these tests wait for silence, which takes no processor. The command
	// line, which is read later, has the last word.
	_ = flag.Set("test.parallel", "16")
	goleak.VerifyTestMain(m)
}
