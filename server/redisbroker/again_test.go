package redisbroker

import (
	"net"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// TestMasterAgain: a master that was demoted, lost the end of what it had to the other one,
// and is the master again in the same process has the script and the epoch of before. It
// must not give out its positions again.
func TestMasterAgain(t *testing.T) {
	for name, publish := range map[string]func(t *testing.T, b *Broker, text string) hub.Position{
		"with keys":    func(t *testing.T, b *Broker, text string) hub.Position { return mustPublish(t, b, "c", text) },
		"without keys": func(t *testing.T, b *Broker, text string) hub.Position { return alone(t, b, text) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			masterAgain(t, publish)
		})
	}
}

func masterAgain(t *testing.T, publish func(t *testing.T, b *Broker, text string) hub.Position) {
	one, other := redistest.Start(t), redistest.Start(t)
	follow := func(replica, master *redistest.Server) {
		host, port, _ := net.SplitHostPort(master.Address())
		replica.Must(t, "REPLICAOF", host, port)
		for !strings.Contains(replica.Info(t, "master_link_status"), "up") {
		}
	}
	s := start(t, newBroker(t, one.URL()))
	s.listen("c")
	publish(t, s.b, "kept")
	follow(other, one)
	one.Must(t, "WAIT", "1", "20000")
	other.Must(t, "REPLICAOF", "NO", "ONE")
	lost := make(map[hub.Position]string)
	for _, text := range []string{"lost 1", "lost 2", "lost 3"} {
		lost[publish(t, s.b, text)] = text
	}
	s.awaitText("lost 3", "c")

	// As Sentinel does it: connections end when the role changes.
	follow(one, other)
	one.Must(t, "CLIENT", "KILL", "TYPE", "normal")
	one.Must(t, "REPLICAOF", "NO", "ONE")
	one.Must(t, "CLIENT", "KILL", "TYPE", "normal")
	for _, text := range []string{"new 1", "new 2", "new 3"} {
		if at := publish(t, s.b, text); lost[at] != "" {
			t.Errorf("%v is %q, and was %q", at, text, lost[at])
		}
	}
	if all := s.awaitText("new 3", "c"); all["c"].gaps == 0 {
		t.Error("no gap")
	}
}
