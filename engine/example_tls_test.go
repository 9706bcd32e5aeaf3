package engine_test

import (
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/godwit-io/godwit/engine"
)

// Wss on a port that serves a site as well, for clients that show a certificate.
// Everything is crypto/tls' own configuration:
//
//   - ALPN: WebSockets are opened over http/1.1, which is what clients of theirs
//     ask for. With h2 in NextProtos, browsers get the site over HTTP/2.
//   - Session tickets: a client that comes back resumes without another exchange of keys and
//     certificates, and after a restart of the server everybody comes back at once.
//     They work by themselves within a process. Several processes behind one
//     name share the keys with SetSessionTicketKeys, and keys that outlive a
//     restart come from there, too; change them every few hours.
//   - Client certificates are verified in the handshake, before there is a request.
//     The client's identity comes from Request.ConnectionState in Admit, and later from that of
//     the Conn. With VerifyClientCertIfGiven instead, Admit decides what is open
//     to clients that have none.
//   - A certificate that is renewed while the server runs comes from GetCertificate.
//     It runs on the goroutine of a handshake, so it may take its time, and it keeps
//     one of TLSHandshakesMax places meanwhile.
func ExampleServer_ServeTLS() {
	certificate, err := tls.LoadX509KeyPair("server.pem", "server.key")
	if err != nil {
		log.Fatal(err)
	}
	authority, err := os.ReadFile("clients.pem")
	if err != nil {
		log.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority)

	s := &engine.Server{
		Handler: shout{},
		HTTP:    http.FileServer(http.Dir("site")),
		Admit: func(r *engine.Request) engine.Admission {
			return engine.Admission{Value: r.ConnectionState().PeerCertificates[0].Subject.CommonName}
		},
	}
	ln, err := net.Listen("tcp", ":8443")
	if err != nil {
		log.Fatal(err)
	}
	log.Print(s.ServeTLS(ln, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"h2", "http/1.1"},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    clients,
	}))
}
