package clientproto

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write what is made from the tables, and golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
