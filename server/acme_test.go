package server

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// pebbleModule is the authority of the tests, built in a module of its own: nothing of it
// is a dependency of this one.
const pebbleModule = "github.com/letsencrypt/pebble/v2"

// buildPebble returns the program, or skips the test where it cannot be had.
func buildPebble(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) error {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
		}
		return nil
	}
	program := filepath.Join(dir, "pebble")
	err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module authority\n\ngo 1.26.0\n"), 0o600)
	if err == nil {
		err = run("get", pebbleModule+"/cmd/pebble@v2.10.3")
	}
	if err == nil {
		err = run("build", "-o", program, pebbleModule+"/cmd/pebble")
	}
	switch {
	case err == nil:
	case os.Getenv("GODWIT_REQUIRE_ALL") != "":
		t.Fatalf("pebble cannot be built, and GODWIT_REQUIRE_ALL is set: %v", err)
	default:
		t.Skipf("pebble cannot be built: %v", err)
	}
	return program
}

// serveNames answers every question for an address with that of loopback, over TCP as
// pebble asks, until the test ends.
func serveNames(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			answerName(conn)
		}
	}()
	t.Cleanup(func() { ln.Close(); <-ended })
	return ln.Addr().String()
}

// answerName answers one question, each behind its length (RFC 1035 §4.2.2).
func answerName(conn net.Conn) {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	length := make([]byte, 2)
	if _, err := io.ReadFull(conn, length); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(length))
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	if answer, err := m.Pack(); err == nil {
		_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	}
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// A certificate comes from an authority that asks by HTTP-01 or TLS-ALPN-01, and outlives
// the server in its storage.
func TestACME(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds an authority")
	}
	pebble, names := buildPebble(t), serveNames(t)
	files, trust := certificate(t)
	for _, driver := range drivers {
		for _, challenge := range []string{"http-01", "tls-alpn-01"} {
			t.Run(driver+"/"+challenge, func(t *testing.T) {
				port, storage := freePort(t), filepath.Join(t.TempDir(), "acme")
				c := Config{Driver: driver, Listen: []string{"127.0.0.1:0"}, Demo: new(false), Origins: []string{"https://a.example"}, TLS: TLS{ACME: ACME{
					Domains: []string{"a.example"}, Email: "operator@b.example", Directory: fmt.Sprintf("https://localhost:%d/dir", port),
					Storage: storage, HTTP: "127.0.0.1:0",
				}}}
				run := func(before func(s *Server)) {
					log := new(logBuffer)
					c.Logger = log.logger()
					s, err := New(c)
					if err != nil {
						t.Fatal(err)
					}
					s.tls.roots = trust.RootCAs
					if err := s.Listen(t.Context()); err != nil {
						t.Fatal(err)
					}
					before(s)
					ctx, cancel := context.WithCancel(t.Context())
					ended := make(chan error, 1)
					go func() { ended <- s.Run(ctx) }()
					r := &running{Server: s, log: log}
					var state tls.ConnectionState
					t.Cleanup(func() {
						if t.Failed() {
							t.Log(log)
						}
					})
					r.await(t, func() bool {
						nc, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
						if err != nil {
							return false
						}
						state = nc.ConnectionState()
						return nc.Close() == nil
					})
					if leaf := state.PeerCertificates[0]; leaf.VerifyHostname("a.example") != nil || !strings.Contains(leaf.Issuer.CommonName, "Pebble") || state.NegotiatedProtocol != "h2" {
						t.Errorf("%v by %v, %s", leaf.DNSNames, leaf.Issuer, state.NegotiatedProtocol)
					}
					if at := s.tls.expiries([]string{"a.example"}); len(at) != 1 || time.Until(at[0].at) < time.Hour {
						t.Error(at)
					}
					askPlain(t, s.tls.httpLn[0].Addr().String())
					cancel()
					if err := <-ended; err != nil {
						t.Error(err)
					}
				}
				var stop func()
				run(func(s *Server) {
					dead := freePort(t)
					httpPort, tlsPort := portOf(s.tls.httpLn), dead
					if challenge == "tls-alpn-01" {
						httpPort, tlsPort = dead, portOf(s.bound())
					}
					stop = startPebble(t, pebble, names, map[string]any{
						"listenAddress": fmt.Sprint("127.0.0.1:", port), "managementListenAddress": fmt.Sprint("127.0.0.1:", freePort(t)),
						"certificate": files.Cert, "privateKey": files.Key, "httpPort": httpPort, "tlsPort": tlsPort,
						"profiles": map[string]any{"default": map[string]any{"description": "of the test", "validityPeriod": 7776000}},
					})
				})
				stop()
				run(func(*Server) {}) // without the authority
			})
		}
	}
}

// startPebble starts the authority, and returns how to end it.
func startPebble(t *testing.T, program, names string, config map[string]any) (stop func()) {
	t.Helper()
	b, err := json.Marshal(map[string]any{"pebble": config})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, "-config", path, "-dnsserver", names)
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop = func() { cancel(); _ = cmd.Wait() } // it was killed
	t.Cleanup(stop)
	new(running).await(t, func() bool {
		nc, err := net.Dial("tcp", config["listenAddress"].(string))
		if err != nil {
			return false
		}
		return nc.Close() == nil
	})
	return stop
}

// askPlain asks at the port for HTTP-01, which redirects what is no challenge.
func askPlain(t *testing.T, address string) {
	t.Helper()
	for host, want := range map[string]int{"a.example": http.StatusPermanentRedirect, "evil.example": http.StatusMisdirectedRequest} {
		q, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+"/channels/c?last=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Host = host
		p, err := http.DefaultTransport.RoundTrip(q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, p.Body)
		p.Body.Close()
		if at := p.Header.Get("Location"); p.StatusCode != want || want == http.StatusPermanentRedirect && at != "https://a.example/channels/c?last=1" {
			t.Errorf("%s: %s %s", host, p.Status, at)
		}
	}
}
