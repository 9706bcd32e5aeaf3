package server

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/redistest"
)

// awaitReady waits until /readyz answers status.
func (r *running) awaitReady(t *testing.T, status int) {
	t.Helper()
	eventually(t, func() string {
		if a := r.do(t, http.MethodGet, "/readyz", ""); a.StatusCode != status {
			return fmt.Sprintf("/readyz answers %s %s", a.Status, a.body)
		}
		return ""
	})
}

// logs waits until the log has a text, in whatever case.
func (r *running) logs(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() string {
		if log := r.log.String(); !strings.Contains(strings.ToLower(log), text) {
			return fmt.Sprintf("%q is not in the log %s", text, log)
		}
		return ""
	})
}

func asSecret(t *testing.T, text string) Secret {
	t.Helper()
	s, err := ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Two servers at one Redis are one: what one is given, the other has, and keys are known to
// both.
func TestServersShareRedis(t *testing.T) {
	t.Parallel() // connections are waited for
	redis := redistest.Start(t, "--requirepass", "s3cret")
	setenv(t, "REDIS_URL", redis.URL())
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var servers []*running
	for range 2 {
		s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, "env:REDIS_URL")}, Password: asSecret(t, "file:"+file)}})
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
func TestRedisComesLater(t *testing.T) {
	t.Parallel() // a server that is away is tried again after a while
	redis := redistest.Start(t)
	if err := redis.Kill(); err != nil {
		t.Fatal(err)
	}
	s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, redis.URL())}, Away: time.Millisecond}})
	s.awaitReady(t, http.StatusServiceUnavailable)
	if a := s.do(t, http.MethodPost, "/channels/news", "hello"); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
		t.Errorf("a publisher is answered %s %s", a.Status, a.body)
	}
	for range 2 {
		if err := redis.Start(); err != nil {
			t.Fatal(err)
		}
		s.awaitReady(t, http.StatusOK)
		if a := s.do(t, http.MethodPost, "/channels/news", "hello"); a.StatusCode/100 != 2 {
			t.Errorf("a publisher is answered %s %s", a.Status, a.body)
		}
		if err := redis.Kill(); err != nil {
			t.Fatal(err)
		}
		s.awaitReady(t, http.StatusServiceUnavailable)
	}
}

// A fault of a password is named without it.
func TestRedisPasswordStaysSecret(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "another")
	url := "redis://ann:s3cret@" + redis.Address()
	s := start(t, Config{Broker: Broker{URL: []Secret{asSecret(t, url)}, Away: time.Millisecond}})
	s.awaitReady(t, http.StatusServiceUnavailable)
	s.logs(t, "user or password is wrong")
	a := s.do(t, http.MethodPost, "/channels/news", "hello")
	if log := s.log.String(); strings.Contains(log+a.body, "s3cret") {
		t.Errorf("the log is %s, and a publisher is answered %s", log, a.body)
	}

	for text, key := range map[string]string{
		url + "?what=1":      "broker.url",
		"env:NOT_SET_AT_ALL": "broker.url[0]",
	} {
		_, err := New(Config{Broker: Broker{URL: []Secret{asSecret(t, text)}}})
		var wrong *SettingError
		if !errors.As(err, &wrong) || wrong.Key != key || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
	_, err := New(Config{Broker: Broker{URL: []Secret{asSecret(t, redis.URL())}, TLS: BrokerTLS{CA: "/none.pem"}}})
	var wrong *SettingError
	if !errors.As(err, &wrong) || wrong.Key != "broker.tls.ca" {
		t.Errorf("%v", err)
	}
}
