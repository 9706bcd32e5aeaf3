package natstest

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// info is what the server says first.
func info(t *testing.T, s *Server) string {
	t.Helper()
	nc, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetReadDeadline(time.Now().Add(patience))
	line, err := bufio.NewReader(nc).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestServerComesBackWhereItWas(t *testing.T) {
	s := Start(t, Config{Extra: "max_connections: 77\n"})
	for _, end := range []func() error{s.Kill, s.Stop, s.Kill} {
		if line := info(t, s); !strings.HasPrefix(line, "INFO ") || !strings.Contains(line, `"jetstream":true`) {
			t.Errorf("the server said %q", line)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if nc, err := net.Dial("tcp", s.Address()); err == nil {
			nc.Close()
			t.Fatal("the server still listens")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(); err != errRuns {
		t.Errorf("a second Start: %v", err)
	}
}

func TestServersKnowEachOther(t *testing.T) {
	c := StartCluster(t, 3)
	if c.Named("n2") != c.Servers[1] || c.Named("n4") != nil {
		t.Error("servers are not found by their names")
	}
	for _, s := range c.Servers {
		if line := info(t, s); !strings.Contains(line, `"cluster":"test"`) {
			t.Errorf("the server said %q", line)
		}
	}
}
