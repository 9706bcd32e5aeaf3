package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// startTimeout is how long a program may take until it listens.
const startTimeout = 20 * time.Second

// centrifugoConfig is what its users have with history in Redis.
const centrifugoConfig = `{
  "http_api": {"key": "key"},
  "client": {"insecure": true, "allowed_origins": ["*"]},
  "channel": {"without_namespace": {"history_size": 1000, "history_ttl": "600s", "allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true}},
  "uni_sse": {"enabled": true},
  "log": {"level": "error"},
  "engine": {"type": "redis", "redis": {"address": ["%s"]}}
}`

// lab is where measurements are made.
type lab struct {
	ctx                             context.Context
	godwit, centrifugo, redisServer string
	centrifugoConfig                string
	serverCPU                       string
	redis                           *redis
}

// prepare builds this checkout's program, moves the generator to its processor and
// starts Redis. stop undoes it.
func (l *lab) prepare(cpus string) (stop func(), err error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("CPU time is read from /proc, on Linux")
	}
	var generatorCPU string
	var both bool
	if l.serverCPU, generatorCPU, both = strings.Cut(cpus, ","); !both {
		return nil, fmt.Errorf("-cpus: %q is not two processors; write for example 0,1", cpus)
	}
	scratch, err := os.MkdirTemp("", "brokers")
	if err != nil {
		return nil, err
	}
	stop = func() { os.RemoveAll(scratch) }
	fail := func(err error) (func(), error) {
		stop()
		return nil, err
	}
	l.godwit = filepath.Join(scratch, "godwit")
	build := exec.CommandContext(l.ctx, "go", "build", "-o", l.godwit, "./cmd/godwit")
	build.Dir = ".." // from the parent's module, so that it is what its users get
	if out, err := build.CombinedOutput(); err != nil {
		return fail(fmt.Errorf("go build ./cmd/godwit: %w\n%s", err, out))
	}
	if out, err := exec.CommandContext(l.ctx, "taskset", "-a", "-p", "-c", generatorCPU, strconv.Itoa(os.Getpid())).CombinedOutput(); err != nil {
		return fail(fmt.Errorf("taskset: %w\n%s", err, out))
	}
	runtime.GOMAXPROCS(1)
	if l.redis, err = l.startRedis(scratch); err != nil {
		return fail(err)
	}
	stop = func() {
		l.redis.stop()
		os.RemoveAll(scratch)
	}
	l.centrifugoConfig = filepath.Join(scratch, "centrifugo.json")
	if err := os.WriteFile(l.centrifugoConfig, fmt.Appendf(nil, centrifugoConfig, l.redis.address), 0o600); err != nil {
		return fail(err)
	}
	return stop, nil
}

// process is a program on the servers' processor.
type process struct {
	cmd     *exec.Cmd
	address string
	log     strings.Builder
}

func (l *lab) launch(args, env []string, address string) (*process, error) {
	p := &process{address: address}
	p.cmd = exec.CommandContext(l.ctx, "taskset", append([]string{"-c", l.serverCPU}, args...)...)
	p.cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1"), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startTimeout); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close() // it listens
			return p, nil
		}
		if time.Now().After(deadline) || l.ctx.Err() != nil {
			p.stop()
			return nil, fmt.Errorf("%s does not listen on %s:\n%s", args[0], address, p.log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid } // taskset has become the program

func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	_ = p.cmd.Wait() // that it was interrupted
	kill.Stop()
}

// cpu is how many seconds of CPU it has used.
func (p *process) cpu() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid()))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	ticks := 0.0
	for _, f := range fields[11:13] { // utime and stime
		n, _ := strconv.ParseFloat(f, 64)
		ticks += n
	}
	return ticks / 100 // USER_HZ
}

type node struct{ *process }

func (l *lab) start(c *contender) (*node, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	args, env := c.command(l, port)
	p, err := l.launch(args, env, "127.0.0.1:"+port)
	return &node{p}, err
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	return port, err
}

// redis is a Redis that keeps nothing on disk.
type redis struct {
	*process
}

func (l *lab) startRedis(dir string) (*redis, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := l.launch([]string{l.redisServer, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir}, nil, "127.0.0.1:"+port)
	if err != nil {
		return nil, err
	}
	return &redis{process: p}, nil
}

// do sends a command and returns its answer, an error, status or bulk string.
func (r *redis) do(args ...string) (string, error) {
	c, err := net.Dial("tcp", r.address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\r\n", strings.Join(args, " ")); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSpace(line)
	if line[0] != '$' {
		return line, nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 {
		return "", err
	}
	text := make([]byte, n)
	for read := 0; read < n; {
		m, err := in.Read(text[read:])
		if err != nil {
			return "", err
		}
		read += m
	}
	return string(text), nil
}

// empty forgets all data and counts.
func (r *redis) empty() error {
	for _, args := range [][]string{{"FLUSHALL"}, {"CONFIG", "RESETSTAT"}} {
		if answer, err := r.do(args...); err != nil || answer != "+OK" {
			return fmt.Errorf("%s: %s %v", args[0], answer, err)
		}
	}
	return nil
}

// publications is how many entries streams have been given since it was emptied.
func (r *redis) publications() (float64, error) {
	text, err := r.do("INFO", "commandstats")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if after, ok := strings.CutPrefix(line, "cmdstat_xadd:calls="); ok {
			calls, _, _ := strings.Cut(after, ",")
			return strconv.ParseFloat(calls, 64)
		}
	}
	return 0, fmt.Errorf("nothing was added to a stream:\n%s", text)
}
