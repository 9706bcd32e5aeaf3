package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// contenders are the servers, the one that the others are compared with first.
var contenders = []string{"node", "godwit-nethttp", "godwit-engine"}

// experiment is a load.
type experiment struct {
	kind    string // "echo", or "all" for an event to everybody
	clients int
	window  int
}

var experiments = []experiment{{"echo", 100, 1}, {"echo", 100, 16}, {"all", 1000, 1}, {"all", 1000, 16}}

func main() {
	log.SetFlags(0)
	log.SetPrefix("socketio: ")
	rounds := flag.Int("rounds", 3, "how often each server is measured")
	seconds := flag.Float64("seconds", 3, "how long")
	cpus := flag.String("cpus", "0,1", "the processors of server and generator")
	serveAs := flag.String("serve", "", "be this server (what the program starts)")
	loadAs := flag.String("load", "", "be the generator (what the program starts)")
	flag.Parse()
	var err error
	switch {
	case *serveAs != "":
		err = serve(*serveAs)
	case *loadAs != "":
		err = loadChild(*loadAs)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = compare(ctx, *rounds, *seconds, *cpus)
		stop()
	}
	if err != nil {
		log.Fatal(err)
	}
}

// lab is where measurements are made.
type lab struct {
	self, node, dir         string
	serverCPU, generatorCPU string
}

func newLab(ctx context.Context, scratch, cpus string) (*lab, error) {
	l := &lab{dir: scratch}
	var both bool
	if l.serverCPU, l.generatorCPU, both = strings.Cut(cpus, ","); !both {
		return nil, fmt.Errorf("-cpus: %q is not two processors; write for example 0,1", cpus)
	}
	if _, err := exec.LookPath("taskset"); err != nil || runtime.GOOS != "linux" {
		return nil, fmt.Errorf("servers are held to a processor with taskset, on Linux: %v", err)
	}
	var err error
	if l.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if l.node, err = exec.LookPath("node"); err != nil {
		return nil, err
	}
	if err := os.CopyFS(scratch, os.DirFS(filepath.Join("socketio", "node"))); err != nil {
		return nil, fmt.Errorf("run this in the folder bench: %w", err)
	}
	install := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	install.Dir = scratch
	if said, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm ci: %w\n%s", err, said)
	}
	return l, nil
}

// compare measures everything and prints a table.
func compare(ctx context.Context, rounds int, seconds float64, cpus string) error {
	scratch, err := os.MkdirTemp("", "bench-socketio-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	l, err := newLab(ctx, scratch, cpus)
	if err != nil {
		return err
	}
	fmt.Println("| load | server | messages/s | CPU µs/message | ratio |\n|---|---|---|---|---|")
	for _, e := range experiments {
		costs, rates := make([][]float64, len(contenders)), make([][]float64, len(contenders))
		for range rounds {
			for i, c := range contenders {
				r, err := l.measure(ctx, c, e, seconds)
				if err != nil {
					return fmt.Errorf("%s: %w", c, err)
				}
				costs[i] = append(costs[i], r.CPU*1e6/r.Messages)
				rates[i] = append(rates[i], r.Messages/r.Seconds)
			}
		}
		for i, c := range contenders {
			fmt.Printf("| %s, %d clients, window %d | %s | %.0f | %.2f | %.1f |\n",
				e.kind, e.clients, e.window, c, median(rates[i]), median(costs[i]), median(costs[0])/median(costs[i]))
		}
	}
	return nil
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

var address = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// measure starts a server, loads it, and stops it.
func (l *lab) measure(ctx context.Context, contender string, e experiment, seconds float64) (r result, err error) {
	ctx, stop := context.WithCancel(ctx)
	args := []string{l.self, "-serve", contender}
	if contender == "node" {
		args = []string{l.node, filepath.Join(l.dir, "server.js")}
	}
	server := l.command(ctx, l.serverCPU, args)
	out, err := server.StdoutPipe()
	if err != nil {
		stop()
		return r, err
	}
	server.Stderr = os.Stderr
	if err := server.Start(); err != nil {
		stop()
		return r, err
	}
	defer func() {
		stop()
		_ = server.Wait() // it was killed
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	m := address.FindStringSubmatch(line)
	if m == nil {
		return r, fmt.Errorf("it does not say where it listens: %q, %v", line, err)
	}
	load := fmt.Sprint(m[1], " ", server.Process.Pid, " ", e.kind, " ", e.clients, " ", e.window, " ", seconds)
	said, err := l.command(ctx, l.generatorCPU, []string{l.self, "-load", load}).Output()
	if err != nil {
		return r, fmt.Errorf("the generator: %w", err)
	}
	return r, json.Unmarshal(said, &r)
}

// command is a process on one processor. taskset becomes the program, so its process ID is
// the program's.
func (l *lab) command(ctx context.Context, cpu string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", cpu}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// processorTime returns what a process has used, in seconds.
func processorTime(pid int) (float64, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	// The name in parentheses may contain anything; after it utime and stime are the fields
	// 12 and 13, in hundredths of a second (proc_pid_stat(5)).
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is short", pid)
	}
	sum := 0.0
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			return 0, err
		}
		sum += n / 100
	}
	return sum, nil
}
