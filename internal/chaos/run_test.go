//go:build linux

package chaos

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/clustertest"
	"github.com/godwit-io/godwit/internal/witness"
)

// plan is how large a run is.
type plan struct {
	seed         uint64
	clients      int
	groups       int // of channels, four in each
	publications int // that are made in duration
	least        int // of them that have to be acknowledged, or too little has happened for it to mean anything
	duration     time.Duration
	anyhow       bool // it ends then, and else when the disturbance is over, too
	whole        bool // nobody may be told of a gap, nor of one that what it was given already has in it
}

// settings of every node: they say something every second, and let one address have
// everything.
const settings = `
heartbeat: 1s
drain_timeout: 2s
sessions: {ping: 2s}
history: {count: 5000}
limits:
  connections_per_address: 10000
  handshakes_per_second: 100000
  requests_per_second: 1000000
  publications_per_second_session: 1000000
  publications_per_second_user: 1000000
  publications_per_second_address: 1000000
`

const perGroup = 4

func group(g int) (pattern string, channels []string) {
	for i := range perGroup {
		channels = append(channels, fmt.Sprintf("chaos/g%d/%d", g, i))
	}
	return fmt.Sprintf("chaos/g%d/*", g), channels
}

// disturbance does something to servers until ctx ends, and returns when everything is well
// again, which patience may take.
type disturbance func(w *world, ctx, patience context.Context) error

// run plays a plan on nodes that serve, and judges it.
func run(t *testing.T, p plan, nodes []*clustertest.Node, disturb disturbance) *witness.Verdict {
	t.Helper()
	w := newWorld(t, p.seed, nodes)
	t.Logf("seed %d: GODWIT_CHAOS_SEED=%d repeats what is done to whom, and when", p.seed, p.seed)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	var channels []string
	for g := range p.groups {
		_, some := group(g)
		channels = append(channels, some...)
	}
	listening, leave := context.WithCancel(ctx)
	defer leave()
	var clients, publishing sync.WaitGroup
	defer func() {
		cancel()
		publishing.Wait()
		clients.Wait()
		w.http.CloseIdleConnections()
	}()
	speakers := w.listen(listening, &clients, p, channels)
	closer := newPublisher(w, 1, channels)
	if !w.allListen(ctx) || !w.sayEverywhere(ctx, closer, channels) { // everybody hears it: from here on nothing is missed
		w.report(w.truth.Check(nil, false), 0, 0)
		return nil
	}

	// The load, until there was enough of it.
	loaded, stop := context.WithTimeout(ctx, p.duration+min(p.duration+10*time.Second, time.Minute))
	defer stop()
	until := time.Now().Add(p.duration)
	var disturbed atomic.Bool
	more := func() bool {
		isEnough := time.Now().After(until) && w.truth.Acknowledged() >= p.least && (p.anyhow || disturbed.Load())
		return loaded.Err() == nil && !isEnough
	}
	due := newPace(float64(p.publications) / p.duration.Seconds())
	posters := 12
	for i := range posters {
		one := newPublisher(w, i+2, channels)
		batch := 1
		if i%3 == 2 {
			batch = 10
		}
		publishing.Go(func() { one.post(ctx, batch, more, due) })
	}
	for i, s := range speakers {
		s.publisher = newPublisher(w, posters+i+2, channels)
		publishing.Go(func() { s.publishAll(ctx, more, due) })
	}

	acting, calm := context.WithCancel(ctx)
	var healed atomic.Value
	fated := make(chan struct{})
	go func() {
		defer close(fated)
		if err := disturb(w, acting, ctx); err != nil {
			healed.Store(err)
		}
		disturbed.Store(true)
	}()
	tick := time.NewTicker(100 * time.Millisecond)
	for more() && !w.failed() {
		<-tick.C
	}
	tick.Stop()
	stop()
	calm()
	<-fated
	if err, is := healed.Load().(error); is {
		t.Error(err)
	}
	took := time.Since(w.began)
	if !w.isOver(&publishing) {
		w.fail("publications have no outcome: %d were sent, and %d acknowledged", w.truth.Sent(), w.truth.Acknowledged())
	}
	calmed := time.Now()
	t.Logf("%.1f s after the beginning everything was acknowledged", time.Since(w.began).Seconds())
	_ = w.sayEverywhere(ctx, closer, channels) // the check says what each has not heard
	heard := time.Since(calmed)
	leave()
	clients.Wait()
	t.Logf("%.1f s: all have left", time.Since(w.began).Seconds())
	v := w.truth.Check(w.allRecords(), true)
	t.Logf("%d publications were due, and %d were acknowledged", p.publications, v.Acknowledged)
	w.report(v, took, heard)
	for reason, n := range w.reasons {
		if p.whole && strings.HasPrefix(reason, "gap") {
			t.Errorf("%d times a client was told: %s", n, reason)
		}
	}
	return v
}

// listen starts the clients, of all transports in turn, and returns the sessions that can
// publish, too.
func (w *world) listen(ctx context.Context, clients *sync.WaitGroup, p plan, channels []string) (speakers []*session) {
	random := w.random("world")
	for i := range p.clients {
		channel := channels[random.IntN(len(channels))]
		matching, matched := group(random.IntN(p.groups))
		name := func(kind string) string { return fmt.Sprintf("%s %d", kind, i) }
		start := func(c *client, connect func(context.Context, *clustertest.Node) error) {
			clients.Go(func() { c.run(ctx, connect) })
		}
		kind := i % 11
		switch kind {
		case 0:
			c := newClient(w, name("WebSocket")).follows(channel)
			start(c, c.socket(channel))
		case 1:
			c := newClient(w, name("WebSocket of a pattern")).followsPattern(matching, matched)
			start(c, c.socket(matching))
		case 2:
			c := newClient(w, name("event stream")).follows(channel)
			start(c, c.events(channel))
		case 3:
			c := newClient(w, name("event stream of a pattern")).followsPattern(matching, matched)
			start(c, c.events(matching))
		case 4:
			c := newClient(w, name("JSON lines")).follows(channel)
			start(c, c.ndjson(channel))
		case 5:
			c := newClient(w, name("JSON lines of a pattern")).followsPattern(matching, matched)
			start(c, c.ndjson(matching))
		case 6:
			c := newClient(w, name("long poll")).follows(channel)
			start(c, c.polls(channel))
		default:
			s := newSession(w, name([]string{"session over WebSocket", "session over an event stream", "session over JSON lines", "session that polls"}[kind-7]))
			if random.IntN(2) == 0 {
				s.followsPattern(matching, matched)
			}
			for range 2 {
				if c := channels[random.IntN(len(channels))]; s.records[c] == nil {
					s.follows(c)
				}
			}
			connect := []func(context.Context, *clustertest.Node) error{s.overSocket, s.overStream("text/event-stream"), s.overStream("application/x-ndjson"), s.overPolls}[kind-7]
			clients.Go(func() { s.run(ctx, connect) })
			if i < 6*11 {
				speakers = append(speakers, s)
			}
		}
	}
	return speakers
}

// isOver waits for a group, not for ever.
func (w *world) isOver(group *sync.WaitGroup) bool {
	over := make(chan struct{})
	go func() {
		group.Wait()
		close(over)
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-over:
		return true
	case <-limit.C:
		return false
	}
}

// allListen waits until every client has begun to listen to everything that it follows.
func (w *world) allListen(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for w.waiting.Load() > 0 {
		if !wait(ctx, nil, 20*time.Millisecond, 0) {
			w.t.Errorf("%d subscriptions have not begun", w.waiting.Load())
			return false
		}
	}
	return true
}

// sayEverywhere publishes in each channel, and waits until all its followers have come
// there. Nothing else may be published meanwhile. Where a client was told that it has missed
// something it may be in a newer epoch than what was said, as when a sentinel has made another
// server the master meanwhile; and one of a pattern may not know where it is. In these
// channels something is said again.
func (w *world) sayEverywhere(ctx context.Context, p *publisher, channels []string) bool {
	random := w.random("the last word")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	say := func(channels []string) bool {
		for _, channel := range channels {
			one := p.make(channel)
			for p.postOne(ctx, w.node(random), one) != nil {
				if !wait(ctx, nil, 50*time.Millisecond, 0) {
					w.t.Errorf("nothing can be published in %s", channel)
					return false
				}
			}
		}
		return true
	}
	if !say(channels) {
		return false
	}
	const again = 100 // looks, which are two seconds
	for looks := 1; ; looks++ {
		var late *witness.Record
		var elsewhere []string
		for _, r := range w.allRecords() {
			at, newest := r.At(), w.truth.Newest(r.Channel())
			if at == newest {
				continue
			}
			late = r
			if at.Epoch != newest.Epoch && !slices.Contains(elsewhere, r.Channel()) {
				elsewhere = append(elsewhere, r.Channel())
			}
		}
		if late == nil {
			return true
		}
		if !wait(ctx, nil, 20*time.Millisecond, 0) {
			w.t.Errorf("%s has come to %v in %s, and not to %v", late.Client(), late.At(), late.Channel(), w.truth.Newest(late.Channel()))
			return false // the others have had their time, too
		}
		if looks%again == 0 && !say(elsewhere) {
			return false
		}
	}
}

// report says what happened, and what is wrong.
func (w *world) report(v *witness.Verdict, took, heard time.Duration) {
	t := w.t
	t.Logf("%.0f s; %d publications acknowledged, %d attempts, %d of them made again; %d deliveries to %d clients over %d connections, %d of which could not be opened",
		took.Seconds(), v.Acknowledged, w.attempts.Load(), w.refused.Load(), v.Given, w.clientCount(), w.connections.Load(), w.failures.Load())
	t.Logf("everybody had heard the last word after %.1f s", heard.Seconds())
	acts := make(map[string]int)
	for _, a := range w.diary.all() {
		acts[a.what]++
	}
	t.Logf("what was done: %v", counts(acts))
	why := make(map[string]int)
	missed := 0
	for _, g := range v.Gaps {
		how := "history did not reach back"
		if g.NewEpoch {
			how = "another epoch"
		}
		why[how+", after "+w.diary.before(g.At, g.NewEpoch)]++
		missed += g.Missed
	}
	t.Logf("%d gaps announced, with %d deliveries in them: %v", len(v.Gaps), missed, counts(why))
	t.Logf("what clients were told: %v", counts(w.reasons))
	t.Logf("of the acknowledged, %d were given to somebody, %d to nobody and in announced gaps; %d were published again in another epoch; a gap led a client back to an epoch that it had left %d times, and within an epoch %d times",
		v.Reached, v.Announced, v.Again, v.Returns, v.Back)

	for _, text := range w.wrong {
		t.Error(text)
	}
	for i, f := range v.Faults {
		if i == 5 {
			t.Errorf("and %d more faults", len(v.Faults)-i)
			break
		}
		t.Error(f)
		if f.Record != nil {
			for _, line := range f.Record.Notes() {
				t.Log("    " + line)
			}
		}
	}
	var acted []string
	for _, a := range w.diary.all() {
		acted = append(acted, fmt.Sprintf("%.2f s %s %s", a.at.Sub(w.began).Seconds(), strings.Fields(a.what)[0]+" "+strings.Fields(a.what)[1], a.whom))
	}
	t.Log(strings.Join(acted, "; "))
}

func (w *world) clientCount() int {
	names := make(map[string]bool)
	for _, r := range w.allRecords() {
		names[r.Client()] = true
	}
	return len(names)
}

// counts are numbers by name, the largest first.
func counts(m map[string]int) (lines []string) {
	for name, n := range m {
		lines = append(lines, fmt.Sprintf("%6d %s", n, name))
	}
	slices.Sort(lines)
	slices.Reverse(lines)
	return lines
}
