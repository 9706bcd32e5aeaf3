package brokertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// Run runs the suite on a Broker whose goroutines and timers are all in this
// process, so that time can be virtual. newBroker returns a Broker that was not
// started; the suite closes it.
func Run(t *testing.T, newBroker func(t *testing.T) hub.Broker) {
	Suite{New: newBroker}.Run(t)
}

// Suite is Run for Brokers that need to say more about themselves.
type Suite struct {
	// New returns a Broker that was not started; the suite closes it.
	New func(t *testing.T) hub.Broker

	// External is set for a Broker that depends on something outside of this
	// process, where time is real: all promises about age are tested at once then, which
	// takes some seconds.
	External bool

	// KeyAge is set for an External Broker that remembers an idempotency key for as
	// long as its Retention.KeyAge says. Others do in virtual time.
	KeyAge bool

	// Disconnect breaks the Broker's connection to the outside of this process; the Broker
	// is to mend it. Without it nothing tests how the Broker tells of missed publications.
	Disconnect func(hub.Broker)
}

// Run runs the suite, each test on its own Broker.
func (s Suite) Run(t *testing.T) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, *fixture)
	}{
		{"PublicationIsDeliveredAsPublished", publicationIsDeliveredAsPublished},
		{"OffsetsAscend", offsetsAscend},
		{"PublishIsPipelined", publishIsPipelined},
		{"OutcomeUnderNoLock", outcomeUnderNoLock},
		{"DeliveredInOrderOneAtATime", deliveredInOrderOneAtATime},
		{"ChannelsAreIndependent", channelsAreIndependent},
		{"HistoryBeforeDelivery", historyBeforeDelivery},
		{"ListenThenHistory", listenThenHistory},
		{"ListenAnswersTheNewest", listenAnswersTheNewest},
		{"ListenIsIdempotent", listenIsIdempotent},
		{"MuteEndsDelivery", muteEndsDelivery},
		{"NoRetentionStillDelivers", noRetentionStillDelivers},

		{"IdempotencyKey", idempotencyKey},
		{"IdempotencyKeyAge", s.inTime(idempotencyKeyAge)},
		{"IdempotencyKeyConcurrently", idempotencyKeyConcurrently},

		{"HistoryQueries", historyQueries},
		{"HistoryGaps", historyGaps},
		{"HistoryIsWhole", historyIsWhole},
		{"HistoryInPages", historyInPages},
		{"HistoryOfUnknownChannel", historyOfUnknownChannel},
		{"RetentionByCount", retentionByCount},
		{"RetentionWithoutHoles", retentionWithoutHoles},
		{"RetentionByAge", s.inTime(retentionByAge)},
		{"PositionsSurviveSilence", s.inTime(positionsSurviveSilence)},

		{"PatternDelivers", patternDelivers},
		{"PatternsAreOne", patternsAreOne},
		{"PatternsWhilePublishing", patternsWhilePublishing},
		{"PatternsWithoutHistory", patternsWithoutHistory},

		{"Bus", busCarries},
		{"BusStops", busStops},
		{"BusTopics", busTopics},
		{"BusBounds", busBounds},
		{"BusConcurrently", busConcurrently},
		{"BusMissed", busMissed},
		{"BusCloses", busCloses},

		{"AgesInRealTime", s.inRealTime(agesInRealTime)},

		{"Clear", clearForgets},
		{"List", listOfChannels},
		{"ListForgets", s.inTime(listForgets)},

		{"Lost", lostIsAnnounced},
		{"Health", health},
		{"Close", closeEndsEverything},
		{"CloseDuringDelivery", closeDuringDelivery},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, &fixture{t: t, suite: s}) })
	}
}

// inTime runs a test that waits for virtual time to pass.
func (s Suite) inTime(run func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	if s.External {
		return func(t *testing.T, _ *fixture) { t.Skip("time is real: AgesInRealTime says the same") }
	}
	return func(t *testing.T, _ *fixture) {
		synctest.Test(t, func(t *testing.T) { run(t, &fixture{t: t, suite: s}) })
	}
}

// inRealTime runs a test that waits for real time to pass.
func (s Suite) inRealTime(run func(*testing.T, *fixture)) func(*testing.T, *fixture) {
	switch {
	case !s.External:
		return func(t *testing.T, _ *fixture) { t.Skip("time is virtual: the tests of each age have said so") }
	case testing.Short():
		return func(t *testing.T, _ *fixture) { t.Skip("it waits until something has grown old") }
	}
	return run
}

// plenty is a retention that no test outlives.
var plenty = hub.Retention{Count: 100_000, Age: time.Hour}

// patience is how long a delivery may take before it is called lost.
const patience = time.Minute

// fixture is a started Broker and its deliveries.
type fixture struct {
	t     *testing.T
	suite Suite
	hub.Broker
	received *recorder
	ctx      context.Context
}

// start starts the Broker with receive, which by default records.
func (f *fixture) start(receive func(*hub.Publication)) {
	f.t.Helper()
	f.ctx = f.t.Context()
	f.received = &recorder{changed: make(chan struct{})}
	if receive == nil {
		receive = f.received.record
	}
	f.Broker = f.suite.New(f.t)
	f.t.Cleanup(func() { _ = f.Broker.Close() }) // ErrClosed when the test did it
	if err := f.Start(receiver{receive, f.received.lose}); err != nil {
		f.t.Fatalf("Start: %v", err)
	}
	if f.suite.Disconnect == nil && !f.suite.External {
		f.t.Cleanup(func() {
			if lost, _ := f.received.losses(); len(lost) > 0 {
				f.t.Errorf("the broker said that it lost something of %q, and nothing can have been lost", lost)
			}
		})
	}
}

type receiver struct {
	receive func(*hub.Publication)
	lost    func(string)
}

func (r receiver) Receive(p *hub.Publication) { r.receive(p) }
func (r receiver) Lost(channel string)        { r.lost(channel) }

// listen returns the newest position of the channel.
func (f *fixture) listen(channel string) hub.Position {
	f.t.Helper()
	top, err := f.Listen(f.ctx, channel)
	if err != nil {
		f.t.Fatalf("Listen(%q): %v", channel, err)
	}
	return top
}

// put publishes m and waits for the outcome.
func (f *fixture) put(m hub.Message, r hub.Retention) (hub.Position, bool, error) {
	outcome := make(outcome, 2) // room for one too many
	f.Publish(m, r, outcome, 7)
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case p := <-outcome:
		return p.Position, p.Duplicate, p.Err
	case <-timeout.C:
		return hub.Position{}, false, fmt.Errorf("Publish has no outcome after %v", patience)
	}
}

// outcome is a Completer for one publication.
type outcome chan hub.Published

func (o outcome) Published(ticket uint64, p hub.Published) {
	if ticket != 7 {
		p.Err = fmt.Errorf("the ticket is %d, want 7", ticket)
	}
	o <- p
}

func (f *fixture) mute(channel string) {
	f.t.Helper()
	if err := f.Mute(f.ctx, channel); err != nil {
		f.t.Fatalf("Mute(%q): %v", channel, err)
	}
}

// publish publishes data in the order given and returns the last position.
func (f *fixture) publish(channel string, r hub.Retention, data ...string) hub.Position {
	f.t.Helper()
	return f.publishAll(channel, r, data...)[len(data)]
}

// publishAll publishes data in the order given. It returns where the channel was
// before, and then the position of each.
func (f *fixture) publishAll(channel string, r hub.Retention, data ...string) []hub.Position {
	f.t.Helper()
	positions := []hub.Position{f.history(channel, hub.Query{Last: 1}).Position}
	for _, d := range data {
		pos, duplicate, err := f.put(hub.Message{Channel: channel, Data: []byte(d)}, r)
		if err != nil || duplicate {
			f.t.Fatalf("Publish(%q, %q): duplicate %v, error %v", channel, d, duplicate, err)
		}
		positions = append(positions, pos)
	}
	return positions
}

func (f *fixture) history(channel string, q hub.Query) hub.Page {
	f.t.Helper()
	page, err := f.History(f.ctx, channel, q)
	if err != nil {
		f.t.Fatalf("History(%q, %+v): %v", channel, q, err)
	}
	return page
}

// wantPage checks everything about a page but its shared contents. The gap, if
// one is wanted, is from since to where the page begins.
func (f *fixture) wantPage(page hub.Page, data []string, position hub.Position, gapSince hub.Position) {
	f.t.Helper()
	if got := texts(page.Publications); !slices.Equal(got, data) {
		f.t.Errorf("page has %q, want %q", got, data)
	}
	if page.Position != position {
		f.t.Errorf("page ends at %v, want %v", page.Position, position)
	}
	switch {
	case gapSince.IsZero() && page.Gap != nil:
		f.t.Errorf("page has the gap %+v, want none", *page.Gap)
	case !gapSince.IsZero() && page.Gap == nil:
		f.t.Errorf("page has no gap, want one from %v to %v", gapSince, page.Begin)
	case !gapSince.IsZero() && *page.Gap != (hub.Gap{From: gapSince, To: page.Begin}):
		f.t.Errorf("page has the gap %+v, want one from %v to %v, where it begins", *page.Gap, gapSince, page.Begin)
	}
	if slices.Contains(page.Publications, nil) {
		return
	}
	f.wantChain(page.Publications)
	if len(page.Publications) == 0 {
		if page.Begin != page.Position {
			f.t.Errorf("an empty page begins at %v and ends at %v", page.Begin, page.Position)
		}
		return
	}
	first := page.Publications[0]
	if page.Begin.Epoch != first.Position.Epoch || page.Begin.Offset >= first.Position.Offset || page.Begin.Offset < first.Previous {
		f.t.Errorf("page begins at %v, want the place between %v and the publication before it, %d", page.Begin, first.Position, first.Previous)
	}
}

// wantChain checks that of publications that follow each other each names the one
// before it.
func (f *fixture) wantChain(publications []*hub.Publication) {
	f.t.Helper()
	for i := 1; i < len(publications); i++ {
		p, before := publications[i], publications[i-1].Position
		if p.Position.Epoch != before.Epoch || p.Position.Offset <= before.Offset || p.Previous != before.Offset {
			f.t.Fatalf("%v, which names %d as the one before it, comes after %v", p.Position, p.Previous, before)
		}
	}
}

// wantFollows checks that a subscriber that has seen everything up to position misses
// nothing before p.
func (f *fixture) wantFollows(position hub.Position, p *hub.Publication) {
	f.t.Helper()
	if p.Position.Epoch != position.Epoch || p.Position.Offset <= position.Offset || p.Previous > position.Offset {
		f.t.Fatalf("%v, which names %d as the one before it, comes after %v", p.Position, p.Previous, position)
	}
}

func texts(ps []*hub.Publication) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		if out[i] = "nil"; p != nil {
			out[i] = string(p.Data)
		}
	}
	return out
}

// numbered is "0", "1", … n texts.
func numbered(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

// recorder is a Receiver that keeps its deliveries.
type recorder struct {
	mu      sync.Mutex
	all     []*hub.Publication
	lost    []string
	changed chan struct{} // closed and replaced with every publication and loss
}

func (r *recorder) record(p *hub.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, p)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) lose(channel string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, channel)
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) losses() ([]string, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lost), r.changed
}

func (r *recorder) snapshot() ([]*hub.Publication, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all), r.changed
}

// await returns the received publications once done says they are enough.
func (r *recorder) await(t *testing.T, done func([]*hub.Publication) bool) []*hub.Publication {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		all, changed := r.snapshot()
		if done(all) {
			return all
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("after %v only %d publications were delivered: %.20q", patience, len(all), texts(all))
		}
	}
}

func count(n int) func([]*hub.Publication) bool {
	return func(ps []*hub.Publication) bool { return len(ps) >= n }
}

// position is done when the publication at p has come.
func position(p hub.Position) func([]*hub.Publication) bool {
	return func(ps []*hub.Publication) bool {
		return slices.ContainsFunc(ps, func(q *hub.Publication) bool { return q.Position == p })
	}
}
