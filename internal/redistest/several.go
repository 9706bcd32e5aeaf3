package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// MasterName is what sentinels call the master.
const MasterName = "test"

// Replicated is a master with a replica, and a sentinel that makes the replica the master
// when the master has not answered for a second.
type Replicated struct {
	Servers  []*Server // the first is the master when it starts
	Sentinel *Server
}

// StartReplicated starts the three and waits until they know each other. args are
// directives for both servers.
func StartReplicated(t testing.TB, args ...string) *Replicated {
	t.Helper()
	return startReplicated(t, nil, time.Second, args...)
}

// StartReplicatedForGood is StartReplicated with a sentinel that waits for a master for
// as long as any test takes: for tests in which no server fails, on a machine
// that may leave one without a processor for a second.
func StartReplicatedForGood(t testing.TB, args ...string) *Replicated {
	t.Helper()
	return startReplicated(t, nil, time.Hour, args...)
}

func startReplicated(t testing.TB, c *TLS, deadAfter time.Duration, args ...string) *Replicated {
	t.Helper()
	as := layout{tls: c}
	master := start(t, as, args...)
	replica := start(t, as, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.peerPort())}, args...)...)
	await(t, "the replica follows", func() bool { return replica.says("master_link_status", "up") })
	as.sentinel = fmt.Sprintf("sentinel monitor %s 127.0.0.1 %d 1\nsentinel down-after-milliseconds %[1]s %[3]d\nsentinel failover-timeout %[1]s 3000\n",
		MasterName, master.peerPort(), deadAfter.Milliseconds())
	sentinel := start(t, as, "--sentinel")
	await(t, "the sentinel knows the replica", func() bool {
		answer, err := sentinel.Do("SENTINEL", "REPLICAS", MasterName)
		list, _ := answer.([]any)
		return err == nil && len(list) == 1
	})
	return &Replicated{Servers: []*Server{master, replica}, Sentinel: sentinel}
}

// URL is that of the sentinel.
func (r *Replicated) URL() string {
	return r.Sentinel.URL() + "?sentinel_master=" + MasterName
}

// Master is the server that the sentinel takes for the master, and Other the other one.
func (r *Replicated) Master(t testing.TB) *Server {
	t.Helper()
	answer, err := r.Sentinel.Do("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MasterName)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Servers {
		if strings.HasSuffix(fmt.Sprint(answer), " "+strconv.Itoa(s.peerPort())+"]") {
			return s
		}
	}
	t.Fatalf("the sentinel takes %v for the master", answer)
	return nil
}

// Other is the server that is not s.
func (r *Replicated) Other(s *Server) *Server {
	if r.Servers[0] == s {
		return r.Servers[1]
	}
	return r.Servers[0]
}

// AwaitMaster waits until s is the master for the sentinel and for itself.
func (r *Replicated) AwaitMaster(t testing.TB, s *Server) {
	t.Helper()
	await(t, s.Address()+" is the master", func() bool { return r.Master(t) == s && s.says("role", "master") })
}

// AwaitReplica waits until s follows the other server.
func (r *Replicated) AwaitReplica(t testing.TB, s *Server) {
	t.Helper()
	await(t, s.Address()+" follows", func() bool { return s.says("master_link_status", "up") })
}

// slots is how many there are in a cluster.
const slots = 16384

// Cluster is several masters, each with a part of the slots.
type Cluster struct{ Servers []*Server }

// StartCluster starts n masters, which share the slots, and waits until all serve.
func StartCluster(t testing.TB, n int, args ...string) *Cluster {
	t.Helper()
	return startCluster(t, nil, n, args...)
}

func startCluster(t testing.TB, tls *TLS, n int, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{}
	for i := range n {
		s := start(t, layout{isCluster: true, tls: tls}, args...)
		s.Must(t, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*slots/n), strconv.Itoa((i+1)*slots/n-1))
		s.Must(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		c.Servers = append(c.Servers, s)
	}
	for _, s := range c.Servers[1:] {
		s.Must(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(c.Servers[0].peerPort()), strconv.Itoa(c.Servers[0].bus))
	}
	c.AwaitReady(t)
	return c
}

// AwaitReady waits until every server knows all of them and serves.
func (c *Cluster) AwaitReady(t testing.TB) {
	t.Helper()
	for _, s := range c.Servers {
		await(t, s.Address()+" serves", func() bool {
			answer, err := s.Do("CLUSTER", "INFO")
			info := fmt.Sprint(answer)
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d\r", len(c.Servers)))
		})
	}
}

// URLs are those of all servers.
func (c *Cluster) URLs() (urls []string) {
	for _, s := range c.Servers {
		urls = append(urls, s.URL())
	}
	return urls
}
