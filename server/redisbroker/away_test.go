package redisbroker

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// soon is less than any caller waits that is not told at once, and far more than a busy
// machine takes.
const soon = 4 * time.Second

// TestNeverReached: a caller that needs a Redis that has never been reached is told so, and does
// not wait as long as it may.
func TestNeverReached(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close() // nobody listens there
	s := start(t, newBroker(t, "redis://"+ln.Addr().String()))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for name, ask := range map[string]func() error{
		"History": func() error { _, err := s.b.History(ctx, "c", hub.Query{Last: 1}); return err },
		"Listen":  func() error { _, err := s.b.Listen(ctx, "c"); return err },
		"Health":  func() error { return s.b.Health(ctx) },
		"Publish": func() error { return publish(s.b, hub.Message{Channel: "c"}).Err },
	} {
		began := time.Now()
		if err := ask(); !errors.Is(err, ErrAway) || time.Since(began) > soon {
			t.Errorf("%s: %v, after %v", name, err, time.Since(began))
		}
	}
}

// TestPublishersAreRefused: while Redis cannot be used, publishers are told so at once and
// nothing is sent, and the first one after that is well, whatever is the matter.
func TestPublishersAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes as long as publishers have patience")
	}
	for name, trouble := range map[string]struct{ begin, end func(*redistest.Server) error }{
		"killed":  {(*redistest.Server).Kill, (*redistest.Server).Start},
		"stopped": {(*redistest.Server).Pause, (*redistest.Server).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := redistest.Start(t)
			s := start(t, newBroker(t, redis.URL()))
			s.listen("c")
			mustPublish(t, s.b, "c", "before")
			if err := trouble.begin(redis); err != nil {
				t.Fatal(err)
			}
			awaitTrouble(t, s.b)
			refused, last, began := 0, error(nil), time.Now()
			for i := range 200 {
				if last = publish(s.b, hub.Message{Channel: "c", Data: []byte(strconv.Itoa(i))}).Err; last == nil {
					t.Fatalf("publisher %d was told that it has published", i)
				}
				if errors.Is(last, ErrUnusable) && !errors.Is(last, hub.ErrUnanswered) {
					refused++
				}
			}
			if took := time.Since(began); refused < 150 || took > time.Minute {
				t.Errorf("%d of 200 were refused at once, the last with %v, and all waited for %v", refused, last, took)
			}
			if err := trouble.end(redis); err != nil {
				t.Fatal(err)
			}
			awaitHealth(t, s.b, nil)
			if p := publish(s.b, hub.Message{Channel: "c", Data: []byte("after")}); p.Err != nil {
				t.Fatal(p.Err)
			}
			s.awaitText("after", "c")
		})
	}
}

// awaitTrouble waits until b is not well.
func awaitTrouble(t *testing.T, b *Broker) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := b.Health(ctx)
		cancel()
		if err != nil {
			return
		}
		if time.Since(began) > patience {
			t.Fatal("it stays well")
		}
	}
}
