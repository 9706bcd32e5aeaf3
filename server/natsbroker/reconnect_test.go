package natsbroker

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/natstest"
)

// stopAt is a handler of logs that holds those that log a message until it is released.
type stopAt struct {
	slog.Handler
	message  string
	reached  chan struct{} // has room for one
	released chan struct{}
}

func (h *stopAt) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == h.message {
		nudge(h.reached)
		<-h.released
	}
	return h.Handler.Handle(ctx, r)
}

// awaitHeld waits until something of the follower's channel has come to its broker, which
// holds it or has delivered it.
func (f *follower) awaitHeld(t *testing.T, most int) {
	t.Helper()
	f.mu.Lock()
	before := len(f.got)
	f.mu.Unlock()
	s := f.b.shard(f.channel)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		s.mu.Lock()
		held := len(s.trackers[f.channel].held)
		s.mu.Unlock()
		f.mu.Lock()
		got := len(f.got)
		f.mu.Unlock()
		if held >= most || got > before {
			return
		}
	}
	t.Fatal("nothing has come")
}

// A node that is connected again, and has not looked yet whether the stream is still the same
// one, delivers nothing of it: its numbers may be those of another epoch.
func TestNothingComesBeforeTheEpoch(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	o := Options{URLs: []string{s.URL()}, Prefix: "late"}
	late := &stopAt{
		Handler: slog.NewTextHandler(t.Output(), nil), message: "natsbroker: connected to NATS",
		reached: make(chan struct{}, 1), released: make(chan struct{}),
	}
	first, _ := startBroker(t, o)
	o.Logger = slog.New(late)
	b, all := startBroker(t, o, "a")
	f := all[0]
	release := sync.OnceFunc(func() { close(late.released) })
	defer release()
	p := newPublisher(first, "a")
	for range 4 {
		p.succeed(t)
	}
	f.await(t, "what came before", has(p.sent-1))
	before := f.position().Offset
	must(t, s.Kill())
	must(t, s.Start())
	select {
	case <-late.reached:
	case <-time.After(patience):
		t.Fatal("it is not connected again")
	}
	must(t, b.flush(t.Context())) // it is subscribed
	// The new numbers are old ones to the node at first, and then new ones.
	came := 0
	for p.outcomes[p.succeed(t)].Position.Offset < before+2 {
		came++
	}
	f.awaitHeld(t, came+1)
	release()
	gaps := p.judge(t, f)
	wantNewEpoch(t, all, gaps)
}

// busyReceiver takes nothing until it is released.
type busyReceiver struct {
	released chan struct{}
	lost     chan struct{} // has room for one

	mu  sync.Mutex // guards what follows
	got []*hub.Publication
}

func (r *busyReceiver) Receive(p *hub.Publication) {
	<-r.released
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, p)
}

func (r *busyReceiver) Lost(string) { nudge(r.lost) }

// What has come and was not looked at when the epoch changed is of the one before: its
// numbers mean nothing any more.
func TestNothingComesOfTheEpochBefore(t *testing.T) {
	s := natstest.Start(t, natstest.Config{})
	o := Options{URLs: []string{s.URL()}, Prefix: "stale"}
	far, _ := startBroker(t, o)
	r := &busyReceiver{released: make(chan struct{}), lost: make(chan struct{}, 1)}
	release := sync.OnceFunc(func() { close(r.released) })
	b := newBroker(t, o)
	must(t, b.Start(r))
	defer func() { must(t, b.Close()) }()
	defer release()
	listen(t, b, "a")
	old := b.era.Load()
	p := newPublisher(far, "a")
	const waiting = 20
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	await := func(holds func() bool) {
		t.Helper()
		for ; !holds(); <-tick.C {
			must(t, ctx.Err())
		}
	}
	await(func() bool { return !b.isDoubted() }) // else it is repaired aside
	for range 1 + waiting {
		p.succeed(t)
	}
	await(func() bool { return len(b.arrivalsOf("a")) == waiting })
	must(t, s.Kill())
	must(t, s.Start())
	await(func() bool { return b.era.Load() != old || b.fence.Load() != nil })
	release()
	await(func() bool { return b.era.Load() != old && b.isConfirmed() })
	for range waiting {
		p.succeed(t)
	}
	await(func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.got) > 0 && string(r.got[len(r.got)-1].Data) == strconv.Itoa(p.sent-1)
	})
	for _, one := range r.got {
		n, _ := strconv.Atoi(string(one.Data))
		if o := p.outcomes[n]; o.Position != one.Position {
			t.Errorf("number %d was accepted as %v, and is delivered as %v", n, o.Position, one.Position)
		}
	}
}
