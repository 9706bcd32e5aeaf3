//go:build linux

package engine_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws/wire"
)

// child runs a test of this program in a process of its own, with variable added to
// the environment, until the test that calls it ends; end ends it earlier. It
// returns what the child prints.
func child(t testing.TB, test, variable string) (out *bufio.Reader, end func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), variable)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // its end is the child's
	if err != nil {
		t.Fatal(err)
	}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out = bufio.NewReader(pipe)
	t.Cleanup(func() {
		in.Close()
		rest, _ := io.ReadAll(out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the child: %v\n%s", err, rest)
		}
	})
	return out, func() { in.Close() }
}

func line(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(s)
}

// limitChild in the environment makes a run of TestDescriptorLimit the server of
// another.
const limitChild = "GODWIT_LIMIT_SERVER"

// A process that reaches its limit of open files says so once, serves those it
// has, and the others when descriptors become free.
func TestDescriptorLimit(t *testing.T) {
	if os.Getenv(limitChild) != "" {
		limitServer(t)
		return
	}
	out, end := child(t, "TestDescriptorLimit", limitChild+"=1")
	address := line(t, out)
	var all []*raw
	for i := range 4 * limitSpare {
		c := connect(t, address)
		c.send(t, append([]byte(opening), text(fmt.Sprint(i))...))
		all = append(all, c)
	}
	if said := line(t, out); !strings.Contains(said, "ulimit") || !strings.Contains(said, "too many open files") {
		t.Errorf("it says %q", said)
	}
	for i, c := range all {
		c.switched(t) // the system keeps the order in which they came
		c.expect(t, wire.Text, fmt.Sprint(i))
		c.Close()
	}
	end()
	if rest, _ := io.ReadAll(out); strings.Contains(string(rest), "accept") {
		t.Errorf("it says more than once that it cannot accept: %s", rest)
	}
}

// limitSpare is how many descriptors the server may open.
const limitSpare = 10

func limitServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &engine.Server{Handler: echo{}, Loops: 1, Log: slog.New(slog.NewTextHandler(os.Stdout, nil))}
	if len(s.Stats()) != 1 { // the loop has what it needs
		t.Fatal("there is no loop")
	}
	limit := unix.Rlimit{Cur: uint64(descriptors() + limitSpare), Max: uint64(descriptors() + limitSpare)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	fmt.Println(ln.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = s.Close()
	<-ended
}
