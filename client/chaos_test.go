package client_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/hub"
)

// TestChaos: 100,000 messages over connections that are cut at random, for the publisher as well as for the
// subscribers, reach each subscriber once and in order: the digests are those of the history.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("it publishes 100,000 messages")
	}
	chaos(t, 100_000, 60, "chaos/a")
}

// TestLittleChaos is TestChaos in a moment.
func TestLittleChaos(t *testing.T) { chaos(t, 2000, 6, "chaos/a", "chaos/*") }

// chaos follows each of the channels over each transport.
func chaos(t *testing.T, count, cuts int, channels ...string) {
	s := start(t, nil)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	t.Logf("the seed is %d", seed)

	// The time that the server wants to be given is not waited for.
	waiting, over := make(chan *client.Client, 100), make(chan struct{})
	var hurrying sync.WaitGroup
	hurrying.Go(func() {
		for {
			select {
			case c := <-waiting:
				c.Hurry()
			case <-over:
				return
			}
		}
	})
	join := func(transport client.Transport) *client.Client {
		self := make(chan *client.Client, 1)
		c := dial(t, s.url(), &client.Options{Transports: []client.Transport{transport}, OnStatus: func(s client.Status) {
			if s.State != client.Waiting || s.Session == "" {
				return
			}
			c := <-self
			self <- c
			select {
			case waiting <- c:
			case <-over:
			}
		}})
		self <- c
		return c
	}

	type follower struct {
		sub    *client.Subscription
		digest hash.Hash
	}
	var followers []*follower
	for _, transport := range transports {
		c := join(transport)
		for _, channel := range channels {
			f := &follower{subscribe(t, c, channel, nil), sha256.New()}
			began(t, f.sub)
			followers = append(followers, f)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var following sync.WaitGroup
	for _, f := range followers {
		following.Go(func() {
			for n := 0; n < count; {
				switch e, err := f.sub.Next(ctx); {
				case err != nil:
					t.Errorf("%s after %d: %v", f.sub.Channel(), n, err)
					return
				case e.Gap != nil:
					t.Errorf("%s after %d: %+v", f.sub.Channel(), n, e.Gap)
					cancel()
					return
				case e.Message != nil:
					fmt.Fprintf(f.digest, "%s %s\n", e.Message.Position, e.Message.Data)
					n++
				}
			}
		})
	}

	// Many are on their way when a connection breaks.
	publisher := join(client.WebSocket)
	waits := make(chan func(context.Context) (client.Published, error), 256)
	following.Go(func() {
		defer close(waits)
		for i := range count {
			wait, err := publisher.BeginPublish("chaos/a", client.Text(strconv.Itoa(i)), nil)
			if err != nil {
				t.Error(err)
				return
			}
			select {
			case waits <- wait:
			case <-ctx.Done():
				return
			}
		}
	})
	next := count / (cuts + 1)
	n := 0
	for wait := range waits {
		if p, err := wait(ctx); err != nil || p.Duplicate && n == 0 {
			t.Fatalf("%d: %+v %v", n, p, err)
		}
		if n++; n == next {
			s.wire.cut(false)
			next += 1 + random.IntN(2*count/(cuts+1))
		}
	}
	following.Wait()
	close(over)
	hurrying.Wait()

	want := sha256.New()
	n = 0
	for at := (hub.Position{}); ; {
		page, err := s.hub.History(t.Context(), "chaos/a", hub.Query{Since: at, Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Publications) == 0 {
			break
		}
		for _, p := range page.Publications {
			if string(p.Data) != strconv.Itoa(n) {
				t.Fatalf("%d is %s", n, p.Data)
			}
			fmt.Fprintf(want, "%s %s\n", p.Position, p.Data)
			n++
		}
		at = page.Position
	}
	if n != count {
		t.Errorf("%d publications of %d", n, count)
	}
	for i, f := range followers {
		if fmt.Sprintf("%x", f.digest.Sum(nil)) != fmt.Sprintf("%x", want.Sum(nil)) {
			t.Errorf("follower %d of %s has something else than the history", i, f.sub.Channel())
		}
	}
}
