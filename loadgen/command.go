package loadgen

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// commanded is a server that the generator starts, and kills.
type commanded interface {
	// start starts it and waits until it listens.
	start(ctx context.Context) error

	// kill ends it without a chance to say anything, and waits until it has ended.
	kill()
}

// command is a server as a command line of the shell.
type command struct {
	line    string
	address string // where it is to listen
	timeout time.Duration

	cmd   *exec.Cmd
	said  tail
	ended chan struct{}
}

// listenPause is how often it is looked whether a server listens.
const listenPause = 10 * time.Millisecond

func (c *command) start(ctx context.Context) error {
	if conn, err := net.DialTimeout("tcp", c.address, c.timeout); err == nil {
		_ = conn.Close()
		return invalid("something listens at %s already; stop it, as the server is started here", c.address)
	}
	c.cmd = exec.Command("sh", "-c", "exec "+c.line)
	c.said = tail{}
	c.cmd.Stdout, c.cmd.Stderr = &c.said, &c.said
	ownGroup(c.cmd)
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("loadgen: cannot start the server: %w", err)
	}
	c.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(c.cmd, c.ended)
	limit, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	for {
		conn, err := net.DialTimeout("tcp", c.address, c.timeout)
		if err == nil {
			_ = conn.Close()
			return nil
		}
		select {
		case <-c.ended:
			return fmt.Errorf("loadgen: the server has ended at once (%v): %s", c.cmd.ProcessState, c.said.String())
		case <-limit.Done():
			c.kill()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("loadgen: the server does not listen at %s after %v: %s", c.address, c.timeout, c.said.String())
		case <-time.After(listenPause):
		}
	}
}

func (c *command) kill() {
	if c.cmd == nil || c.cmd.Process == nil {
		return
	}
	killGroup(c.cmd)
	<-c.ended
	c.cmd = nil
}

// tail keeps the last of what a program says. It is safe for concurrent use.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytesMax = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if n := len(t.b) - tailBytesMax; n > 0 {
		t.b = append(t.b[:0], t.b[n:]...)
	}
	return len(p), nil
}

// String is the last lines, or says that there are none.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.Join(strings.Fields(string(bytes.ToValidUTF8(t.b, nil))), " ")
	if text == "" {
		return "it has said nothing"
	}
	return text[max(0, len(text)-exampleBytesMax):]
}

// watched is an observer of one server after the other.
type watched struct {
	find func() (*observer, error)

	mu   sync.Mutex // guards what follows
	now  *observer
	gone reading // what those have used that have ended
	last reading // of the process that runs
}

// look looks for the server that has begun. It reports whether there is one to observe.
func (w *watched) look() bool {
	found, err := w.find()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone.cpu += w.last.cpu
	w.now, w.last = nil, reading{}
	if err == nil {
		w.now = found
	}
	return w.now != nil
}

// read is observer.read. While there is no server it uses nothing.
func (w *watched) read(ctx context.Context) (reading, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.now != nil {
		if got, err := w.now.read(ctx); err == nil {
			w.last = got
		} else {
			w.last.resident = 0 // it was killed
		}
	}
	return reading{cpu: w.gone.cpu + w.last.cpu, resident: w.last.resident}, nil
}
