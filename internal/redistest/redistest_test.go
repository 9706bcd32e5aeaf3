package redistest

import (
	"bufio"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerComesBackWhereItWas(t *testing.T) {
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	for i, end := range []func() error{s.Kill, s.Stop, s.Kill} {
		if n := s.Must(t, "INCR", "n"); n != string(rune('1'+i)) {
			t.Errorf("the number is %s after %d restarts", n, i)
		}
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Do("PING"); err == nil {
			t.Fatal("the server still answers")
		}
		if s.PID() != 0 {
			t.Error("a server that has ended has a process")
		}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Start(); err == nil {
		t.Error("a second Start has no error")
	}
}

func TestSentinelChangesTheMaster(t *testing.T) {
	if testing.Short() {
		t.Skip("a sentinel takes seconds to see that a master is gone")
	}
	r := StartReplicated(t)
	first := r.Master(t)
	first.Must(t, "SET", "k", "v")
	second := r.Other(first)
	await(t, "the replica has it", func() bool { return second.Must(t, "GET", "k") == "v" })
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	r.AwaitMaster(t, second)
	if v := second.Must(t, "GET", "k"); v != "v" {
		t.Errorf("the new master has %q", v)
	}
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	r.AwaitReplica(t, first)
}

func TestClusterSharesSlots(t *testing.T) {
	if testing.Short() {
		t.Skip("a cluster takes two seconds to serve, and package redisbroker starts some in every run")
	}
	c := StartCluster(t, 3)
	moved := 0
	for _, s := range c.Servers {
		if _, err := s.Do("SET", "k", "v"); err != nil {
			if !strings.HasPrefix(err.Error(), "MOVED ") {
				t.Error(err)
			}
			moved++
		}
	}
	if moved != 2 || len(c.URLs()) != 3 {
		t.Errorf("%d of 3 servers say that a key is elsewhere", moved)
	}
}

func TestAnswers(t *testing.T) {
	for in, want := range map[string]string{"$-1\r\n": "", "-ERR no\r\n": "ERR no", "": "EOF", "\r\n": "redistest: an empty answer", "!x\r\n": `redistest: the answer "!x"`, "*-1\r\n": ""} {
		answer, err := readAnswer(bufio.NewReader(strings.NewReader(in)))
		if answer != nil || err != nil && err.Error() != want || err == nil && want != "" {
			t.Errorf("%q is %v, %v", in, answer, err)
		}
	}
}
