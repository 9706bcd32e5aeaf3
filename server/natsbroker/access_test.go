package natsbroker

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/certtest"
	"github.com/godwit-io/godwit/internal/natstest"
)

// permissions are those of docs/broker-nats.md, from the page itself.
func permissions(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/broker-nats.md")
	must(t, err)
	_, rest, ok := strings.Cut(string(text), "permissions: {")
	block, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatal("docs/broker-nats.md has no permissions")
	}
	return "permissions: {" + block
}

// healthy waits until the broker serves.
func healthy(t *testing.T, b *Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := b.await(ctx); err != nil {
		t.Fatal(err)
	}
}

// fault waits until Health says what says.
func fault(t *testing.T, b *Broker, says string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if err = b.Health(t.Context()); err != nil && strings.Contains(err.Error(), says) {
			return
		}
	}
	t.Fatalf("Health says %v, want %q", err, says)
}

// A user with the permissions of the documentation can do everything.
func TestPermissionsAreEnough(t *testing.T) {
	s := natstest.Start(t, natstest.Config{Extra: "authorization { users: [ { user: godwit, password: x, " + permissions(t) + " } ] }\n"})
	b, all := startBroker(t, Options{URLs: []string{s.URL()}, User: "godwit", Password: "x", Prefix: DefaultPrefix}, "a")
	p := newPublisher(b, "a")
	for range 3 {
		p.succeed(t)
	}
	if gaps := p.judge(t, all[0]); gaps > 0 {
		t.Errorf("%d gaps", gaps)
	}
	must(t, b.ListenPattern(t.Context(), "**"))
	list, err := b.List(t.Context(), hub.ListQuery{Limit: 10})
	if err != nil || len(list) != 1 {
		t.Errorf("listed are %v, %v", list, err)
	}
	must(t, b.Clear(t.Context(), "a"))
	if page, err := b.History(t.Context(), "a", hub.Query{}); err != nil || len(page.Publications) > 0 {
		t.Errorf("after Clear: %v, %v", page, err)
	}
	stop, err := b.Hear(t.Context(), "topic", deafHearer{})
	must(t, err)
	must(t, b.Send("topic", []byte("x")))
	stop()
	must(t, b.check(t.Context(), 0, false))
	if err := b.nc.LastError(); err != nil {
		t.Errorf("NATS reports %v", err)
	}
}

type deafHearer struct{}

func (deafHearer) Heard([]byte) {}
func (deafHearer) Missed()      {}

// A user that may not make a stream is told so, and needs no permission for one that is there.
func TestStreamMayNotBeMade(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{Extra: `authorization { users: [
		{ user: admin, password: x }
		{ user: godwit, password: x, permissions: { publish: { deny: ["$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>"] } } }
	] }
`})
	o := Options{URLs: []string{s.URL()}, User: "godwit", Password: "x", Prefix: "may"}
	b, _ := startBroker(t, o)
	fault(t, b, "$JS.API.STREAM.CREATE.")
	o.User = "admin"
	admin, _ := startBroker(t, o)
	healthy(t, admin)
	healthy(t, b)
	o.User, o.HistoryBytesMax = "godwit", 1<<20 // another than the stream has
	other, _ := startBroker(t, o)
	healthy(t, other)
	newPublisher(other, "a").succeed(t)
}

func TestServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{NoJetStream: true})
	b, _ := startBroker(t, Options{URLs: []string{s.URL()}})
	fault(t, b, "is JetStream on?")
}

func TestServerWithoutRoom(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t, natstest.Config{})
	b, _ := startBroker(t, Options{URLs: []string{s.URL()}, HistoryBytesMax: 1 << 40})
	fault(t, b, "the limits of the account or of the servers do not allow it")
	three, _ := startBroker(t, Options{URLs: []string{s.URL()}, Replicas: 3})
	fault(t, three, "3 replicas")
}

// Both sides show certificates, and a client that does not know the authority does not connect.
func TestTLS(t *testing.T) {
	t.Parallel()
	authority := certtest.NewAuthority(t)
	pair := authority.Issue(t, nil, "127.0.0.1")
	ca, cert, key := authority.File, pair.Cert, pair.Key
	s := natstest.Start(t, natstest.Config{Extra: fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, verify: true }\n", cert, key, ca)})
	url := []string{"tls://" + s.Address()}
	b, _ := startBroker(t, Options{URLs: url, CA: ca, Cert: cert, Key: key})
	newPublisher(b, "a").succeed(t)
	stranger, _ := startBroker(t, Options{URLs: url})
	fault(t, stranger, "certificate")
}

// The stream comes to keep what is asked for, and of a channel that wants less it does not
// keep much more.
func TestStreamGrowsAndIsTrimmed(t *testing.T) {
	const small = 10
	s := natstest.Start(t, natstest.Config{})
	b, _ := startBroker(t, Options{URLs: []string{s.URL()}})
	big := newPublisher(b, "big")
	big.retention = hub.Retention{Count: 50_000, Age: 48 * time.Hour}
	big.succeed(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(patience)
	for l := b.limits.Load(); l.count <= 50_000 || l.age < 48*time.Hour; l = b.limits.Load() {
		if <-tick.C; time.Now().After(end) {
			t.Fatalf("the stream keeps %+v", *l)
		}
	}
	p := newPublisher(b, "small")
	p.retention = hub.Retention{Count: small, Age: time.Hour}
	for range 10 * trimMin {
		p.publish(t, 100)
	}
	p.await(t, 0)
	for {
		subjects, err := b.subjects(t.Context())
		must(t, err)
		held := subjects[b.names.subject("small")]
		if held <= trimMin+small+1 {
			if held < small {
				t.Errorf("%d are held, and %d should be", held, small)
			}
			break
		}
		if <-tick.C; time.Now().After(end) {
			t.Fatalf("%d are held of a channel that keeps %d", held, small)
		}
	}
	page, err := b.History(t.Context(), "small", hub.Query{})
	if err != nil || len(page.Publications) != small {
		t.Errorf("the history has %d publications, %v; want %d", len(page.Publications), err, small)
	}
}
