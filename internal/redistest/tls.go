package redistest

import (
	"strconv"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/certtest"
)

// TLS is how servers listen at a second port, where they speak TLS: with a certificate, and each wants one of its clients
// that is of the authority in the file CA. Among each other they speak TLS, too.
type TLS struct {
	Pair certtest.Pair
	CA   string
}

// directives are those of a server that speaks TLS at a port.
func (c *TLS) directives(port int) []string {
	return []string{
		"tls-port " + strconv.Itoa(port), "tls-cert-file " + c.Pair.Cert, "tls-key-file " + c.Pair.Key, "tls-ca-cert-file " + c.CA,
		"tls-auth-clients yes", "tls-replication yes", "tls-cluster yes",
	}
}

// StartTLS is Start of a server that speaks TLS, too.
func StartTLS(t testing.TB, c TLS) *Server {
	t.Helper()
	return start(t, layout{tls: &c})
}

// StartReplicatedTLS is StartReplicated of servers and a sentinel that speak TLS with each other and with clients.
func StartReplicatedTLS(t testing.TB, c TLS) *Replicated {
	t.Helper()
	return startReplicated(t, &c, time.Second)
}

// StartClusterTLS is StartCluster of servers that speak TLS with each other and with clients.
func StartClusterTLS(t testing.TB, c TLS, n int) *Cluster {
	t.Helper()
	return startCluster(t, &c, n)
}
