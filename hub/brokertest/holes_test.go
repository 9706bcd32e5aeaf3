package brokertest_test

import (
	"context"
	"math"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// holesBroker numbers publications as one does whose channels share a stream:
// offsets of a channel ascend with holes between them.
type holesBroker struct{ *membroker.Broker }

// newBroker returns an in-process broker.
func newBroker() *membroker.Broker {
	b, err := membroker.New(nil)
	if err != nil {
		panic(err)
	}
	return b
}

func newHoles() hub.Broker { return &holesBroker{newBroker()} }

const (
	holesEvery = 7
	holesFirst = 3
)

// outward is the offset that everyone else sees.
func outward(offset uint64) uint64 { return offset*holesEvery + holesFirst }

func outwardAt(p hub.Position) hub.Position {
	p.Offset = outward(p.Offset)
	return p
}

func outwardOf(p *hub.Publication) *hub.Publication {
	q := *p
	q.Position = outwardAt(p.Position)
	if q.Previous > 0 { // or else the broker has none before it
		q.Previous = outward(q.Previous)
	}
	return &q
}

func (b *holesBroker) Start(r hub.Receiver) error {
	if r == nil {
		return b.Broker.Start(nil)
	}
	return b.Broker.Start(holesReceiver{r})
}

type holesReceiver struct{ hub.Receiver }

func (r holesReceiver) Receive(p *hub.Publication) { r.Receiver.Receive(outwardOf(p)) }

func (b *holesBroker) Publish(m hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	b.Broker.Publish(m, r, holesCompleter{to}, ticket)
}

type holesCompleter struct{ to hub.Completer }

func (c holesCompleter) Published(ticket uint64, p hub.Published) {
	if p.Err == nil {
		p.Position = outwardAt(p.Position)
	}
	c.to.Published(ticket, p)
}

func (b *holesBroker) Listen(ctx context.Context, channel string) (hub.Position, error) {
	top, err := b.Broker.Listen(ctx, channel)
	if err != nil {
		return top, err
	}
	return outwardAt(top), nil
}

func (b *holesBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	since := q.Since
	if !since.IsZero() {
		newest, err := b.Broker.History(ctx, channel, hub.Query{Last: 1})
		switch {
		case err != nil:
			return newest, err
		case since.Offset > outward(newest.Position.Offset):
			q.Since.Offset = math.MaxUint64
		case since.Offset < holesFirst:
			q.Since.Offset = 0
		default:
			q.Since.Offset = (since.Offset - holesFirst) / holesEvery
		}
	}
	page, err := b.Broker.History(ctx, channel, q)
	if err != nil {
		return page, err
	}
	for i, p := range page.Publications {
		page.Publications[i] = outwardOf(p)
	}
	page.Begin, page.Position = outwardAt(page.Begin), outwardAt(page.Position)
	if page.Gap != nil {
		page.Gap = &hub.Gap{From: since, To: outwardAt(page.Gap.To)}
	}
	return page, nil
}

func (b *holesBroker) List(ctx context.Context, q hub.ListQuery) ([]hub.ChannelInfo, error) {
	channels, err := b.Broker.List(ctx, q)
	for i := range channels {
		channels[i].Position = outwardAt(channels[i].Position)
	}
	return channels, err
}
