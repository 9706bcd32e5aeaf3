package interop

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// The suite of SockJS is not distributed with this repository, because it says nothing of a
// licence, and wants Python 2.7. Where somebody has it, these variables say where:
const (
	sockJSSuiteVariable  = "GODWIT_SOCKJS_SUITE"  // the folder of sockjs/sockjs-protocol
	sockJSPythonVariable = "GODWIT_SOCKJS_PYTHON" // a Python 2.7 that has unittest2, ws4py, six and websocket-client 0.59
)

var (
	suiteRan    = regexp.MustCompile(`(?m)^Ran (\d+) tests?`)
	suiteFailed = regexp.MustCompile(`(?m)^(?:FAIL|ERROR): (\w+) \(__main__\.(\w+)\)`)
)

// The official test suite of the protocol passes on both drivers, but for a handshake of a
// draft from before RFC 6455, which is refused by design.
func TestSockJSSuite(t *testing.T) {
	suite, python := os.Getenv(sockJSSuiteVariable), os.Getenv(sockJSPythonVariable)
	if suite == "" || python == "" {
		t.Skip(sockJSSuiteVariable + " and " + sockJSPythonVariable + " are not set: the suite of SockJS is not part of the repository")
	}
	program := filepath.Join(t.TempDir(), "compatecho")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/godwit-io/godwit/internal/compatecho").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, driver := range []string{"engine", "nethttp"} {
		t.Run(driver, func(t *testing.T) {
			server := exec.CommandContext(t.Context(), program, "-driver="+driver, "127.0.0.1:0")
			log, err := server.StderrPipe()
			if err == nil {
				err = server.Start()
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				_ = server.Process.Kill()
				_ = server.Wait()
			}()
			line, err := bufio.NewReader(log).ReadString('\n')
			address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
			if address == "" {
				t.Fatalf("%q, %v", line, err)
			}
			for file, want := range map[string]struct {
				tests  string
				failed []string
			}{
				"sockjs-protocol.py": {"68", []string{"Websocket.test_haproxy"}},
				"http-quirks.py":     {"1", nil},
			} {
				cmd := exec.CommandContext(t.Context(), python, file)
				cmd.Dir = suite
				cmd.Env = append(os.Environ(), "SOCKJS_URL=http://"+address, "PYTHONDONTWRITEBYTECODE=1")
				out, _ := cmd.CombinedOutput() // which says more than its status
				var failed []string
				for _, m := range suiteFailed.FindAllStringSubmatch(string(out), -1) {
					failed = append(failed, m[2]+"."+m[1])
				}
				if ran := suiteRan.FindStringSubmatch(string(out)); ran == nil || ran[1] != want.tests || !slices.Equal(failed, want.failed) {
					t.Errorf("%s: %s", file, out)
				}
			}
		})
	}
}
