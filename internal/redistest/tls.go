package redistest

import (
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/internal/certtest"
)

// StartTLS is Start of a server that listens at a second port, where it speaks TLS with a certificate and
// wants one of its clients that is of the authority in the file ca. url is rediss:// with that port.
func StartTLS(t testing.TB, pair certtest.Pair, ca string) (s *Server, url string) {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	s = Start(t, "--tls-port", fmt.Sprint(port), "--tls-cert-file", pair.Cert, "--tls-key-file", pair.Key, "--tls-ca-cert-file", ca, "--tls-auth-clients", "yes")
	return s, fmt.Sprintf("rediss://127.0.0.1:%d", port)
}
