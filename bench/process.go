package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/loadgen"
)

const (
	// stopTimeout is how long a server may take to end, and startTimeout to say
	// where it listens.
	stopTimeout  = 5 * time.Second
	startTimeout = 20 * time.Second

	// spinners is how many programs that never wait share a server's processor in
	// some experiments, so that it has about a fifth of it.
	spinners = 4
)

// lab is where measurements are made.
type lab struct {
	self, godwit string
	taskset      string // "": processes are not pinned
	scratch      string

	serverCPU, generatorCPU string  // processors of the two sides
	others                  float64 // the largest share of the machine that other programs used; -1: not known
}

// newLab builds Godwit's program of this checkout.
func newLab(ctx context.Context, scratch, cpus string) (*lab, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &lab{self: self, godwit: filepath.Join(scratch, "godwit"), scratch: scratch, others: -1}
	var both bool
	if l.serverCPU, l.generatorCPU, both = strings.Cut(cpus, ","); !both {
		return nil, fmt.Errorf("-cpus: %q is not two processors; write for example 0,1", cpus)
	}
	if runtime.NumCPU() > 1 {
		l.taskset, _ = exec.LookPath("taskset")
	}
	// From the parent's module, so that it is what its users get.
	build := exec.CommandContext(ctx, "go", "build", "-o", l.godwit, "./cmd/godwit")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/godwit: %w\n%s", err, out)
	}
	return l, nil
}

// command is one process on one processor.
func (l *lab) command(ctx context.Context, cpu string, args []string) *exec.Cmd {
	if l.taskset != "" {
		args = append([]string{l.taskset, "-c", cpu}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = stopTimeout
	return cmd
}

var address = regexp.MustCompile(`(?:(?:ws|http)://|address=)(127\.0\.0\.1:\d+)`)

// measure starts a server, has it measured and stops it.
func (l *lab) measure(ctx context.Context, c contender, e experiment) (*loadgen.Report, error) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	args, path := c.command(l.self, l.godwit, e.server)
	server := l.command(serving, l.serverCPU, args)
	out, err := server.StdoutPipe()
	if err != nil {
		return nil, err
	}
	server.Stderr = server.Stdout // where logs are
	if err := server.Start(); err != nil {
		return nil, err
	}
	defer func() {
		stop()
		_ = server.Wait()
	}()
	host := make(chan string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if m := address.FindStringSubmatch(lines.Text()); m != nil {
				host <- m[1]
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
	}()
	target := url.URL{Scheme: "ws", Path: path}
	select {
	case target.Host = <-host:
	case <-time.After(startTimeout):
		return nil, fmt.Errorf("%s did not say where it listens", c.name)
	case <-ctx.Done():
		return nil, ctx.Err()
	}

	if e.shared && l.taskset != "" {
		for range spinners {
			spinner := l.command(serving, l.serverCPU, []string{l.self, "-spin"})
			if _, err := spinner.StdinPipe(); err != nil { // it ends when that does
				return nil, err
			}
			if err := spinner.Start(); err != nil {
				return nil, err
			}
			defer func() {
				stop()
				_ = spinner.Wait()
			}()
		}
	}

	file := filepath.Join(l.scratch, "report.json")
	// taskset becomes the server, so its process ID is the server's.
	args = append([]string{l.godwit, "bench", e.kind, target.String(), "--json", file, "--pid", strconv.Itoa(server.Process.Pid)}, e.load...)
	if text, err := l.command(ctx, l.generatorCPU, args).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: godwit bench %s: %w\n%s", c.name, e.kind, err, text)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(loadgen.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, err
	}
	if len(r.Errors) > 0 {
		return nil, fmt.Errorf("%s: %s", c.name, r.Verdict)
	}
	if e.server == kindDeflate && !r.Load.Compressed {
		return nil, fmt.Errorf("%s did not agree to compression", c.name)
	}
	if !e.shared {
		l.others = max(l.others, r.Own.Others)
	}
	return r, ctx.Err()
}
