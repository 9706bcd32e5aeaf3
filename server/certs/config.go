package certs

import "crypto/tls"

// Source has the certificate for a handshake.
type Source interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Config is how a server speaks TLS with certificates of s: version 1.2 or later, and
// HTTP/2 with clients that want it. protocols are others that s needs.
func Config(s Source, protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: s.GetCertificate,
		NextProtos:     append([]string{"h2", "http/1.1"}, protocols...),
	}
}
