package interop

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pythonClient is the folder of a client that was written from docs/protocol.md.
const pythonClient = "../../examples/python-client"

// python finds Python with the package that the client needs.
func python(t *testing.T) string {
	t.Helper()
	path := program(t, "/usr/bin/python3", "python3")
	if out, err := exec.Command(path, "-c", "import websockets").CombinedOutput(); err != nil {
		missing(t, "python3-websockets is not installed: "+string(out))
	}
	return path
}

// TestSessionPythonCut: while 2,000 numbers are published the subscriber's connections
// are cut, and the server is killed once. Nothing is lost, repeated or in another order
// but for the loss that a gap announces.
func TestSessionPythonCut(t *testing.T) {
	t.Parallel()
	path := python(t)
	host, process := launchGodwit(t, 15*time.Second)
	b := newBreaker(t, host)
	told := programEvents(t, path, "-B", "testdata/python/numbers.py", pythonClient,
		"ws://"+b.Addr().String()+"/connect", "ws://"+host+"/connect")
	cuts := 0
	for {
		line, ok := told.next()
		switch {
		case !ok:
			t.Fatal("the client ended, or said nothing for long")
		case line == "whole":
			if cuts != 7 {
				t.Fatalf("%d cuts, want 7", cuts)
			}
			return
		case line == "published 1000":
			if err := process.Kill(); err != nil {
				t.Fatal(err)
			}
			for { // until the address is free
				conn, err := net.Dial("tcp", host)
				if err != nil {
					break
				}
				conn.Close()
			}
			launchGodwit(t, 15*time.Second, "--listen", host)
			cuts++
		case strings.HasPrefix(line, "published "):
			b.cut(host)
			cuts++
		default:
			t.Fatalf("the client says %q", line)
		}
	}
}

// TestSessionPython: the client's commands, with tokens that are refreshed.
func TestSessionPython(t *testing.T) {
	t.Parallel()
	path := python(t)
	const secret = "only for this test, of 32 bytes."
	config := filepath.Join(t.TempDir(), "godwit.yaml")
	if err := os.WriteFile(config, []byte("tokens:\n  - secret: \""+secret+"\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	host := serveGodwit(t, 15*time.Second, "--config", config)
	told := programEvents(t, path, "-B", "testdata/python/tour.py", pythonClient, "ws://"+host+"/connect", secret)
	if line, ok := told.next(); !ok || line != "whole" {
		t.Fatalf("the client says %q", line)
	}
}

// TestSessionPythonPushes: pushes that a server seldom has an occasion for.
func TestSessionPythonPushes(t *testing.T) {
	t.Parallel()
	told := programEvents(t, python(t), "-B", "testdata/python/pushes.py", pythonClient)
	if line, ok := told.next(); !ok || line != "whole" {
		t.Fatalf("the client says %q", line)
	}
}

// TestSessionPythonPatterns: a publication comes once for a channel and a pattern that matches it. The dialogue is that of
// client/internal/session/testdata/resume-pattern.txt and a little more.
func TestSessionPythonPatterns(t *testing.T) {
	t.Parallel()
	told := programEvents(t, python(t), "-B", "testdata/python/patterns.py", pythonClient)
	if line, ok := told.next(); !ok || line != "whole" {
		t.Fatalf("the client says %q", line)
	}
}
