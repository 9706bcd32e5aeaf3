package forward

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/certtest"
	"github.com/godwit-io/godwit/server/certs"
	"github.com/godwit-io/godwit/ws"
)

func mutual(t *testing.T, of *certtest.Authority, hosts ...string) *certs.Mutual {
	t.Helper()
	pair := of.Issue(t, nil, hosts...)
	m, err := certs.LoadMutual(pair.Cert, pair.Key, of.File, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTLSHandsOn: with TLS a request, and a WebSocket, are handed on as without, and what the other
// node sees of the client is the client's.
func TestTLSHandsOn(t *testing.T) {
	authority := certtest.NewAuthority(t)
	node, other := mutual(t, authority, "127.0.0.1"), mutual(t, authority, "127.0.0.1")
	p := newPairWith(t, func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil || r.RemoteAddr != "192.0.2.2:2" {
			t.Errorf("the other node sees TLS %v of %s, and the client had none", r.TLS, r.RemoteAddr)
		}
		if r.Header.Get("Upgrade") != "" {
			c, err := ws.Accept(w, r, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close(ws.StatusNormal, "")
			kind, data, err := c.Read(r.Context())
			if err == nil {
				err = c.Write(r.Context(), kind, data)
			}
			if err != nil {
				t.Error(err)
			}
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("got "), body...))
	}, other.Server(), node.Client, nil)
	answer, err := http.Post(p.url, "text/plain", strings.NewReader("this"))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(answer.Body)
	answer.Body.Close()
	if string(body) != "got this" || <-p.outcome != Answered {
		t.Errorf("the answer is %q", body)
	}
	c, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(p.url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Write(t.Context(), ws.MessageText, []byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := c.Read(t.Context()); err != nil || string(data) != "echo" {
		t.Errorf("%q came back, %v", data, err)
	}
	_ = c.Close(ws.StatusNormal, "")
}

// TestTLSDistrust: nodes that do not trust each other hand nothing on, in either direction, and the log
// of the one that refuses says why.
func TestTLSDistrust(t *testing.T) {
	authority, stranger := certtest.NewAuthority(t), certtest.NewAuthority(t)
	node, other := mutual(t, authority, "127.0.0.1"), mutual(t, authority, "127.0.0.1")
	foreign, misnamed := mutual(t, stranger, "127.0.0.1"), mutual(t, authority, "other.example.com")
	// It trusts the authority, and shows a certificate of another one, or none.
	shows := func(certificate *tls.Certificate) func(string) *tls.Config {
		return func(host string) *tls.Config {
			config := node.Client(host)
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return certificate, nil }
			return config
		}
	}
	theirs, err := foreign.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		server *tls.Config
		client func(string) *tls.Config
		want   string // in the log
	}{
		"a node of another authority":      {other.Server(), foreign.Client, "certificate signed by unknown authority"},
		"a certificate of another":         {other.Server(), shows(theirs), "certificate signed by unknown authority"},
		"no certificate":                   {other.Server(), shows(new(tls.Certificate)), "client didn't provide a certificate"},
		"a certificate for another host":   {misnamed.Server(), node.Client, "certificate is not valid for any names|doesn't contain any IP SANs"},
		"only this node has TLS":           {nil, node.Client, "first record does not look like a TLS handshake"},
		"only the other node has TLS":      {other.Server(), nil, "the node wants TLS"},
		"the other's authority is unknown": {foreign.Server(), node.Client, "certificate signed by unknown authority"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPairWith(t, func(http.ResponseWriter, *http.Request) { t.Error("the request was handed on") }, test.server, test.client, nil)
			answer, err := http.Post(p.url, "text/plain", strings.NewReader("content"))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if outcome := <-p.outcome; outcome != Unreachable || string(body) != "content" {
				t.Errorf("the outcome is %v, and %q is left to be answered here", outcome, body)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			p.gate.Shutdown(ctx) // nothing is logged any more
			isSaid := false
			for want := range strings.SplitSeq(test.want, "|") {
				isSaid = isSaid || strings.Contains(p.log.String(), want)
			}
			if !isSaid || !strings.Contains(p.log.String(), "level=WARN") {
				t.Errorf("the log does not say %q:\n%s", test.want, p.log.String())
			}
		})
	}
}

// TestTLSIsNoTLS: a client that speaks no TLS to a gate that does gets nothing of it.
func TestTLSIsNoTLS(t *testing.T) {
	node := mutual(t, certtest.NewAuthority(t), "127.0.0.1")
	p := newPairWith(t, func(http.ResponseWriter, *http.Request) { t.Error("somebody was let in") }, node.Server(), nil, nil)
	nc, err := net.Dial("tcp", p.to.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: a\r\n"+FieldToken+": "+p.to.Token+"\r\n\r\n")
	answer, _ := io.ReadAll(nc)
	if strings.Contains(string(answer), "200 OK") {
		t.Errorf("the answer is %q", answer)
	}
}
