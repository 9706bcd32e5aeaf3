package redistest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a server may take to start, to stop and to be ready.
const patience = 60 * time.Second

// Require returns the path of the server, or skips the test with the reason. It is redis-server, or what
// the variable GODWIT_REDIS_SERVER names: valkey-server, or a Redis of another version.
func Require(t testing.TB) string {
	t.Helper()
	name := cmp.Or(os.Getenv("GODWIT_REDIS_SERVER"), "redis-server")
	program, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GODWIT_REQUIRE_ALL") != "" || name != "redis-server" {
			t.Fatalf("%s is not installed, and GODWIT_REQUIRE_ALL or GODWIT_REDIS_SERVER is set", name)
		}
		t.Skip("redis-server is not installed")
	}
	return program
}

// Server is a redis-server, or a sentinel, in a process of its own. Its methods are safe
// for concurrent use, but Kill, Stop, Start, Pause and Resume are called one at a time.
type Server struct {
	program string
	dir     string
	port    int
	bus     int      // the port for other servers of a cluster, 0 for none
	tls     int      // the port at which it speaks TLS, 0 for none
	args    []string // after the file of the configuration

	mu      sync.Mutex // guards what follows
	cmd     *exec.Cmd  // nil unless it runs
	ended   chan struct{}
	said    bytes.Buffer
	refused bool // a port was taken by somebody else
}

// Start starts a server on a free port of 127.0.0.1 that keeps nothing on the disk, unless
// args, which are directives such as "--appendonly yes", say something else. It is killed
// when the test ends.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, layout{}, args...)
}

// layout is what a server is besides its directives.
type layout struct {
	isCluster bool
	sentinel  string // what it says of a master if it is a sentinel
	tls       *TLS   // nil for none
}

// start starts a server with a configuration file of its own, which it may write to.
func start(t testing.TB, as layout, args ...string) *Server {
	t.Helper()
	program := Require(t)
	var err error
	for range 5 { // somebody else may have got the port meanwhile
		s := &Server{program: program, dir: t.TempDir(), args: args}
		if s.port, err = freePort(); err == nil && as.isCluster {
			s.bus, err = freePort()
		}
		if err == nil && as.tls != nil {
			s.tls, err = freePort()
		}
		if err == nil {
			err = s.configure(as)
		}
		if err == nil {
			err = s.Start()
		}
		if err == nil {
			t.Cleanup(func() {
				_ = s.Resume()
				_ = s.Kill()
				if t.Failed() {
					t.Logf("the server at %s said last:\n%s", s.Address(), s.tail())
				}
			})
			return s
		}
		if !s.refused {
			break
		}
	}
	t.Fatal(err)
	return nil
}

// freePort is a port that nobody has, and that the system lends to no connection while a
// server is away: those begin at 32768.
func freePort() (port int, err error) {
	for range 100 {
		var ln net.Listener
		ln, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(10_000+rand.IntN(22_000))))
		if err == nil {
			defer ln.Close()
			return ln.Addr().(*net.TCPAddr).Port, nil
		}
	}
	return 0, err
}

func (s *Server) configure(as layout) error {
	lines := []string{
		"bind 127.0.0.1",
		"port " + strconv.Itoa(s.port),
		"dir " + s.dir,
		"daemonize no",
	}
	if as.sentinel == "" {
		lines = append(lines, `save ""`, "appendonly no", "repl-diskless-sync-delay 0", "repl-ping-replica-period 1")
	}
	if s.bus != 0 {
		lines = append(lines, "cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 2000", "cluster-port "+strconv.Itoa(s.bus))
	}
	if as.tls != nil {
		lines = append(lines, as.tls.directives(s.tls)...)
	}
	return os.WriteFile(s.config(), []byte(strings.Join(lines, "\n")+"\n"+as.sentinel), 0o600)
}

func (s *Server) config() string { return filepath.Join(s.dir, "redis.conf") }

// Start starts the server again, at the same address and with the data on its disk, and
// waits until it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	if s.cmd != nil {
		s.mu.Unlock()
		return errors.New("redistest: the server runs")
	}
	cmd := exec.Command(s.program, append([]string{s.config()}, s.args...)...)
	s.said.Reset()
	cmd.Stdout = &locked{s}
	cmd.Stderr = cmd.Stdout
	err := cmd.Start()
	if err != nil {
		s.mu.Unlock()
		return err
	}
	ended := make(chan struct{})
	s.cmd, s.ended = cmd, ended
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait() // it was killed
		close(ended)
	}()
	return s.awaitPong(ended)
}

// locked is what the server says.
type locked struct{ s *Server }

func (l *locked) Write(b []byte) (int, error) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if strings.Contains(string(b), "Address already in use") {
		l.s.refused = true
	}
	return l.s.said.Write(b)
}

func (s *Server) tail() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(s.said.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-15):], "\n")
}

// awaitPong waits until the server answers, even if it is with an error.
func (s *Server) awaitPong(ended <-chan struct{}) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for {
		if answer, err := s.Do("PING"); err == nil && answer == "PONG" || err != nil && strings.HasPrefix(err.Error(), "NOAUTH") {
			return nil
		}
		select {
		case <-ended:
			s.mu.Lock()
			s.cmd = nil
			s.mu.Unlock()
			return fmt.Errorf("redistest: the server ended: %s", s.tail())
		case <-limit.C:
			return fmt.Errorf("redistest: the server does not answer after %v: %s", patience, s.tail())
		case <-tick.C:
		}
	}
}

// Address is where the server is, or was, host:port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is where clients reach the server: rediss:// if it speaks TLS, else redis://.
func (s *Server) URL() string {
	if s.tls != 0 {
		return "rediss://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.tls))
	}
	return "redis://" + s.Address()
}

// peerPort is where other servers reach it.
func (s *Server) peerPort() int {
	if s.tls != 0 {
		return s.tls
	}
	return s.port
}

// PID is the ID of the server's process, 0 if it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// Kill ends the server at once, as kill -9 does, and waits for that.
func (s *Server) Kill() error { return s.end((*os.Process).Kill) }

// Stop has the server end as operators would, and waits for that.
func (s *Server) Stop() error {
	return s.end(func(p *os.Process) error { return p.Signal(os.Interrupt) })
}

func (s *Server) end(how func(*os.Process) error) error {
	s.mu.Lock()
	cmd, ended := s.cmd, s.ended
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := how(cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-ended:
		return nil
	case <-limit.C:
		_ = cmd.Process.Kill()
		return fmt.Errorf("redistest: the server has not ended after %v", patience)
	}
}
