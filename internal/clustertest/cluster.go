//go:build unix

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Options says what to run. The zero value is one node that keeps everything in memory.
type Options struct {
	// Nodes is how many there are. Default 1.
	Nodes int

	// Settings are the configuration of every node as YAML, besides listen, pid_file and
	// cluster.name. {dir} in it is a directory of the node's own.
	Settings string

	// Args are more arguments of `serve`, for every node.
	Args []string

	// Program is the program to run. Default what Program has built.
	Program string
}

// Cluster is several nodes.
type Cluster struct {
	Nodes []*Node
}

// Start starts all nodes and waits until each is ready. They are killed when the test
// ends; if it has failed, what they logged last goes to its log.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c := New(t, o)
	started := make(chan error)
	for _, n := range c.Nodes {
		go func() { started <- n.Start(t.Context()) }()
	}
	var err error
	for range c.Nodes {
		err = errors.Join(err, <-started)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// New is Start without starting anything: Node.Start does.
func New(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Program == "" {
		o.Program = Program(t)
	}
	c := &Cluster{}
	for i := range max(o.Nodes, 1) {
		c.Nodes = append(c.Nodes, newNode(t, fmt.Sprint("node-", i+1), &o))
	}
	t.Cleanup(func() {
		for _, n := range c.Nodes {
			if err := n.Kill(); err != nil {
				t.Error(err)
			}
			if t.Failed() {
				t.Logf("%s at %s logged last:\n%s", n.name, n.address, n.LogTail(30))
			}
		}
	})
	return c
}

func newNode(t testing.TB, name string, o *Options) *Node {
	t.Helper()
	n := &Node{name: name, program: o.Program, address: Address(t), dir: t.TempDir(), log: newTranscript()}
	config := filepath.Join(n.dir, "godwit.yaml")
	settings := fmt.Sprintf("listen: %s\npid_file: %s\ncluster: {name: %s}\n", n.address, n.pidFile(), name) +
		strings.ReplaceAll(o.Settings, "{dir}", n.dir)
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	n.args = append([]string{"serve", "--demo=false", "--config", config}, o.Args...)
	return n
}

// Ports that a server can have again after a new start. Those from 32768 on are lent to
// connections, and one of these could have taken it meanwhile.
const (
	portMin = 12000
	portEnd = 32000
)

// Address returns an address on loopback that nobody listens at, for a server that will
// be started there again and again.
func Address(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(portMin+rand.IntN(portEnd-portMin)))
		if l, err := net.Listen("tcp", address); err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return address
		}
	}
	t.Fatal("clustertest: there is no free port")
	return ""
}

// URLs are those of all nodes.
func (c *Cluster) URLs() (urls []string) {
	for _, n := range c.Nodes {
		urls = append(urls, n.URL())
	}
	return urls
}

// Roll replaces one node after another, as a deployment does: it ends in good order, is
// started, and the next one's turn comes when it is ready and between, which may be nil,
// has returned.
func (c *Cluster) Roll(ctx context.Context, between func(*Node) error) error {
	for _, n := range c.Nodes {
		if err := n.Stop(); err != nil {
			return err
		}
		if err := n.Start(ctx); err != nil {
			return err
		}
		if between == nil {
			continue
		}
		if err := between(n); err != nil {
			return err
		}
	}
	return nil
}
