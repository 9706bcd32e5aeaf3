package natstest

import (
	"fmt"
	"strings"
	"testing"
)

// Start starts a server for the test, alone, which ends with the test. Dir and Port are
// chosen if c has none.
func Start(t testing.TB, c Config) *Server {
	t.Helper()
	program := Require(t)
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s, err := Launch(program, c)
	if err != nil {
		t.Fatal(err)
	}
	s.endWith(t)
	return s
}

func (s *Server) endWith(t testing.TB) {
	t.Cleanup(func() {
		if err := s.Kill(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			log := s.Log()
			t.Logf("%s said: %s", s.Name(), log[max(0, len(log)-4000):])
		}
	})
}

// Cluster is several servers that are one.
type Cluster struct{ Servers []*Server }

// StartCluster starts n servers that know each other, and end with the test. When it
// returns they may not have a leader yet.
func StartCluster(t testing.TB, n int) *Cluster {
	t.Helper()
	program := Require(t)
	dir := t.TempDir()
	c, err := LaunchCluster(program, func(int) string { return dir }, n)
	for _, s := range c.Servers {
		s.endWith(t)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// LaunchCluster starts n servers that know each other, named n1 and so on; dir is where
// each of them, from 0, writes, below its own name if they are the same. The caller kills those that are
// returned, also with an error.
func LaunchCluster(program string, dir func(i int) string, n int) (*Cluster, error) {
	c := new(Cluster)
	ports := make([]int, 2*n)
	for i := range ports {
		var err error
		if ports[i], err = FreePort(); err != nil {
			return c, err
		}
	}
	for i := range n {
		name := fmt.Sprint("n", i+1)
		config := Config{Dir: dir(i), Name: name, Port: ports[i], Cluster: ports[n+i], Routes: ports[n:]}
		config.store = name
		s, err := Launch(program, config)
		if err != nil {
			return c, err
		}
		c.Servers = append(c.Servers, s)
	}
	return c, nil
}

// URL is where clients connect to the servers: all of them, separated by commas.
func (c *Cluster) URL() string { return strings.Join(c.URLs(), ",") }

// URLs are where clients connect to each of the servers.
func (c *Cluster) URLs() []string {
	urls := make([]string, len(c.Servers))
	for i, s := range c.Servers {
		urls[i] = s.URL()
	}
	return urls
}

// Named is the server of that name, nil if there is none.
func (c *Cluster) Named(name string) *Server {
	for _, s := range c.Servers {
		if s.Name() == name {
			return s
		}
	}
	return nil
}
