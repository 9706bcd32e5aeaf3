package relay

import (
	"errors"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Patterns that were listened to before the move are delivered after it, to the process
// that listened to them and to no other, until either process has muted them or gone.
func TestMovePatterns(t *testing.T) {
	here, there := make(chan string, 64), make(chan string, 64)
	into := func(c chan string) receiver {
		return receiver{receive: func(p *hub.Publication) { c <- p.Channel + " " + string(p.Data) }}
	}
	from, to := started(t, into(here)), started(t, into(there))
	publish := func(b *Broker, channel, data string) {
		t.Helper()
		o := make(outcome, 1)
		b.Publish(hub.Message{Channel: channel, Data: []byte(data)}, hub.Retention{Count: 9, Age: time.Hour}, o, 1)
		if p := <-o; p.Err != nil {
			t.Fatal(p.Err)
		}
	}
	want := func(c chan string, want string) {
		t.Helper()
		select {
		case got := <-c:
			if got != want {
				t.Errorf("%q was delivered, want %q", got, want)
			}
		case <-time.After(patience):
			t.Fatalf("%q was not delivered", want)
		}
	}
	ctx := t.Context()
	if err := errors.Join(from.ListenPattern(ctx, "a/*"), from.ListenPattern(ctx, "b/**"), from.ListenPattern(ctx, "c/*"), from.MutePattern(ctx, "c/*")); err != nil {
		t.Fatal(err)
	}
	m, err := transfer(from, to, func() {
		if err := from.ListenPattern(ctx, "late/*"); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	frozen := make(chan error, 1)
	go func() { frozen <- from.ListenPattern(ctx, "waits/*") }()
	one, other := pipe()
	left, err := to.Host(other)
	if err != nil {
		t.Fatal(err)
	}
	m.Commit(one)
	if err := <-frozen; err != nil {
		t.Fatal(err)
	}
	publish(to, "c/1", "nobody")
	for _, channel := range []string{"a/1", "b/1/2", "late/1", "waits/1"} {
		publish(to, channel, "x")
		want(here, channel+" x")
		want(there, channel+" x") // a hub leaves out channels that it has not asked for
	}
	if err := errors.Join(to.ListenPattern(ctx, "a/*"), from.MutePattern(ctx, "a/*"), from.MutePattern(ctx, "late/*")); err != nil {
		t.Fatal(err)
	}
	publish(from, "a/1", "y")
	publish(from, "late/1", "nobody")
	publish(from, "b/1", "y")
	want(there, "a/1 y")
	want(there, "b/1 y")
	want(here, "b/1 y")
	if err := from.Close(); err != nil {
		t.Error(err)
	}
	<-left
	publish(to, "b/1", "nobody")
	publish(to, "a/1", "z")
	want(there, "a/1 z")
	if got := to.local.ListenedPatterns(); len(got) != 1 || got[0] != "a/*" {
		t.Errorf("it listens to %q", got)
	}
}
