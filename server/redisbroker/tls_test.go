package redisbroker

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/certtest"
	"github.com/godwit-io/godwit/internal/redistest"
)

// trust is what broker.tls makes of files.
func trust(t *testing.T, ca string, pairs ...certtest.Pair) *tls.Config {
	t.Helper()
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(text)
	for _, p := range pairs {
		pair, err := tls.LoadX509KeyPair(p.Cert, p.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	return config
}

func newTLSBroker(t *testing.T, config *tls.Config, urls ...string) *Broker {
	t.Helper()
	b, err := New(&Options{URL: urls, TLS: config, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTLS: with rediss:// commands, what is heard and what is looked at go over TLS, with certificates on
// both sides, also after connections were cut.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := certtest.NewAuthority(t)
	redis := redistest.StartTLS(t, redistest.TLS{Pair: authority.Issue(t, nil, "127.0.0.1"), CA: authority.File})
	b := newTLSBroker(t, trust(t, authority.File, authority.Issue(t, nil, "godwit")), redis.URL())
	s := start(t, b)
	s.listen("c")
	first := alone(t, b, "1")
	alone(t, b, "2")
	s.awaitText("2", "c")
	redis.Must(t, "CLIENT", "KILL", "TYPE", "pubsub")
	redis.Must(t, "CLIENT", "KILL", "TYPE", "normal")
	alone(t, b, "3")
	if all := s.awaitText("3", "c"); all["c"].gaps > 0 || len(all["c"].texts) != 3 {
		t.Errorf("a subscriber has %q and %d gaps", all["c"].texts, all["c"].gaps)
	}
	// The history is read on a connection that was cut, too, and is known to be once something was asked on it.
	page, err := b.History(t.Context(), "c", hub.Query{Since: first})
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); err != nil && time.Since(began) < patience; <-tick.C {
		page, err = b.History(t.Context(), "c", hub.Query{Since: first})
	}
	if err != nil || len(page.Publications) != 2 {
		t.Errorf("the history is %+v, %v", page, err)
	}
}

// TestTLSBehindSentinel: with rediss:// everything goes over TLS, from nodes to the sentinel and to servers and among these,
// and another master is found.
func TestTLSBehindSentinel(t *testing.T) {
	if testing.Short() {
		t.Skip("a sentinel takes seconds to see that a master is gone")
	}
	t.Parallel()
	authority := certtest.NewAuthority(t)
	r := redistest.StartReplicatedTLS(t, redistest.TLS{Pair: authority.Issue(t, nil, "127.0.0.1"), CA: authority.File})
	b := newTLSBroker(t, trust(t, authority.File, authority.Issue(t, nil, "godwit")), r.URL())
	s := start(t, b)
	s.listen("c")
	first := alone(t, b, "1")
	if all := s.awaitText("1", "c"); all["c"].gaps > 0 {
		t.Errorf("%d gaps", all["c"].gaps)
	}
	master := r.Master(t)
	if err := master.Kill(); err != nil {
		t.Fatal(err)
	}
	r.AwaitMaster(t, r.Other(master))
	after := alone(t, b, "2")
	if after.Epoch == first.Epoch {
		t.Errorf("another server is the master, and %v is of the epoch of %v", after, first)
	}
	s.awaitText("2", "c")
}

// TestTLSInCluster: the same of a cluster, where nodes are told by its servers where the others are.
func TestTLSInCluster(t *testing.T) {
	t.Parallel()
	authority := certtest.NewAuthority(t)
	c := redistest.StartClusterTLS(t, redistest.TLS{Pair: authority.Issue(t, nil, "127.0.0.1"), CA: authority.File}, 3)
	b := newTLSBroker(t, trust(t, authority.File, authority.Issue(t, nil, "godwit")), c.URLs()[0])
	s := start(t, b)
	s.listen(someChannels...)
	for _, name := range someChannels {
		mustPublish(t, b, name, "1")
	}
	s.awaitText("1", someChannels...)
	if n := len(b.backend.Load().all()); n != 3 {
		t.Errorf("%d servers are listened to, want 3", n)
	}
	for _, redis := range c.Servers {
		redis.Must(t, "CLIENT", "KILL", "TYPE", "pubsub")
		redis.Must(t, "CLIENT", "KILL", "TYPE", "normal")
	}
	for _, name := range someChannels {
		mustPublish(t, b, name, "2")
	}
	for name, seen := range s.awaitText("2", someChannels...) {
		if seen.gaps > 0 || len(seen.texts) != 2 {
			t.Errorf("a subscriber of %s has %q and %d gaps", name, seen.texts, seen.gaps)
		}
	}
}

// TestTLSRefused: a server that cannot be trusted is named with the reason, and nothing is published.
func TestTLSRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("a second is waited for a server that might be there")
	}
	t.Parallel()
	authority, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	client := authority.Issue(t, nil, "godwit")
	well, expired, misnamed := authority.Issue(t, nil, "127.0.0.1"), authority.Issue(t, certtest.Expired, "127.0.0.1"), authority.Issue(t, nil, "redis.example.com")
	for name, test := range map[string]struct {
		server certtest.Pair
		config *tls.Config
		want   string
	}{
		"another authority":         {well, trust(t, other.File, client), "certificate signed by unknown authority"},
		"an expired certificate":    {expired, trust(t, authority.File, client), "certificate has expired"},
		"a certificate for another": {misnamed, trust(t, authority.File, client), "127.0.0.1"},
		"no certificate to show":    {well, trust(t, authority.File), "broker.tls.cert"},
		"a certificate of another":  {well, trust(t, authority.File, other.Issue(t, nil, "godwit")), "broker.tls.cert"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.StartTLS(t, redistest.TLS{Pair: test.server, CA: authority.File})
			b := newTLSBroker(t, test.config, redis.URL())
			start(t, b)
			if err := b.Health(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the broker says %v, want %q", err, test.want)
			}
			if p := publish(b, hub.Message{Channel: "c"}); p.Err == nil {
				t.Error("something was published")
			}
			if n := redis.Must(t, "DBSIZE"); n != "0" {
				t.Errorf("there are %s keys", n)
			}
		})
	}
}

// TestTLSRefusedBySentinel: the same is said where it is a sentinel that cannot be trusted, or does not trust.
func TestTLSRefusedBySentinel(t *testing.T) {
	if testing.Short() {
		t.Skip("a second is waited for a server that might be there")
	}
	t.Parallel()
	authority, other := certtest.NewAuthority(t), certtest.NewAuthority(t)
	r := redistest.StartReplicatedTLS(t, redistest.TLS{Pair: authority.Issue(t, nil, "127.0.0.1"), CA: authority.File})
	for want, config := range map[string]*tls.Config{
		"certificate signed by unknown authority": trust(t, other.File, authority.Issue(t, nil, "godwit")),
		"broker.tls.cert":                         trust(t, authority.File),
	} {
		b := newTLSBroker(t, config, r.URL())
		start(t, b)
		if err := b.Health(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the broker says %v, want %q", err, want)
		}
	}
}
