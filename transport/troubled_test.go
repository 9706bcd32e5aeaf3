package transport

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// troubled is a membroker that does what a test tells it to. What it is asked to
// publish is published at once; only the outcome is late.
type troubled struct {
	isImmediate bool

	mu        sync.Mutex // guards what follows
	changed   chan struct{}
	inner     hub.Broker
	receiver  hub.Receiver
	listening map[string]bool
	epochs    []string
	troubles  []trouble // the newest first
	outcomes  []func()  // of publications that are held
	gate      chan struct{}
	counts    map[string]int // of calls by method, and of those held by "held "+method
	closed    chan struct{}
	wg        sync.WaitGroup
}

// trouble is what happens to the calls of a method in a channel; "" is any.
type trouble struct {
	method, channel string
	err             error
	delay           time.Duration
	isHeld          bool
}

func newTroubled(isImmediate bool) *troubled {
	return &troubled{
		isImmediate: isImmediate, inner: newBroker(), changed: make(chan struct{}),
		listening: map[string]bool{}, counts: map[string]int{}, gate: make(chan struct{}), closed: make(chan struct{}),
	}
}

// make makes trouble, instead of any that there was in the same place.
func (b *troubled) make(t trouble) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = slices.Insert(b.troubles, 0, t)
}

// recover ends all trouble for calls that come.
func (b *troubled) recover() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = nil
}

// letGo lets everything go on that is held, and holds nothing more.
func (b *troubled) letGo(reverse, twice bool) {
	b.mu.Lock()
	outcomes := b.outcomes
	b.outcomes = nil
	b.troubles = slices.DeleteFunc(b.troubles, func(t trouble) bool { return t.isHeld })
	close(b.gate)
	b.gate = make(chan struct{})
	b.mu.Unlock()
	if reverse {
		slices.Reverse(outcomes)
	}
	for _, give := range outcomes {
		give()
		if twice {
			give()
		}
	}
}

// restart makes b a broker that knows nothing of before. Its first epoch is shown
// as E, the next as F.
func (b *troubled) restart() {
	fresh := newBroker()
	b.mu.Lock()
	receiver, old := b.receiver, b.inner
	channels := make([]string, 0, len(b.listening))
	for channel := range b.listening {
		channels = append(channels, channel)
	}
	b.inner = fresh
	b.mu.Unlock()
	_ = fresh.Start(receiver) // it is new
	for _, channel := range channels {
		if hub.IsPattern(channel) {
			_ = fresh.ListenPattern(context.Background(), channel)
			continue
		}
		_, _ = fresh.Listen(context.Background(), channel)
	}
	b.noteEpoch()
	_ = old.Close()
	receiver.Lost("")
}

func (b *troubled) noteEpoch() {
	page, _ := b.now().History(context.Background(), "epoch", hub.Query{Last: 1}) // a membroker that was started
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epochs = append(b.epochs, page.Position.Epoch)
}

func (b *troubled) now() hub.Broker {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.inner
}

// begin counts a call and says what happens to it.
func (b *troubled) begin(method, channel string) (trouble, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found trouble
	for _, t := range b.troubles {
		if (t.method == method || t.method == "") && (t.channel == channel || t.channel == "") {
			found = t
			break
		}
	}
	if found == (trouble{}) {
		return found, b.gate
	}
	if found.method = method; found.isHeld {
		b.count("held " + method)
	}
	return found, b.gate
}

// count counts; mu is held.
func (b *troubled) count(what string) {
	b.counts[what]++
	close(b.changed)
	b.changed = make(chan struct{})
}

// counted is how many calls of a method have returned, or with "held " in front
// were held.
func (b *troubled) counted(what string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[what]
}

// await waits until there were n.
func (b *troubled) await(t testing.TB, what string, n int) {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		b.mu.Lock()
		got, changed := b.counts[what], b.changed
		b.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("the broker counts %d of %q, want %d", got, what, n)
		}
	}
}

// wait takes as long as t says.
func (b *troubled) wait(ctx context.Context, t trouble, gate chan struct{}) error {
	var timer <-chan time.Time
	switch {
	case t.isHeld:
	case t.delay > 0:
		timer = time.After(t.delay)
	default:
		return t.err
	}
	if !t.isHeld {
		gate = nil
	}
	select {
	case <-gate:
	case <-timer:
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			b.count("gave up " + t.method)
		}
		return ctx.Err()
	case <-b.closed:
		return hub.ErrClosed
	}
	return t.err
}

// IsImmediate implements hub.ImmediateBroker.
func (b *troubled) IsImmediate() bool { return b.isImmediate }

func (b *troubled) Start(r hub.Receiver) error {
	b.mu.Lock()
	b.receiver = r
	b.mu.Unlock()
	if err := b.now().Start(r); err != nil {
		return err
	}
	b.noteEpoch()
	return nil
}

type outcome func(hub.Published)

func (f outcome) Published(_ uint64, p hub.Published) { f(p) }

func (b *troubled) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.count("publish")
	}()
	t, _ := b.begin("publish", m.Channel)
	if t == (trouble{}) {
		b.now().Publish(m, r, to, ticket)
		return
	}
	answer := func(p hub.Published) {
		give := func() { to.Published(ticket, p) }
		switch {
		case t.isHeld:
			b.mu.Lock()
			b.outcomes = append(b.outcomes, give)
			b.mu.Unlock()
		case t.delay > 0:
			b.wg.Go(func() {
				_ = b.wait(context.Background(), t, nil)
				give()
			})
		default:
			give()
		}
	}
	if t.err != nil {
		answer(hub.Published{Err: t.err})
		return
	}
	b.now().Publish(m, r, outcome(answer), 0)
}

func (b *troubled) Listen(ctx context.Context, channel string) (hub.Position, error) {
	t, gate := b.begin("listen", channel)
	if err := b.wait(ctx, t, gate); err != nil {
		return hub.Position{}, err
	}
	b.mu.Lock()
	b.listening[channel] = true
	b.mu.Unlock()
	return b.now().Listen(ctx, channel)
}

// ListenPattern has the trouble of listening to a channel of that name.
func (b *troubled) ListenPattern(ctx context.Context, pattern string) error {
	t, gate := b.begin("listen", pattern)
	if err := b.wait(ctx, t, gate); err != nil {
		return err
	}
	b.mu.Lock()
	b.listening[pattern] = true
	b.mu.Unlock()
	return b.now().(hub.PatternBroker).ListenPattern(ctx, pattern)
}

func (b *troubled) MutePattern(ctx context.Context, pattern string) error {
	t, gate := b.begin("mute", pattern)
	if err := b.wait(ctx, t, gate); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.listening, pattern)
	b.mu.Unlock()
	return b.now().(hub.PatternBroker).MutePattern(ctx, pattern)
}

func (b *troubled) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	return b.now().(hub.ListingBroker).List(ctx, q)
}

func (b *troubled) Mute(ctx context.Context, channel string) error {
	t, gate := b.begin("mute", channel)
	if err := b.wait(ctx, t, gate); err != nil {
		return err
	}
	b.mu.Lock()
	delete(b.listening, channel)
	b.mu.Unlock()
	return b.now().Mute(ctx, channel)
}

func (b *troubled) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	t, gate := b.begin("history", channel)
	if err := b.wait(ctx, t, gate); err != nil {
		return hub.Page{}, err
	}
	return b.now().History(ctx, channel, q)
}

// Close gives a held publication its outcome, too.
func (b *troubled) Close() error {
	close(b.closed)
	b.letGo(false, false)
	err := b.now().Close()
	b.wg.Wait()
	return err
}
