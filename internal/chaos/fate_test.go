//go:build linux

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
)

// victim is a process that things are done to.
type victim interface {
	Name() string
	Kill() error // kill -9
	Start(context.Context) error
	Pause() error // SIGSTOP
	Resume() error
}

// node is a clustertest.Node as a victim.
type node struct{ *clustertest.Node }

func (n node) Start(ctx context.Context) error { return n.Node.Start(ctx) }

// fate does things to nodes and to members of the broker, by chance.
type fate struct {
	w       *world
	random  *rand.Rand
	nodes   []*patient
	members []*patient
	away    int // members that may be away at a time

	least, most time.Duration // between two acts

	acting sync.WaitGroup
}

// patient is a victim, and whether something is being done to it.
type patient struct {
	victim
	what string // a node, a member of NATS

	mu   sync.Mutex // guards what follows
	busy bool
}

func (p *patient) isBusy() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy
}

func (p *patient) setBusy(busy bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy = busy
}

func newFate(w *world, members []victim, what string, away int) *fate {
	f := &fate{w: w, random: w.random("fate"), away: away, least: time.Second, most: 3 * time.Second}
	for _, n := range w.nodes {
		f.nodes = append(f.nodes, &patient{victim: node{n}, what: "a node"})
	}
	for _, m := range members {
		f.members = append(f.members, &patient{victim: m, what: what})
	}
	return f
}

// byFate is a disturbance by chance.
func byFate(members []victim, what string, away int) disturbance {
	return func(w *world, ctx, patience context.Context) error {
		return newFate(w, members, what, away).run(ctx, patience)
	}
}

// run acts until ctx ends, and then waits until what it has begun is over and everybody is
// there again.
func (f *fate) run(ctx context.Context, heal context.Context) error {
	for wait(ctx, f.random, f.least, f.most) {
		f.act(heal)
	}
	f.acting.Wait()
	var errs []error
	for _, p := range append(f.members, f.nodes...) {
		errs = append(errs, p.Resume(), p.Start(heal))
	}
	return errors.Join(errs...)
}

// act does one thing to a server that is not away, if not too many are.
func (f *fate) act(heal context.Context) {
	some, most := f.nodes, max(len(f.nodes)-1, 1)
	if len(f.members) > 0 && f.random.IntN(2) == 0 {
		some, most = f.members, f.away
	}
	p := some[f.random.IntN(len(some))]
	kind, d := f.random.IntN(10), 200*time.Millisecond+time.Duration(f.random.Int64N(int64(3*time.Second)))
	away := 0
	for _, other := range some {
		if other.isBusy() {
			away++
		}
	}
	if p.isBusy() || away >= most {
		return
	}
	p.setBusy(true)
	f.acting.Go(func() {
		defer p.setBusy(false)
		n, isNode := p.victim.(node)
		var err error
		switch {
		case kind < 2:
			f.w.diary.note("SIGSTOP of "+p.what, p.Name())
			err = p.Pause()
			wait(heal, nil, 2*d, 0)
			err = errors.Join(err, p.Resume())
			f.w.diary.note("SIGCONT of "+p.what, p.Name())
			if err != nil {
				f.w.fail("%v", err)
			}
			return
		case kind < 4 && isNode:
			f.w.diary.note("SIGTERM of "+p.what, p.Name())
			err = n.Stop()
		default:
			f.w.diary.note("kill -9 of "+p.what, p.Name())
			err = p.Kill()
		}
		if err != nil {
			f.w.fail("%v", err)
		}
		wait(heal, nil, d, 0)
		f.start(heal, p)
	})
}

// start tries until it succeeds: a node that begins while its broker is away may give up.
func (f *fate) start(heal context.Context, p *patient) {
	for {
		err := p.Start(heal)
		if err == nil {
			f.w.diary.note("start of "+p.what, p.Name())
			return
		}
		f.w.count("start failed")
		f.w.t.Logf("%s: %v", p.Name(), err)
		if !wait(heal, nil, 500*time.Millisecond, 0) {
			return
		}
	}
}
