package hub

import (
	"maps"
	"sync/atomic"
)

// Stats are counters since the hub began, and gauges of its present state.
type Stats struct {
	Sessions      map[string]int // gauge, by transport
	Subscriptions int            // gauge
	Channels      int            // gauge: channels with a subscriber
	PagesWaiting  int            // gauge: pages of history that wait, see Options.HistoryPagesPerSecond

	Publications     uint64 // accepted from this process, duplicates not counted
	Duplicates       uint64
	BrokerFailures   uint64 // publications, reads of histories and subscriptions that the Broker refused or did not answer
	PublicationBytes uint64
	Deliveries       uint64 // taken by edges
	DeliveryBytes    uint64
	QueueDrops       uint64 // publications given back by full queues, to be read from history
	Gaps             uint64 // gaps announced, for any reason

	// GapsByReason are the gaps of each reason, with the publications that they stand
	// for. How many of those were lost is not known. It has every reason.
	GapsByReason map[GapReason]GapStats

	Calls         int // gauge: calls without an outcome
	Registrations int // gauge: of sessions, for methods
	Handlers      int // gauge: handlers of Hub.Handle that run
}

// SessionCount is how many sessions are open: what Stats has by transport, without
// the cost of the rest. It may be called at any time.
func (h *Hub) SessionCount() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions.Len()
}

// GapStats are those of gaps that were announced.
type GapStats struct {
	Gaps         uint64
	Publications uint64
}

type counters struct {
	subscriptions    atomic.Int64
	publications     atomic.Uint64
	duplicates       atomic.Uint64
	brokerFailures   atomic.Uint64
	publicationBytes atomic.Uint64
	deliveries       atomic.Uint64
	deliveryBytes    atomic.Uint64
	queueDrops       atomic.Uint64
	gaps             [gapReasons]atomic.Uint64
	omitted          [gapReasons]atomic.Uint64
}

// Stats may be called at any time; it takes no lock that delivery needs. The
// caller owns the result. The numbers are read one after the other, so they
// need not add up while the hub is busy.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	sessions := maps.Clone(h.transports)
	h.mu.Unlock()
	calls, registrations, handlers := h.exchange.stats()
	gaps, total := make(map[GapReason]GapStats, gapReasons), uint64(0)
	for reason := range gapReasons {
		n := h.counters.gaps[reason].Load()
		gaps[reason] = GapStats{Gaps: n, Publications: h.counters.omitted[reason].Load()}
		total += n
	}
	return Stats{
		Sessions:         sessions,
		Subscriptions:    int(h.counters.subscriptions.Load()),
		Channels:         int(h.channels.count.Load()),
		PagesWaiting:     h.pages.waiting(),
		Publications:     h.counters.publications.Load(),
		Duplicates:       h.counters.duplicates.Load(),
		BrokerFailures:   h.counters.brokerFailures.Load(),
		PublicationBytes: h.counters.publicationBytes.Load(),
		Deliveries:       h.counters.deliveries.Load(),
		DeliveryBytes:    h.counters.deliveryBytes.Load(),
		QueueDrops:       h.counters.queueDrops.Load(),
		Gaps:             total,
		GapsByReason:     gaps,
		Calls:            calls,
		Registrations:    registrations,
		Handlers:         handlers,
	}
}
