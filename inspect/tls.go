package inspect

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// errUntrusted ends an attempt whose certificate cannot be trusted.
var errUntrusted = errors.New("the certificate cannot be trusted")

// secured is what TLS was like, beside what the report shows.
type secured struct {
	reasons   []distrust // not to trust the certificate
	asked     bool       // the server asked for a certificate of the client
	presented bool       // it sent certificates
}

// startTLS makes the TLS handshake. The names in the certificate are judged
// afterwards, so that everything that is wrong with it can be said.
func (in *inspector) startTLS(ctx context.Context, nc net.Conn, t *target, s spec, x *Exchange) (net.Conn, *secured, error) {
	ctx, cancel := context.WithTimeout(ctx, in.options.Timeout)
	defer cancel()
	facts := new(secured)
	config := &tls.Config{
		ServerName:         t.host(),
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true, // judgeChain verifies
		MinVersion:         s.tlsVersion,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			facts.asked = true
			return new(tls.Certificate), nil
		},
	}
	if s.alpn != nil {
		config.NextProtos = s.alpn
	}
	began := time.Now()
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, facts, err
	}
	state := secure.ConnectionState()
	x.TLS = &TLS{Took: time.Since(began), Version: tls.VersionName(state.Version), Cipher: tls.CipherSuiteName(state.CipherSuite), ALPN: printable(state.NegotiatedProtocol, quotedBytesMax)}
	for i, c := range state.PeerCertificates {
		if i < 10 {
			x.TLS.Chain = append(x.TLS.Chain, describeCertificate(c))
		}
	}
	if facts.presented = len(state.PeerCertificates) > 0; facts.presented {
		facts.reasons = judgeChain(state.PeerCertificates, t.host(), in.options.Roots, time.Now())
	}
	x.TLS.Trusted = facts.presented && len(facts.reasons) == 0
	if !x.TLS.Trusted && !in.options.Insecure {
		secure.Close()
		return nil, facts, errUntrusted
	}
	return secure, facts, nil
}

// judgeTLS says what TLS was like when it was agreed.
func (in *inspector) judgeTLS(x *Exchange, facts *secured) {
	for _, d := range facts.reasons {
		f := in.found(d.id, d.means, d.do)
		if in.options.Insecure && f.Grade == Error {
			f.Grade = Warning
			f.Means += " It was used all the same, because of --insecure; browsers refuse it."
		} else if f.Grade == Error {
			f.Do += " To look further in spite of it, add --insecure."
		}
	}
	if !x.TLS.Trusted {
		return
	}
	leaf := x.TLS.Chain[0]
	if end := leaf.NotAfter; expiresSoon(leaf.NotBefore, end, time.Now()) {
		in.found("cert-expires-soon", "The certificate expires on "+end.Format("2006-01-02")+", in "+showDays(time.Until(end))+".",
			"Renew it now, and find out why that did not happen by itself.")
	}
	in.found("tls-ok", fmt.Sprintf("%s with %s; the certificate is trusted and valid until %s.", x.TLS.Version, x.TLS.Cipher, leaf.NotAfter.Format("2006-01-02")), "")
}

// judgeTLSFailure explains why no TLS was agreed. Where the error leaves it
// open, it tries again with one thing changed.
func (in *inspector) judgeTLSFailure(ctx context.Context, a *attempt) {
	t, err, text := a.target, a.err, a.err.Error()
	var record tls.RecordHeaderError
	kind := errorKind(err)
	switch {
	case errors.As(err, &record) && looksLikeHTTP(record.RecordHeader[:]):
		in.plainAnswer(ctx, t, "The server answers at port "+t.port()+" in plain HTTP: it is an http server, and the URL says wss.")
	case errors.As(err, &record):
		in.found("tls-not-tls", "What answers at port "+t.port()+" does not speak TLS: it began with "+quote(string(record.RecordHeader[:]))+".",
			"Check the port: something else than a web server listens there.")
	case strings.Contains(text, "tls: no application protocol"), strings.Contains(text, "unadvertised ALPN"):
		in.judgeALPN(ctx, t)
	case strings.Contains(text, "protocol version"):
		in.judgeVersion(ctx, t, err)
	case a.tls.asked, strings.Contains(text, "certificate required"):
		in.clientCertificate()
	case strings.Contains(text, "unrecognized name"):
		in.found("tls-unknown-name", "The server has no certificate for the name "+quote(t.host())+" and refuses it.",
			"Check that the name is configured at the server, and that the DNS leads to the right one.")
	case strings.Contains(text, "remote error: tls: "):
		alert := explainError(err)
		do := "Look into the server's log; a common reason is that it allows only versions or cipher suites that clients no longer offer, or wants a certificate of the client."
		if in.spokeOldTLS(ctx, t) {
			in.oldVersion()
			return
		}
		in.found("tls-refused", "The server refused the TLS handshake: "+alert+".", do)
	case kind == timedOut:
		in.found("tls-timeout", "The TLS handshake did not end within "+show(in.options.Timeout)+".",
			"Check that a TLS server listens at port "+t.port()+" and is not overloaded, and that nothing in between swallows large packets (MTU).")
	case kind == reset || kind == ended:
		if in.plainAnswer(ctx, t, "The server ended the connection when TLS began, and answers plain HTTP at port "+t.port()+": it is an http server, and the URL says wss.") {
			return
		}
		if in.spokeOldTLS(ctx, t) {
			in.oldVersion()
			return
		}
		in.found("tls-closed", "The server ended the connection during the TLS handshake ("+explainError(err)+").",
			"Check that TLS is configured at port "+t.port()+"; a firewall or a load balancer without a certificate for this name ends connections like this too.")
	default:
		in.found("tls-failed", "The TLS handshake failed: "+explainError(err)+".", "Look into the server's TLS configuration and log.")
	}
}

// plainAnswer finds out whether the port of t speaks plain HTTP, and says so.
func (in *inspector) plainAnswer(ctx context.Context, t *target, means string) bool {
	plain := t.with("ws")
	plain.url.Host = t.hostPort()
	p := in.probe(ctx, plain, in.spec(), "without TLS, at the same port")
	if p.Status == 0 {
		return false
	}
	do := "Use " + plain.String() + ", or configure TLS at that port, or use the port where TLS is."
	if p.Opened {
		do = "Use " + plain.String() + ", where a WebSocket opens; or configure TLS at that port, which pages from https need."
	}
	in.found("tls-plain-http", means, do)
	return true
}

// judgeALPN finds out whether a server that refused http/1.1 speaks HTTP/2 only.
func (in *inspector) judgeALPN(ctx context.Context, t *target) {
	s := in.spec()
	s.alpn = []string{"h2", "http/1.1"}
	chosen := ""
	in.probeTLS(ctx, t, s, "ALPN offers h2 too", func(x *TLS) string {
		chosen = x.ALPN
		return "it chose " + quote(x.ALPN)
	})
	what := "refuses it"
	if chosen == "h2" {
		what = "insists on HTTP/2"
	}
	in.found("tls-http2-only", "The handshake of a WebSocket needs HTTP/1.1, and the server "+what+" (ALPN).",
		"Allow http/1.1 beside h2 in the server's or load balancer's TLS settings; browsers open WebSockets over HTTP/1.1, unless an HTTP/2 connection is there already whose server announces extended CONNECT (RFC 8441).")
}

// judgeVersion finds out which old version a server speaks.
func (in *inspector) judgeVersion(ctx context.Context, t *target, err error) {
	if in.spokeOldTLS(ctx, t) {
		in.oldVersion()
		return
	}
	in.found("tls-refused", "The server refused the TLS handshake: "+explainError(err)+".", "Let it speak TLS 1.2 and 1.3.")
}

func (in *inspector) spokeOldTLS(ctx context.Context, t *target) bool {
	s := in.spec()
	s.tlsVersion = tls.VersionTLS10
	old := false
	in.probeTLS(ctx, t, s, "TLS 1.0 is allowed", func(x *TLS) string {
		old = x.Version == "TLS 1.0" || x.Version == "TLS 1.1"
		return "it chose " + x.Version
	})
	return old
}

func (in *inspector) oldVersion() {
	in.found("tls-old-version", "The server speaks no version of TLS newer than 1.1, which browsers refuse.",
		"Enable TLS 1.2 and 1.3 at the server; it may need an update to have them.")
}

func (in *inspector) clientCertificate() {
	in.found("tls-client-certificate", "The server wants a certificate of the client and does not go on without one.",
		"Make the certificate optional for this URL, or connect from where such a certificate is installed; godwit inspect sends none.")
}
