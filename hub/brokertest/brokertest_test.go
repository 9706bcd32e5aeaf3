package brokertest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/membroker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faultyBroker is a good broker with one thing wrong.
type faultyBroker struct {
	hub.Broker
	publish func(*hub.Message, *hub.Retention)
	receive func(*hub.Publication) []*hub.Publication
	query   func(*hub.Query)
	page    func(*hub.Page)
	mute    bool
}

func (b *faultyBroker) Start(r hub.Receiver) error {
	if b.receive == nil || r == nil {
		return b.Broker.Start(r)
	}
	return b.Broker.Start(receiverFunc(func(p *hub.Publication) {
		for _, p := range b.receive(p) {
			r.Receive(p)
		}
	}))
}

type receiverFunc func(*hub.Publication)

func (r receiverFunc) Receive(p *hub.Publication) { r(p) }

func (b *faultyBroker) Publish(ctx context.Context, m hub.Message, r hub.Retention) (hub.Position, bool, error) {
	if b.publish != nil {
		b.publish(&m, &r)
	}
	return b.Broker.Publish(ctx, m, r)
}

func (b *faultyBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if b.query != nil {
		b.query(&q)
	}
	page, err := b.Broker.History(ctx, channel, q)
	if b.page != nil {
		b.page(&page)
	}
	return page, err
}

func (b *faultyBroker) Mute(ctx context.Context, channel string) error {
	if b.mute {
		return nil
	}
	return b.Broker.Mute(ctx, channel)
}

// faults is what a broker may get wrong, and a test that must notice.
var faults = map[string]struct {
	broker   faultyBroker
	noticing string
}{
	"ignores keys": {
		faultyBroker{publish: func(m *hub.Message, _ *hub.Retention) { m.IdempotencyKey = "" }},
		"IdempotencyKey",
	},
	"keeps one too many": {
		faultyBroker{publish: func(_ *hub.Message, r *hub.Retention) {
			if r.Count > 0 {
				r.Count++
			}
		}},
		"RetentionByCount",
	},
	"keeps too long": {
		faultyBroker{publish: func(_ *hub.Message, r *hub.Retention) { r.Age += r.Age / 100 }},
		"RetentionByAge",
	},
	"forgets the publisher": {
		faultyBroker{publish: func(m *hub.Message, _ *hub.Retention) { m.Publisher = "" }},
		"PublicationIsDeliveredAsPublished",
	},
	"delivers twice": {
		faultyBroker{receive: func(p *hub.Publication) []*hub.Publication { return []*hub.Publication{p, p} }},
		"ListenIsIdempotent",
	},
	"never mutes":      {faultyBroker{mute: true}, "MuteEndsDelivery"},
	"admits no gap":    {faultyBroker{page: func(p *hub.Page) { p.Gap = nil }}, "HistoryGaps"},
	"ignores a limit":  {faultyBroker{query: func(q *hub.Query) { q.Limit = 0 }}, "HistoryInPages"},
	"ignores the last": {faultyBroker{query: func(q *hub.Query) { q.Last = 0 }}, "HistoryQueries"},
	"reads one twice": {
		faultyBroker{query: func(q *hub.Query) {
			if q.Since.Offset > 1 && q.Since.Epoch != "stale" {
				q.Since.Offset--
			}
		}},
		"ListenThenHistory",
	},
	"shares its slices": {
		faultyBroker{page: func(p *hub.Page) {
			if len(p.Publications) == 25 {
				if sharedPage == nil {
					sharedPage = p.Publications
				}
				p.Publications = sharedPage
			}
		}},
		"HistoryInPages",
	},
}

var sharedPage []*hub.Publication

// faultName is the variable that makes TestFaultyBroker run, and fail.
const faultName = "BROKERTEST_FAULT"

func TestFaultyBroker(t *testing.T) {
	fault, ok := faults[os.Getenv(faultName)]
	if !ok {
		t.Skip("it fails on purpose, and is run by TestSuiteNotices only")
	}
	brokertest.Run(t, func(*testing.T) hub.Broker {
		broker := fault.broker
		broker.Broker = membroker.New(nil)
		return &broker
	})
}

// TestSuiteNotices runs the suite on broken brokers, in a process of its own
// for each, as a test cannot fail and be right.
func TestSuiteNotices(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test := "^TestFaultyBroker$/^" + fault.noticing + "$"
			suite := exec.CommandContext(t.Context(), os.Args[0], "-test.run="+test, "-test.v")
			suite.Env = append(os.Environ(), faultName+"="+name)
			output, err := suite.CombinedOutput()
			if err == nil || !strings.Contains(string(output), "--- FAIL: TestFaultyBroker/"+fault.noticing) {
				t.Errorf("a broker that %s passes %s: %v\n%s", name, fault.noticing, err, output)
			}
			if strings.Contains(string(output), "panic:") {
				t.Errorf("the suite panics instead of failing:\n%s", output)
			}
		})
	}
}
