package natsbroker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// patience is how long something may take before it is called lost.
const patience = 60 * time.Second

var plenty = hub.Retention{Count: 100_000, Age: time.Hour}

// follower is a subscriber of one channel, as the hub has them: it reads the history when it
// has missed something. What is published in the channel are numbers.
type follower struct {
	b       *Broker
	channel string
	done    sync.WaitGroup

	mu      sync.Mutex // guards what follows
	waiting []*hub.Publication
	isLost  bool
	changed chan struct{} // closed and replaced with every change
	last    hub.Position
	got     []int
	at      []hub.Position // of each of got
	gaps    map[int]string // by how many it had got before
	epochs  []string
}

// followers is a Receiver for followers of channels.
type followers struct {
	mu   sync.Mutex
	list map[string]*follower
}

func (r *followers) all() []*follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*follower
	for _, f := range r.list {
		list = append(list, f)
	}
	return list
}

func (r *followers) Receive(p *hub.Publication) {
	r.mu.Lock()
	f := r.list[p.Channel]
	r.mu.Unlock()
	if f != nil {
		f.note(func() { f.waiting = append(f.waiting, p) })
	}
}

func (r *followers) Lost(channel string) {
	for _, f := range r.all() {
		if channel == "" || channel == f.channel {
			f.note(func() { f.isLost = true })
		}
	}
}

func (f *follower) note(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	close(f.changed)
	f.changed = make(chan struct{})
}

// startBroker starts a broker with followers of channels, until the test ends.
func startBroker(t *testing.T, o Options, channels ...string) (*Broker, []*follower) {
	t.Helper()
	b := newBroker(t, o)
	r := &followers{list: make(map[string]*follower)}
	if err := b.Start(r); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var list []*follower
	t.Cleanup(func() {
		cancel()
		if err := b.Close(); err != nil && err != hub.ErrClosed {
			t.Error(err)
		}
		for _, f := range list {
			f.done.Wait()
		}
	})
	for _, channel := range channels {
		f := &follower{b: b, channel: channel, changed: make(chan struct{}), gaps: make(map[int]string)}
		r.mu.Lock()
		r.list[channel] = f
		r.mu.Unlock()
		top := listen(t, b, channel)
		f.mu.Lock()
		f.last = top
		f.mu.Unlock()
		f.done.Go(func() { f.follow(ctx) })
		list = append(list, f)
	}
	return b, list
}

func listen(t *testing.T, b *Broker, channel string) hub.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	top, err := b.Listen(ctx, channel)
	if err != nil {
		t.Fatalf("Listen(%q): %v", channel, err)
	}
	return top
}

func (f *follower) follow(ctx context.Context) {
	for {
		f.mu.Lock()
		changed := f.changed
		waiting, isLost := f.waiting, f.isLost
		f.waiting, f.isLost = nil, false
		f.mu.Unlock()
		if isLost {
			f.read(ctx)
		}
		for _, p := range waiting {
			if p.Position.Epoch != f.position().Epoch || p.Previous > f.position().Offset {
				f.read(ctx)
			}
			f.take(p)
		}
		if len(waiting) > 0 || isLost {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (f *follower) position() hub.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

func (f *follower) take(p *hub.Publication) {
	f.note(func() {
		if p.Position.Epoch != f.last.Epoch || p.Position.Offset <= f.last.Offset {
			return // it has it, or it is of an epoch that has passed
		}
		f.last = p.Position
		n, err := strconv.Atoi(string(p.Data))
		if err != nil {
			n = -1
		}
		f.got, f.at = append(f.got, n), append(f.at, p.Position)
		if e := p.Position.Epoch; len(f.epochs) == 0 || f.epochs[len(f.epochs)-1] != e {
			f.epochs = append(f.epochs, e)
		}
	})
}

// read reads what it has missed, as long as that takes.
func (f *follower) read(ctx context.Context) {
	for ctx.Err() == nil {
		page, err := f.b.History(ctx, f.channel, hub.Query{Since: f.position()})
		if err != nil {
			continue
		}
		if page.Gap != nil {
			f.note(func() {
				f.gaps[len(f.got)] = fmt.Sprintf("%v to %v", page.Gap.From, page.Gap.To)
				f.last = page.Begin
			})
		}
		for _, p := range page.Publications {
			f.take(p)
		}
		f.note(func() {
			if page.Position.Epoch == f.last.Epoch && page.Position.Offset > f.last.Offset {
				f.last = page.Position
			}
		})
		return
	}
}

// await waits until done is true of what it has got.
func (f *follower) await(t *testing.T, what string, done func(got []int) bool) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		f.mu.Lock()
		isDone, changed, n := done(f.got), f.changed, len(f.got)
		f.mu.Unlock()
		if isDone {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("%s: after %v the follower of %s has %d publications and waits for %s", t.Name(), patience, f.channel, n, what)
		}
	}
}

// has is done when a number has come.
func has(number int) func([]int) bool {
	return func(got []int) bool { return slices.Contains(got, number) }
}

// publisher publishes numbers in a channel, some at a time, and remembers what became
// of each.
type publisher struct {
	b         *Broker
	channel   string
	retention hub.Retention

	// What had no answer yet when the stream lost everything is stored once more, in the
	// new epoch. It may have been delivered in the one before.
	mayRepeat bool

	mu       sync.Mutex // guards what follows
	outcomes map[int]hub.Published
	pending  int
	changed  chan struct{}
	sent     int
}

func newPublisher(b *Broker, channel string) *publisher {
	return &publisher{b: b, channel: channel, retention: plenty, outcomes: make(map[int]hub.Published), changed: make(chan struct{})}
}

// Published implements hub.Completer.
func (p *publisher) Published(ticket uint64, o hub.Published) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outcomes[int(ticket)] = o
	p.pending--
	close(p.changed)
	p.changed = make(chan struct{})
}

// publish publishes the next number, once fewer than atOnce have no outcome.
func (p *publisher) publish(t *testing.T, atOnce int) int {
	p.await(t, atOnce-1)
	p.mu.Lock()
	n := p.sent
	p.sent++
	p.pending++
	p.mu.Unlock()
	p.b.Publish(hub.Message{Channel: p.channel, Data: []byte(strconv.Itoa(n))}, p.retention, p, uint64(n))
	return n
}

// await waits until at most n have no outcome.
func (p *publisher) await(t *testing.T, n int) {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		pending, changed := p.pending, p.changed
		p.mu.Unlock()
		if pending <= n {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Errorf("%s: after %v %d publications have no outcome", t.Name(), patience, pending)
			return
		}
	}
}

// succeed publishes until one is accepted, and returns its number.
func (p *publisher) succeed(t *testing.T) int {
	t.Helper()
	end := time.Now().Add(patience)
	for time.Now().Before(end) {
		n := p.publish(t, 1)
		p.await(t, 0)
		p.mu.Lock()
		err := p.outcomes[n].Err
		p.mu.Unlock()
		if err == nil {
			return n
		}
	}
	t.Fatalf("%s: nothing was accepted for %v", t.Name(), patience)
	return 0
}

// run publishes until stop is closed.
func (p *publisher) run(t *testing.T, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			p.await(t, 0)
			return
		default:
			p.publish(t, 32)
		}
	}
}

// judge compares what a follower has got with what was accepted: all of it, once and in
// order, or with a gap where something is missing. It returns the gaps.
func (p *publisher) judge(t *testing.T, f *follower) (gaps int) {
	t.Helper()
	last := p.succeed(t)
	f.await(t, fmt.Sprint("number ", last), has(last))
	p.mu.Lock()
	defer p.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	next, accepted, unknown, late := 0, 0, 0, make(map[int]bool)
	for i, n := range f.got {
		if o := p.outcomes[n].Position; p.mayRepeat && o.Epoch != "" && o.Epoch != f.at[i].Epoch && o.Offset != f.at[i].Offset {
			continue
		}
		// What is not known to be published may be stored much later: it waits in a server
		// that has stopped, for example. But it comes once.
		if n < next && p.outcomes[n].Err != nil && !slices.Contains(f.got[:i], n) {
			late[n] = true
			continue
		}
		if n < next {
			t.Fatalf("%s: the follower of %s has got %d at %v after %d at %v; its outcome was %+v", t.Name(), f.channel, n, f.at[i], f.got[i-1], f.at[i-1], p.outcomes[n])
		}
		for ; next < n; next++ {
			o := p.outcomes[next]
			if _, isGap := f.gaps[i]; o.Err == nil && !isGap {
				t.Errorf("%s: number %d was accepted as %v, and is neither delivered nor in a gap", t.Name(), next, o.Position)
			}
		}
		next = n + 1
	}
	var before hub.Position
	for n := range p.sent {
		o := p.outcomes[n]
		if o.Err != nil {
			unknown++
			continue
		}
		accepted++
		if o.Position.Epoch == before.Epoch && o.Position.Offset <= before.Offset {
			t.Errorf("%s: number %d is at %v, and one before it at %v", t.Name(), n, o.Position, before)
		}
		before = o.Position
	}
	t.Logf("%s: %d published, %d accepted, %d with an error of which %d came late, %d delivered, gaps %v, epochs %q", f.channel, p.sent, accepted, unknown, len(late), len(f.got), f.gaps, f.epochs)
	return len(f.gaps)
}
