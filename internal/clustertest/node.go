//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/internal/standstill"
)

// patience bounds every wait. Nothing waits that long unless it fails.
const patience = time.Minute

// Node is one `godwit serve`: always at the same address, in one process after another.
//
// Its methods return an error when what they were to do cannot be done; what they do to a
// node that is not there is nothing. They are safe for concurrent use, one at a time.
type Node struct {
	name, program, address, dir string

	args   []string
	log    *transcript
	doing  sync.Mutex // held to change which process runs
	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd
	ended  chan struct{} // closed when no process of the node is left; nil: there was none
	status error         // how the first one ended
	place  int           // where its lines begin in log
	paused bool
}

// Name is what the node is called in its cluster: node-1, node-2 …
func (n *Node) Name() string { return n.name }

// URL is where it serves, http://127.0.0.1:PORT, also after a new start.
func (n *Node) URL() string { return "http://" + n.address }

// Address is the host and port of URL.
func (n *Node) Address() string { return n.address }

// Dir is a directory of the node's own, which its settings may name as {dir}.
func (n *Node) Dir() string { return n.dir }

// Log is what its processes have logged, of all of them.
func (n *Node) Log() string {
	text, _ := n.log.from(0)
	return text
}

// LogTail is the last lines of Log.
func (n *Node) LogTail(lines int) string { return lastLines(n.Log(), lines) }

// PID is the process that serves, 0 if there is none.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.pid()
}

// pid is called with mu held. After an upgrade another process serves than the one that
// was started here; the file says which.
func (n *Node) pid() int {
	if n.cmd == nil || n.ended == nil || isClosed(n.ended) {
		return 0
	}
	if b, err := os.ReadFile(n.pidFile()); err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			return pid
		}
	}
	return n.cmd.Process.Pid
}

func (n *Node) pidFile() string { return filepath.Join(n.dir, "pid") }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// IsRunning reports whether a process of the node is there, paused or not.
func (n *Node) IsRunning() bool { return n.PID() != 0 }

// Start starts the program, with more arguments than those that the node has, and waits
// until it serves and /readyz says that it is ready.
func (n *Node) Start(ctx context.Context, more ...string) error {
	n.doing.Lock()
	defer n.doing.Unlock()
	ended, err := n.launch(more)
	if err != nil || ended == nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n.mu.Lock()
	place := n.place
	n.mu.Unlock()
	printed, err := n.log.wait(ctx, place, "msg=serving ", ended)
	if err != nil {
		return fmt.Errorf("clustertest: %s: %w", n.name, err)
	}
	if at := servesAt.FindStringSubmatch(printed); at == nil || at[1] != n.address {
		return fmt.Errorf("clustertest: %s serves at %v and not at %s", n.name, at, n.address)
	}
	return n.AwaitReady(ctx)
}

var servesAt = regexp.MustCompile(`msg=serving address=(\S+)`)

// launch starts the program. It returns nil if it runs already.
func (n *Node) launch(more []string) (ended chan struct{}, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.pid() != 0 {
		return nil, nil
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	n.cmd = exec.Command(n.program, append(n.args[:len(n.args):len(n.args)], more...)...)
	n.cmd.Env = environment()
	n.cmd.Stdout, n.cmd.Stderr = write, write
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // what it starts belongs to it
	err = n.cmd.Start()
	_ = write.Close() // the process has it
	if err != nil {
		n.cmd = nil
		return nil, errors.Join(err, read.Close())
	}
	n.ended, n.place, n.paused, n.status = make(chan struct{}), n.log.len(), false, nil
	go n.watch(n.cmd, read, n.ended)
	return n.ended, nil
}

// watch reads what a process and those that it has started print, until all of them have
// ended.
func (n *Node) watch(cmd *exec.Cmd, read *os.File, ended chan<- struct{}) {
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()
	n.log.read(read)
	err := errors.Join(<-waited, read.Close())
	n.mu.Lock()
	n.status = err
	n.mu.Unlock()
	close(ended)
}

// environment is that of the test, without settings of the program.
func environment() (clean []string) {
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GODWIT_") {
			clean = append(clean, e)
		}
	}
	return clean
}

// AwaitReady waits until /readyz answers 200.
func (n *Node) AwaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		answer, err := get(ctx, client, n.URL()+"/readyz")
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return fmt.Errorf("clustertest: %s is not ready: %w %s; it logged:\n%s", n.name, err, answer, n.LogTail(20))
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) (body string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(b), err
}

// Kill ends the node without a word, as kill -9 does, and waits until it is gone.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL) }

// Stop ends it in good order, as a service manager does, and returns an error if it has
// another exit status than 0.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

func (n *Node) end(signal syscall.Signal) error {
	n.doing.Lock()
	defer n.doing.Unlock()
	n.mu.Lock()
	pid, ended, cmd := n.pid(), n.ended, n.cmd
	var err error
	switch {
	case pid == 0:
	case signal == syscall.SIGKILL:
		err = syscall.Kill(-cmd.Process.Pid, signal) // with one that has taken over
	default:
		err = errors.Join(syscall.Kill(pid, signal), syscall.Kill(pid, syscall.SIGCONT))
	}
	n.mu.Unlock()
	if pid == 0 {
		return nil
	}
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("clustertest: %s: %w", n.name, err)
	}
	select {
	case <-ended:
	case <-time.After(patience):
		return fmt.Errorf("clustertest: %s does not end; it logged:\n%s", n.name, n.LogTail(20))
	}
	_ = os.Remove(n.pidFile()) // a process that was killed has left it
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.status != nil && signal != syscall.SIGKILL {
		return fmt.Errorf("clustertest: %s: %w; it logged:\n%s", n.name, n.status, n.LogTail(20))
	}
	return nil
}

// Pause stops the process where it stands, as SIGSTOP does: its connections stay open, and
// nothing is answered. Resume lets it go on.
func (n *Node) Pause() error { return n.stall(standstill.Pause, true) }

// Resume ends Pause.
func (n *Node) Resume() error { return n.stall(standstill.Resume, false) }

func (n *Node) stall(how func(pid int) error, paused bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	pid := n.pid()
	if pid == 0 || n.paused == paused {
		return nil
	}
	n.paused = paused
	if err := how(pid); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("clustertest: %s: %w", n.name, err)
	}
	return nil
}

// Upgrade has a new process of the program take its place (serve --upgrade), and waits
// until it has.
func (n *Node) Upgrade(ctx context.Context) error {
	n.doing.Lock()
	defer n.doing.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, append(n.args[:len(n.args):len(n.args)], "--upgrade")...)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("clustertest: %s is not upgraded: %w\n%s\nit logged:\n%s", n.name, err, out, n.LogTail(20))
	}
	return nil
}
