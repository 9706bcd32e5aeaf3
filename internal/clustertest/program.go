package clustertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// program is what Program has built. Main removes it.
var program struct {
	sync.Mutex // guards what follows
	dir, path  string
	err        error
}

// programVariable in the environment is the path of a godwit that is to be tested instead of
// a program built here. .ci/run builds one for all packages.
const programVariable = "GODWIT_TEST_PROGRAM"

// Program builds godwit, once for all tests of a package, and returns where it is. The
// package's TestMain has to use Main, which removes it.
func Program(t testing.TB) string {
	t.Helper()
	if path := os.Getenv(programVariable); path != "" {
		return path
	}
	program.Lock()
	defer program.Unlock()
	if program.path == "" && program.err == nil {
		program.path, program.err = build()
	}
	if program.err != nil {
		t.Fatal(program.err)
	}
	return program.path
}

func build() (path string, err error) {
	if program.dir, err = os.MkdirTemp("", "godwit-"); err != nil {
		return "", err
	}
	path = filepath.Join(program.dir, "godwit")
	if out, err := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "github.com/godwit-io/godwit/cmd/godwit").CombinedOutput(); err != nil {
		return "", fmt.Errorf("clustertest: go build: %w\n%s", err, out)
	}
	return path, nil
}

// Main is the tests of a package that removes afterwards what Program has built. It is
// what goleak.VerifyTestMain is given:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(clustertest.Main(m)) }
func Main(m *testing.M) interface{ Run() int } { return tests{m} }

type tests struct{ *testing.M }

func (t tests) Run() (code int) {
	code = t.M.Run()
	program.Lock()
	defer program.Unlock()
	if program.dir == "" {
		return code
	}
	if err := os.RemoveAll(program.dir); err != nil {
		fmt.Fprintln(os.Stderr, errors.Join(errors.New("clustertest: what was built is left behind"), err))
		return max(code, 1)
	}
	return code
}
