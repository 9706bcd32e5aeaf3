package brokertest_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHoles(t *testing.T) {
	brokertest.Run(t, func(*testing.T) hub.Broker { return newHoles() })
}

// TestTroubled: what makes trouble for others makes none by itself, and a broker
// that is slow, late and out of turn keeps to the contract.
func TestTroubled(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		brokertest.Run(t, func(*testing.T) hub.Broker { return brokertest.NewTroubled(newBroker()) })
	})
	t.Run("late", func(t *testing.T) {
		brokertest.Suite{External: true, New: func(*testing.T) hub.Broker {
			b := brokertest.NewTroubled(newHoles())
			b.Make(brokertest.Publish, "", brokertest.Trouble{Delay: 1, Reversed: true})
			b.Make(brokertest.Listen, "", brokertest.Trouble{Delay: 1})
			b.Make(brokertest.Mute, "", brokertest.Trouble{Delay: 1})
			b.Make(brokertest.History, "", brokertest.Trouble{Delay: 1})
			return b
		}}.Run(t)
	})
}

// faultyBroker is a good broker with one thing wrong.
type faultyBroker struct {
	hub.Broker
	publish  func(*hub.Message, *hub.Retention)
	complete func(to hub.Completer, ticket uint64, p hub.Published)
	receive  func(*faultyBroker, *hub.Publication) []*hub.Publication
	query    func(*hub.Query)
	page     func(*hub.Page)
	listen   func(*hub.Position)
	mute     bool

	mu       sync.Mutex
	hidden   map[hub.Position]bool
	receiver hub.Receiver
}

func (b *faultyBroker) Start(r hub.Receiver) error {
	if b.receive == nil || r == nil {
		return b.Broker.Start(r)
	}
	b.receiver = r
	return b.Broker.Start(faultyReceiver{r, b})
}

type faultyReceiver struct {
	hub.Receiver
	b *faultyBroker
}

func (r faultyReceiver) Receive(p *hub.Publication) {
	for _, p := range r.b.receive(r.b, p) {
		r.Receiver.Receive(p)
	}
}

func (b *faultyBroker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	if b.publish != nil {
		b.publish(&m, &r)
	}
	if b.complete != nil {
		to = faultyCompleter{to, b.complete}
	}
	b.Broker.Publish(m, r, to, ticket)
}

type faultyCompleter struct {
	hub.Completer
	complete func(hub.Completer, uint64, hub.Published)
}

func (c faultyCompleter) Published(ticket uint64, p hub.Published) {
	c.complete(c.Completer, ticket, p)
}

func (b *faultyBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if b.query != nil {
		b.query(&q)
	}
	page, err := b.Broker.History(ctx, channel, q)
	b.mu.Lock()
	page.Publications = slices.DeleteFunc(page.Publications, func(p *hub.Publication) bool { return b.hidden[p.Position] })
	b.mu.Unlock()
	if b.page != nil {
		b.page(&page)
	}
	return page, err
}

func (b *faultyBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	top, err := b.Broker.Listen(ctx, channel)
	if b.listen != nil {
		b.listen(&top)
	}
	return top, err
}

func (b *faultyBroker) Mute(ctx context.Context, channel string) error {
	if b.mute {
		return nil
	}
	return b.Broker.Mute(ctx, channel)
}

// swap gives outcomes to the tickets of each other.
var swapped struct {
	sync.Mutex
	p *hub.Published
}

func swap(to hub.Completer, ticket uint64, p hub.Published) {
	swapped.Lock()
	earlier := swapped.p
	if ticket%2 == 0 && ticket < 500 {
		swapped.p = &p
		swapped.Unlock()
		return
	}
	swapped.p = nil
	swapped.Unlock()
	if earlier != nil {
		to.Published(ticket-1, p)
		p = *earlier
	}
	to.Published(ticket, p)
}

// faults is what a broker may get wrong, and a test that must notice.
var faults = map[string]*struct {
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
		faultyBroker{receive: func(_ *faultyBroker, p *hub.Publication) []*hub.Publication { return []*hub.Publication{p, p} }},
		"ListenIsIdempotent",
	},
	"answers twice": {
		faultyBroker{complete: func(to hub.Completer, ticket uint64, p hub.Published) {
			to.Published(ticket, p)
			to.Published(ticket, p)
		}},
		"PublishIsPipelined",
	},
	"answers out of turn": {faultyBroker{complete: swap}, "PublishIsPipelined"},
	"answers another ticket": {
		faultyBroker{complete: func(to hub.Completer, ticket uint64, p hub.Published) { to.Published(ticket+1, p) }},
		"OffsetsAscend",
	},
	"forgets which came before": {
		faultyBroker{receive: func(_ *faultyBroker, p *hub.Publication) []*hub.Publication {
			q := *p
			q.Previous = 0
			return []*hub.Publication{&q}
		}},
		"DeliveredInOrderOneAtATime",
	},
	"forgets in history which came before": {
		faultyBroker{page: func(p *hub.Page) {
			for i, publication := range p.Publications {
				q := *publication
				q.Previous = 0
				p.Publications[i] = &q
			}
		}},
		"OffsetsAscend",
	},
	"begins a page too early": {
		faultyBroker{page: func(p *hub.Page) { p.Begin.Offset -= min(1, p.Begin.Offset) }},
		"HistoryQueries",
	},
	"begins a page too late": {
		faultyBroker{page: func(p *hub.Page) { p.Begin = p.Position }},
		"HistoryQueries",
	},
	"does not say where an empty page begins": {
		faultyBroker{page: func(p *hub.Page) {
			if len(p.Publications) == 0 {
				p.Begin = hub.Position{}
			}
		}},
		"HistoryOfUnknownChannel",
	},
	"listens from too old a position": {
		faultyBroker{listen: func(p *hub.Position) { p.Offset -= min(1, p.Offset) }},
		"ListenAnswersTheNewest",
	},
	"does not know where it listens from": {
		faultyBroker{listen: func(p *hub.Position) { *p = hub.Position{} }},
		"ListenAnswersTheNewest",
	},
	"delivers before it can be read": {
		faultyBroker{receive: func(b *faultyBroker, p *hub.Publication) []*hub.Publication {
			b.mu.Lock()
			b.hidden = map[hub.Position]bool{p.Position: true}
			b.mu.Unlock()
			b.receiver.Receive(p)
			b.mu.Lock()
			b.hidden = nil
			b.mu.Unlock()
			return nil
		}},
		"HistoryBeforeDelivery",
	},
	"loses a delivery": {
		faultyBroker{receive: func(_ *faultyBroker, p *hub.Publication) []*hub.Publication {
			if p.Position.Offset%5 == 0 {
				return nil
			}
			return []*hub.Publication{p}
		}},
		"ListenThenHistory",
	},
	"says that it lost what it did not": {
		faultyBroker{receive: func(b *faultyBroker, p *hub.Publication) []*hub.Publication {
			b.receiver.Lost(p.Channel)
			return []*hub.Publication{p}
		}},
		"ListenIsIdempotent",
	},
	"never mutes":   {faultyBroker{mute: true}, "MuteEndsDelivery"},
	"admits no gap": {faultyBroker{page: func(p *hub.Page) { p.Gap = nil }}, "HistoryGaps"},
	"says that nothing was dropped": {
		faultyBroker{page: func(p *hub.Page) { p.WholeAfter = time.Unix(1, 0) }},
		"HistoryIsWhole",
	},
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
		broker := &fault.broker
		broker.Broker = newBroker()
		return broker
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
