package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

// TestPatternsConcurrently has everything happen at once: many publish in more channels
// than a session keeps, patterns and channels come and go. A session that keeps a pattern
// all the time gets each channel's publications once and in order, but for what is
// announced.
func TestPatternsConcurrently(t *testing.T) {
	const publishers, channels = 4, 12
	each := 1500
	if raceEnabled {
		each = 300
	}
	broker := &losingBroker{Broker: newBroker(), total: int64(publishers * each), received: make(chan struct{})}
	h := newHub(t, immediatePatterns{broker}, &hub.Options{PatternChannelsMax: 5, QueueCountMax: 50, Retention: hub.Retention{Count: 100_000}})
	var stop atomic.Bool
	var readers, comers, writers sync.WaitGroup
	given := make([]map[string]uint64, 3) // the newest offset of each channel
	announced := make([]int, len(given))
	missing := make([]int, len(given))
	end := make(map[string]uint64)
	for i := range given {
		e := connect(t, h)
		e.subscribe("c/*", hub.SubscribeOptions{})
		given[i] = make(map[string]uint64)
		readers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for {
				isLast := stop.Load()
				n := 0
				for {
					pushes, err := e.Take(nil)
					if err != nil {
						t.Error(err)
						return
					}
					for _, p := range pushes {
						switch {
						case p.Outcome != nil:
						case p.Gap != nil && hub.IsPattern(p.Channel):
							announced[i] += p.Gap.Count
						case p.Delivery == nil:
							t.Errorf("%d: %s", i, describe([]hub.Push{p}))
						case p.Delivery.Position.Offset <= given[i][p.Channel]:
							t.Errorf("%d: %v of %s came after %d", i, p.Delivery.Position, p.Channel, given[i][p.Channel])
						default:
							missing[i] += int(p.Delivery.Position.Offset - given[i][p.Channel] - 1)
							given[i][p.Channel] = p.Delivery.Position.Offset
						}
					}
					n += len(pushes)
					if len(pushes) == 0 {
						select {
						case <-e.woken:
							continue
						default:
						}
						break
					}
				}
				if isLast && n == 0 {
					return
				}
				if random.IntN(2) == 0 { // it also overlaps with what it has
					name := []string{"c/1", "c/2", "**", "*/3"}[random.IntN(4)]
					if random.IntN(2) == 0 {
						e.Subscribe(0, name, hub.SubscribeOptions{})
					} else {
						e.Unsubscribe(0, name)
					}
				}
			}
		})
	}
	for i := range 2 {
		comers.Go(func() {
			for n := 0; !stop.Load(); n++ {
				s, err := h.Connect("test", nil)
				if err != nil {
					t.Error(err)
					return
				}
				s.Subscribe(0, []string{"**", "c/*", "*/1", "d/*"}[(n+i)%4], hub.SubscribeOptions{})
				if n%2 == 0 {
					_, _ = s.Take(nil)
				}
				s.Close()
			}
		})
	}
	for i := range publishers {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 2))
			for range each {
				if _, _, err := h.Publish(context.Background(), hub.Message{Channel: fmt.Sprint("c/", random.IntN(channels))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	<-broker.received // deliveries may be handed over to a goroutine of the broker
	for i := range channels {
		channel := fmt.Sprint("c/", i)
		page, err := h.History(t.Context(), channel, hub.Query{Last: 1})
		if err != nil {
			t.Fatal(err)
		}
		end[channel] = page.Position.Offset
	}
	stop.Store(true)
	comers.Wait()
	readers.Wait()
	for i := range given {
		for channel, offset := range end {
			missing[i] += int(offset - given[i][channel])
		}
		if missing[i] > announced[i] {
			t.Errorf("%d: %d are missing, and %d were announced", i, missing[i], announced[i])
		}
	}
}

// TestPatternLosses: publications lost on the way are found, in channels that the
// session knows and in others.
func TestPatternLosses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := newBroker()
		losing := &losingBroker{Broker: inner}
		broker := brokertest.NewTroubled(losing)
		h := newHub(t, broker, nil)
		e := connect(t, h)
		<-time.After(time.Minute)
		e.Subscribe(0, "*", hub.SubscribeOptions{})
		synctest.Wait()
		e.drain()
		<-time.After(time.Minute)
		publish(t, h, "a", "1")
		publish(t, h, "b", "1")
		synctest.Wait()
		wantChannels(t, e, "a:1 b:1")
		take := func() string {
			var all []hub.Push
			for range 20 {
				synctest.Wait()
				all = append(all, e.drain()...)
			}
			return sorted(all)
		}
		losing.loses.Store(true)
		publish(t, h, "a", "2")
		publish(t, h, "c", "1")
		losing.loses.Store(false)
		if got := take(); got != "" {
			t.Errorf("took %q of what was lost", got)
		}
		broker.Lose("")
		if got := take(); got != "a:2 c:1" {
			t.Errorf("after everything may have been lost: %q", got)
		}
		losing.loses.Store(true)
		publish(t, h, "d", "1")
		publish(t, h, "c", "2")
		losing.loses.Store(false)
		broker.Lose("d")
		broker.Lose("c")
		if got := take(); got != "c:2 d:1" {
			t.Errorf("after two may have lost something: %q", got)
		}
		publish(t, h, "d", "2")
		publish(t, h, "e", "1")
		if got := take(); got != "d:2 e:1" {
			t.Errorf("live: %q", got)
		}
	})
}

// losingBroker can be told not to deliver.
type losingBroker struct {
	hub.Broker
	loses atomic.Bool
	hub.Receiver

	total, count int64 // guarded by mu
	mu           sync.Mutex
	received     chan struct{} // closed when so many were received
}

// immediatePatterns is a losingBroker that never waits.
type immediatePatterns struct{ *losingBroker }

func (immediatePatterns) IsImmediate() bool { return true }

func (b *losingBroker) Start(r hub.Receiver) error {
	b.Receiver = r
	return b.Broker.Start(losingReceiver{b})
}

func (b *losingBroker) ListenPattern(ctx context.Context, pattern string) error {
	return b.Broker.(hub.PatternBroker).ListenPattern(ctx, pattern)
}

func (b *losingBroker) MutePattern(ctx context.Context, pattern string) error {
	return b.Broker.(hub.PatternBroker).MutePattern(ctx, pattern)
}

func (b *losingBroker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	return b.Broker.(hub.ListingBroker).List(ctx, q)
}

type losingReceiver struct{ b *losingBroker }

func (r losingReceiver) Receive(p *hub.Publication) {
	if !r.b.loses.Load() {
		r.b.Receiver.Receive(p)
	}
	r.b.mu.Lock()
	defer r.b.mu.Unlock()
	if r.b.count++; r.b.count == r.b.total {
		close(r.b.received)
	}
}

func (r losingReceiver) Lost(channel string) { r.b.Receiver.Lost(channel) }
