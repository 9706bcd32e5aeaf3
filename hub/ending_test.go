package hub_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
)

// roll counts what an Observer is told, and checks that it makes sense.
type roll struct {
	t  *testing.T
	mu sync.Mutex // guards the rest

	open    map[*hub.Session]bool
	members map[string]int // by channel and session
	joins   int
}

func (r *roll) observer() *hub.Observer {
	key := func(s *hub.Session, channel string) string { return channel + " " + s.ID() }
	locked := func(f func()) {
		r.mu.Lock()
		defer r.mu.Unlock()
		f()
	}
	return &hub.Observer{
		Opened: func(s *hub.Session) { locked(func() { r.open[s] = true }) },
		Closed: func(s *hub.Session, why error) {
			locked(func() {
				if !r.open[s] {
					r.t.Error("a session is closed that is not open")
				}
				if why == nil {
					r.t.Error("a session is closed for no reason")
				}
				delete(r.open, s)
			})
		},
		Joined: func(s *hub.Session, channel string) {
			locked(func() {
				r.joins++
				r.members[key(s, channel)]++
			})
		},
		Left: func(s *hub.Session, channel string) {
			locked(func() {
				if r.members[key(s, channel)]--; r.members[key(s, channel)] < 0 {
					r.t.Error("somebody has left who had not joined")
				}
				if r.members[key(s, channel)] == 0 {
					delete(r.members, key(s, channel))
				}
			})
		},
	}
}

// Sessions end in every way at every moment, by their edge, by others, by expiry and with
// the hub, while they subscribe: each that opens closes, and each that joins leaves.
func TestEndsAddUp(t *testing.T) {
	for _, name := range []string{"immediate", "remote"} {
		for _, shutdown := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " shutdown=", shutdown), func(t *testing.T) { endsAddUp(t, name == "immediate", shutdown) })
		}
	}
}

func endsAddUp(t *testing.T, immediately, shutdown bool) {
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	r := &roll{t: t, open: make(map[*hub.Session]bool), members: make(map[string]int)}
	var broker hub.Broker = newBroker()
	if immediately {
		broker = immediate{broker}
	}
	h := newHub(t, broker, &hub.Options{Observer: r.observer()})
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for round := range rounds {
				id := &access.Identity{Kind: access.Token, User: "ann"}
				if round%3 == 0 {
					id.Expires = time.Now().Add(rand.N(300 * time.Microsecond))
				}
				woken := make(chan struct{}, 1)
				s, err := h.ConnectAs(id, "test", func() {
					select {
					case woken <- struct{}{}:
					default:
					}
				})
				if err != nil {
					if !errors.Is(err, hub.ErrShutdown) && !errors.Is(err, hub.ErrClosed) {
						t.Error(err)
					}
					return
				}
				var ending sync.WaitGroup
				switch rand.N(4) {
				case 0:
					ending.Go(func() { s.End(&hub.Ended{Code: 4403, Reason: "enough"}) })
				case 1:
					ending.Go(s.Close)
				}
				for i := range 4 {
					channel := fmt.Sprint("c", rand.N(5))
					switch {
					case i == 3 || rand.N(4) == 0:
						s.Unsubscribe(uint64(2*i+1), channel)
					default:
						s.Subscribe(uint64(2*i+2), channel, hub.SubscribeOptions{Last: rand.N(2)})
					}
				}
				s.Publish(0, hub.Message{Channel: "c0", Data: []byte("x")})
				for over := rand.N(2) == 0; !over; {
					_, err := s.Take(nil)
					if over = err != nil; over {
						break
					}
					select {
					case <-woken:
					default:
						over = true
					}
				}
				s.Close()
				ending.Wait()
			}
		})
	}
	if shutdown {
		if err := h.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if err := h.Close(); err != nil { // subscriptions that were under way are over, too
		t.Error(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.open) > 0 || len(r.members) > 0 {
		t.Errorf("%d sessions are open, members are left: %v", len(r.open), r.members)
	}
	if !shutdown && r.joins == 0 {
		t.Error("nobody has joined")
	}
	if got := h.Stats(); got.Subscriptions != 0 || len(got.Sessions) != 0 {
		t.Errorf("left over: %+v", got)
	}
}
