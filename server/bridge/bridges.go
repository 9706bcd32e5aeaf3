package bridge

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/bridge/feed"
)

// Owner says which of several processes has a bridge.
type Owner interface {
	// IsOurs reports whether this process is to have it now. It may change at any time.
	IsOurs(bridge string) bool

	// Knows is told that this process has a configuration for a bridge, or has none any more.
	Knows(bridge string, does bool)

	// Runs is told before this process connects a bridge, and when the last that it publishes is out.
	Runs(bridge string, does bool)
}

// alone is the Owner of a process that is the only one.
type alone struct{}

func (alone) IsOurs(string) bool { return true }
func (alone) Knows(string, bool) {}
func (alone) Runs(string, bool)  {}

// Bridges are all of a process. All methods are safe for concurrent use.
type Bridges struct {
	hub   *hub.Hub
	owner Owner
	log   *slog.Logger
	dial  func(ctx context.Context, network, address string) (net.Conn, error) // of runners; set by tests
	kick  chan struct{}
	loop  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	specs   []*Spec
	running map[string]*run
	past    map[string]*feed.Status // counts of runs that have ended
	state   lifecycle
	changed chan struct{} // closed, and replaced, when a run has ended
}

// lifecycle is what may run.
type lifecycle uint8

const (
	unstarted lifecycle = iota
	started
	paused
	closed
)

// run is a bridge that runs, or ends.
type run struct {
	runner *runner
	cancel context.CancelFunc
	ending bool
}

// lookEach is how often an Owner is asked that has said nothing.
const lookEach = time.Second

// New returns Bridges that publish to h. With a nil owner this process has all of them. None runs before Start.
func New(h *hub.Hub, owner Owner, log *slog.Logger) *Bridges {
	if owner == nil {
		owner = alone{}
	}
	return &Bridges{
		hub: h, owner: owner, log: log, kick: make(chan struct{}, 1),
		running: make(map[string]*run), past: make(map[string]*feed.Status), changed: make(chan struct{}),
	}
}

// Replace has the bridges be those of specs, whose names differ. Those that are the same as before go on.
func (b *Bridges) Replace(specs []*Spec) {
	b.mu.Lock()
	before := b.specs
	b.specs = specs
	isOpen := b.state == started
	b.mu.Unlock()
	if isOpen {
		b.tell(before, specs)
	}
	b.Look()
}

// tell tells the owner what has changed.
func (b *Bridges) tell(before, after []*Spec) {
	for _, s := range after {
		if !slices.ContainsFunc(before, func(o *Spec) bool { return o.Name() == s.Name() }) {
			b.owner.Knows(s.Name(), true)
		}
	}
	for _, s := range before {
		if !slices.ContainsFunc(after, func(o *Spec) bool { return o.Name() == s.Name() }) {
			b.owner.Knows(s.Name(), false)
		}
	}
}

// Start has bridges run.
func (b *Bridges) Start() {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case unstarted:
		b.loop.Go(b.watchLoop)
	case paused:
	default:
		return
	}
	b.state = started
	b.tell(nil, b.specs)
	b.Look()
}

// Pause ends all bridges, until Start or Close, and waits as long as ctx allows until the last that they publish is out.
func (b *Bridges) Pause(ctx context.Context) { b.end(ctx, paused) }

// Close ends all bridges for good, as Pause does.
func (b *Bridges) Close(ctx context.Context) {
	b.end(ctx, closed)
	b.loop.Wait()
}

func (b *Bridges) end(ctx context.Context, to lifecycle) {
	b.mu.Lock()
	was := b.state
	if was == closed || was == to || was == unstarted && to == paused {
		b.mu.Unlock()
		return
	}
	b.state = to
	if was == started {
		b.tell(b.specs, nil)
	}
	for _, r := range b.running {
		r.end()
	}
	b.mu.Unlock()
	b.Look()
	for {
		b.mu.Lock()
		left, changed := len(b.running), b.changed
		b.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Look asks the owner again, soon.
func (b *Bridges) Look() {
	select {
	case b.kick <- struct{}{}:
	default:
	}
}

// watchLoop starts and ends the bridges that are to run, until Close.
func (b *Bridges) watchLoop() {
	var runs sync.WaitGroup
	defer runs.Wait()
	ticker := time.NewTicker(lookEach)
	defer ticker.Stop()
	for b.review(&runs) {
		select {
		case <-b.kick:
		case <-ticker.C:
		}
	}
}

// review does everything to be done now. It returns false after Close.
func (b *Bridges) review(runs *sync.WaitGroup) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == closed {
		return false
	}
	wanted := make(map[string]*Spec)
	for _, s := range b.specs {
		if b.state == started && b.owner.IsOurs(s.Name()) {
			wanted[s.Name()] = s
		}
	}
	for name, r := range b.running {
		if s := wanted[name]; s == nil || s.Written != r.runner.spec.Written {
			r.end()
		}
	}
	for name, s := range wanted {
		if b.running[name] != nil {
			continue // it may be ending; then its end has this looked at again
		}
		ctx, cancel := context.WithCancel(context.Background())
		r := &run{runner: newRunner(s, b.hub, b.log), cancel: cancel}
		r.runner.dial = b.dial
		b.running[name] = r
		b.owner.Runs(name, true)
		runs.Go(func() {
			r.runner.run(ctx)
			b.ended(name, r)
		})
	}
	return true
}

// end has a run end.
func (r *run) end() {
	if !r.ending {
		r.ending = true
		r.cancel()
	}
}

// ended notes that a run has ended.
func (b *Bridges) ended(name string, r *run) {
	r.cancel()
	status := r.runner.status()
	b.mu.Lock()
	if p := b.past[name]; p != nil {
		status.Add(p)
	}
	b.past[name] = &status
	delete(b.running, name)
	close(b.changed)
	b.changed = make(chan struct{})
	b.mu.Unlock()
	b.owner.Runs(name, false)
	b.Look()
}

// Report is how a bridge of this process is.
type Report struct {
	Name   string
	IsHere bool // this process has it
	feed.Status
}

// Reports are those of all bridges, in the order of the configuration. What they count goes on when a bridge has been elsewhere.
func (b *Bridges) Reports() []Report {
	b.mu.Lock()
	defer b.mu.Unlock()
	reports := make([]Report, len(b.specs))
	for i, s := range b.specs {
		reports[i].Name = s.Name()
		past := b.past[s.Name()]
		r := b.running[s.Name()]
		if r != nil {
			reports[i].IsHere, reports[i].Status = true, r.runner.status()
		} else {
			reports[i].State = Elsewhere
		}
		if past != nil {
			reports[i].Add(past)
		}
	}
	return reports
}

// Elsewhere is the state of a bridge that this process does not have.
const Elsewhere feed.State = "elsewhere"
