package natstest

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
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience is how long a server may take to start, to stop and to be ready.
const patience = 60 * time.Second

// Config is what a server is started with. Only Dir is needed.
type Config struct {
	// Dir is for what the server writes.
	Dir string

	// Name is what the server is called in its cluster. Default "n1".
	Name string

	// Port is the one of 127.0.0.1 at which clients are served. Default a free one, which
	// a server that is started again keeps.
	Port int

	// Cluster is the port for the other servers, and Routes are those of all, if there
	// are several.
	Cluster int
	Routes  []int

	// Extra is more of a configuration file, such as accounts. It replaces nothing.
	Extra string

	// NoJetStream keeps nothing.
	NoJetStream bool

	store string // the folder in Dir, "store" if it is empty
}

// Server is a nats-server in a process of its own. Its methods are safe for concurrent
// use, but Kill, Stop, Start, Pause and Resume are called one at a time.
type Server struct {
	config  Config
	program string

	mu     sync.Mutex // guards what follows
	cmd    *exec.Cmd  // nil while none runs
	exited chan struct{}
	said   bytes.Buffer
}

// Launch starts a server, which the caller must Kill or Stop, and waits until it
// accepts connections.
func Launch(program string, c Config) (*Server, error) {
	if c.Name == "" {
		c.Name = "n1"
	}
	s := &Server{config: c, program: program}
	if c.Port != 0 {
		return s, s.Start()
	}
	for attempt := 0; ; attempt++ {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		s.config.Port = port
		// Somebody else may have taken the port meanwhile.
		if err := s.Start(); err == nil || attempt == 3 {
			return s, err
		}
	}
}

// FreePort is a port of 127.0.0.1 that nobody listens at. It is below those that are
// given to outgoing connections, so that it is still free for a server that restarts.
func FreePort() (int, error) {
	var err error
	for range 100 {
		port := 12_000 + rand.IntN(18_000)
		var ln net.Listener
		if ln, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, ln.Close()
		}
	}
	return 0, err
}

// URL is where clients connect to the server.
func (s *Server) URL() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.config.Port) }

// Address is the one in URL.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.config.Port) }

// Name is what the server is called in its cluster.
func (s *Server) Name() string { return s.config.Name }

// StoreDir is where the server keeps its data.
func (s *Server) StoreDir() string {
	return filepath.Join(s.config.Dir, cmp.Or(s.config.store, "store"))
}

// Log is what the server has said.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.String()
}

// Write takes what the server says.
func (s *Server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(b)
}

func (s *Server) configuration() string {
	c := &s.config
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: %q\nhost: 127.0.0.1\nport: %d\nmax_payload: 1MB\n", c.Name, c.Port)
	if !c.NoJetStream {
		fmt.Fprintf(&b, "jetstream { store_dir: %q, max_mem: 1GB, max_file: 4GB }\n", s.StoreDir())
	}
	if c.Cluster != 0 {
		fmt.Fprintf(&b, "cluster { name: test, host: 127.0.0.1, port: %d, routes: [\n", c.Cluster)
		for _, port := range c.Routes {
			fmt.Fprintf(&b, "  nats://127.0.0.1:%d\n", port)
		}
		b.WriteString("] }\n")
	}
	return b.String() + c.Extra
}

var errRuns = errors.New("natstest: the server runs already")

// Start starts a server that was killed or stopped, with what it has stored, and waits
// until it accepts connections.
func (s *Server) Start() error {
	file := filepath.Join(s.config.Dir, s.config.Name+".conf")
	if err := os.WriteFile(file, []byte(s.configuration()), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(s.program, "-c", file)
	cmd.Stdout, cmd.Stderr = s, s
	s.mu.Lock()
	if s.cmd != nil {
		s.mu.Unlock()
		return errRuns
	}
	if err := cmd.Start(); err != nil {
		s.mu.Unlock()
		return err
	}
	exited := make(chan struct{})
	s.cmd, s.exited = cmd, exited
	s.mu.Unlock()
	go func() {
		_ = cmd.Wait() // how it ended is in the log
		close(exited)
	}()
	return s.awaitPort(exited)
}

func (s *Server) awaitPort(exited <-chan struct{}) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		if nc, err := net.Dial("tcp", s.Address()); err == nil {
			return nc.Close()
		}
		select {
		case <-tick.C:
		case <-exited:
			s.mu.Lock()
			s.cmd = nil
			s.mu.Unlock()
			return fmt.Errorf("natstest: nats-server has ended: %s", s.Log())
		case <-timeout.C:
			return errors.Join(fmt.Errorf("natstest: nats-server does not listen after %v: %s", patience, s.Log()), s.Kill())
		}
	}
}

// Kill ends the server as kill -9 does. It does nothing to a server that does not run.
func (s *Server) Kill() error { return s.end(func(p *os.Process) error { return p.Kill() }) }

// Stop ends the server as its operator would, with time to write what it holds.
func (s *Server) Stop() error {
	return s.end(func(p *os.Process) error { return p.Signal(syscall.SIGTERM) })
}

func (s *Server) end(how func(*os.Process) error) error {
	s.mu.Lock()
	cmd, exited := s.cmd, s.exited
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := how(cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-exited:
		return nil
	case <-timeout.C:
		_ = cmd.Process.Kill()
		<-exited
		return fmt.Errorf("natstest: nats-server has not ended after %v", patience)
	}
}

// PID is the server's process, 0 while none runs.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}
