package hub_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// logged collects log records.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestBrokerPanics: a broker that panics in a goroutine of the hub has failed, and
// nothing else happens to anybody.
func TestBrokerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		h, b := troubled(t, &hub.Options{CallsMax: 2, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		e, other := connect(t, h), connect(t, h)
		if err := other.trySubscribe("other", hub.SubscribeOptions{}); err != nil {
			t.Fatal(err)
		}
		check := func(call string, err error, method string) {
			t.Helper()
			if err == nil || err.Error() != "hub: broker: "+method+" panicked" {
				t.Errorf("%s: %v", call, err)
			}
			if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "method="+method+" channel=c panic=\"brokertest: trouble was made\"") || !strings.Contains(text, "trouble.go") {
				t.Errorf("%s: logged %q, want %s with a stack", call, text, method)
			}
			publish(t, h, "other", call)
			want(t, other.await(func(p []hub.Push) bool { return len(p) > 0 }), call)
		}

		b.Make(brokertest.Listen, "c", brokertest.Trouble{Panics: true})
		for range 10 { // more than there may be goroutines
			check("Subscribe", e.trySubscribe("c", hub.SubscribeOptions{}), "Listen")
		}
		b.Make(brokertest.Listen, "c", brokertest.Trouble{})

		b.Make(brokertest.History, "c", brokertest.Trouble{Panics: true})
		check("Subscribe with last", e.trySubscribe("c", hub.SubscribeOptions{Last: 1}), "History")
		check("Session.History", e.outcome(func(tag uint64) { e.History(tag, "c", hub.Query{}) }).Err, "History")
		_, err := h.History(t.Context(), "c", hub.Query{})
		check("Hub.History", err, "History")
		begun := make(chan error, 1)
		h.BeginHistory("c", hub.Query{}, func(_ hub.Page, err error) { begun <- err })
		check("BeginHistory", <-begun, "History")

		// A session that replays is behind, and loses nothing.
		since := publish(t, h, "c", "0")
		publish(t, h, "c", "1", "2")
		e.subscribe("c", hub.SubscribeOptions{Since: since})
		behind := e.await(func(p []hub.Push) bool { return len(p) == 1 })
		if err := behind[0].Behind.Err; err == nil || err.Error() != `hub: replay of channel "c": History panicked` {
			t.Errorf("replay: %v", err)
		}
		b.Make(brokertest.History, "c", brokertest.Trouble{})
		got := e.await(func(p []hub.Push) bool { return strings.HasSuffix(describe(p), "1 2 level(c)") })
		if strings.Contains(describe(got), "gap") {
			t.Error(describe(got))
		}

		b.Make(brokertest.Mute, "c", brokertest.Trouble{Panics: true})
		e.unsubscribe("c")
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, "method=Mute") {
			t.Errorf("logged %q", text)
		}
		if err := e.trySubscribe("c", hub.SubscribeOptions{}); err != nil {
			t.Error("Subscribe after Mute:", err)
		}
	})
}

// panickyBroker never waits, and panics when it is to listen.
type panickyBroker struct {
	hub.Broker
	panics bool
}

func (b *panickyBroker) IsImmediate() bool { return true }

func (b *panickyBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	if b.panics {
		panic("a bug")
	}
	return b.Broker.Listen(ctx, channel)
}

// TestImmediateBrokerPanics: a channel is not left in the middle of being asked for,
// which would keep all sessions from it.
func TestImmediateBrokerPanics(t *testing.T) {
	b := &panickyBroker{newBroker(), true}
	h := newHub(t, b, &hub.Options{Logger: slog.New(slog.DiscardHandler)})
	e := connect(t, h)
	if err := e.trySubscribe("c", hub.SubscribeOptions{}); err == nil || err.Error() != "hub: broker: Listen panicked" {
		t.Errorf("Subscribe: %v", err)
	}
	b.panics = false
	if err := e.trySubscribe("c", hub.SubscribeOptions{}); err != nil {
		t.Errorf("Subscribe: %v", err)
	}
}
