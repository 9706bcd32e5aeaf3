package server

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/natstest"
)

// Two servers at one NATS are one: what one is given, the other has, and keys are known
// to both.
func TestServersShareNATS(t *testing.T) {
	t.Parallel() // a stream is waited for
	nats := natstest.Start(t, natstest.Config{Extra: "authorization { user: godwit, password: s3cret }\n"})
	setenv(t, "NATS_URL", nats.URL()+", "+nats.URL())
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var servers []*running
	for range 2 {
		s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, "env:NATS_URL")}, User: "godwit", Password: asSecret(t, "file:"+file)}})
		servers = append(servers, s)
	}
	for _, s := range servers {
		s.awaitReady(t, http.StatusOK)
	}
	for _, s := range servers {
		a := s.do(t, http.MethodPost, "/channels/news", "hello", "Idempotency-Key", "k")
		if a.StatusCode/100 != 2 {
			t.Fatalf("%s %s", a.Status, a.body)
		}
	}
	for i, s := range servers {
		if a := s.do(t, http.MethodGet, "/channels/news?last=10", "", "Accept", "application/json"); strings.Count(a.body, "hello") != 1 {
			t.Errorf("server %d has %s", i, a.body)
		}
	}
}

// A server starts without its broker, is not ready, and has it when it comes.
func TestNATSComesLater(t *testing.T) {
	t.Parallel() // a server that is away is tried again after a while
	nats := natstest.Start(t, natstest.Config{})
	if err := nats.Kill(); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, nats.URL())}, Away: time.Millisecond}})
	s.awaitReady(t, http.StatusServiceUnavailable)
	if a := s.do(t, http.MethodGet, "/healthz", ""); a.StatusCode != http.StatusOK {
		t.Errorf("/healthz answers %s %s", a.Status, a.body)
	}
	if a := s.do(t, http.MethodPost, "/channels/news", "hello"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("a publisher is answered %s %s", a.Status, a.body)
	}
	for range 2 {
		if err := nats.Start(); err != nil {
			t.Fatal(err)
		}
		s.awaitReady(t, http.StatusOK)
		if a := s.do(t, http.MethodPost, "/channels/news", "hello"); a.StatusCode/100 != 2 {
			t.Errorf("a publisher is answered %s %s", a.Status, a.body)
		}
		if err := nats.Kill(); err != nil {
			t.Fatal(err)
		}
		s.awaitReady(t, http.StatusServiceUnavailable)
	}
}

// A fault of a password is named without it.
func TestNATSPasswordStaysSecret(t *testing.T) {
	nats := natstest.Start(t, natstest.Config{Extra: "authorization { user: ann, password: another }\n"})
	url := "nats://ann:s3cret@" + nats.Address()
	s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, url)}, Away: time.Millisecond}})
	s.awaitReady(t, http.StatusServiceUnavailable)
	s.logs(t, "authorization violation")
	a := s.do(t, http.MethodPost, "/channels/news", "hello")
	if log := s.log.String(); strings.Contains(log+a.body, "s3cret") {
		t.Errorf("the log is %s, and a publisher is answered %s", log, a.body)
	}
	for _, wrong := range []struct {
		broker Broker
		key    string
	}{
		{Broker{URL: []Secret{asSecret(t, "nats://ann:s3cret@h:port")}}, "broker.url[0]"},
		{Broker{URL: []Secret{asSecret(t, "env:NOT_SET_AT_ALL")}}, "broker.url[0]"},
		{Broker{URL: []Secret{asSecret(t, nats.URL()), asSecret(t, "redis://:s3cret@localhost")}}, "broker.url[1]"},
		{Broker{URL: []Secret{asSecret(t, nats.URL())}, Password: asSecret(t, "file:/none")}, "broker.password"},
		{Broker{URL: []Secret{asSecret(t, nats.URL())}, TLS: BrokerTLS{CA: "/none.pem"}}, "broker.tls.ca"},
		{Broker{URL: []Secret{asSecret(t, nats.URL())}, NATS: BrokerNATS{Credentials: "/none.creds"}}, "broker.nats.credentials"},
		{Broker{URL: []Secret{asSecret(t, nats.URL())}, NATS: BrokerNATS{Replicas: 6}}, "broker.nats.replicas"},
		{Broker{URL: []Secret{asSecret(t, nats.URL())}, NATS: BrokerNATS{Prefix: "a.b"}}, "broker.nats.prefix"},
	} {
		s, err := New(Config{Broker: wrong.broker})
		var setting *SettingError
		if !errors.As(err, &setting) || setting.Key != wrong.key || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", wrong.key, err)
		}
		if err == nil {
			_ = s.Close()
		}
	}
}
