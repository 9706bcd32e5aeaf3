package clientjs

import (
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program returns the path of another program, or ends the test.
func program(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("other programs take seconds to start")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, name+" is not installed")
	}
	return path
}

// missing skips the test for want of something on this machine.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("GODWIT_REQUIRE_ALL") != "" {
		t.Fatal(what + ", and GODWIT_REQUIRE_ALL is set")
	}
	t.Skip(what)
}
