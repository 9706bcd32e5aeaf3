package loadgen

import (
	"context"
	"fmt"
	"time"
)

// What a server grew by says what a connection costs only if it is more than what
// comes and goes in any program, and if the later connections cost no more than the
// earlier ones. A server that has been used has memory left that the first
// connections fit into, and would seem to hold them for nothing.
const (
	growthMin  = 256 << 10
	growthEach = 100 // bytes: less than any server needs for one
	unevenness = 2

	// peakShare is how much of the growth what the server had been larger before may
	// be, as that much, or more, may be left for the connections.
	peakShare = 0.1
)

// peopled is the server's memory with so many connections.
type peopled struct {
	open     int
	resident int64
}

func (r *run) peopled(ctx context.Context) peopled {
	p := peopled{open: int(r.open.Load())}
	if r.server != nil {
		if got, err := r.server.read(context.WithoutCancel(ctx)); err == nil {
			p.resident = got.resident
		}
	}
	return p
}

// serverUsage returns what the server used.
func (r *run) serverUsage() *Server {
	took := (r.last.at - r.start.at).Seconds()
	s := &Server{
		From: r.server.from, Local: r.server.local, CoresMax: r.server.coresMax, CPUSeconds: (r.last.server.cpu - r.start.server.cpu).Seconds(),
		ResidentBefore: r.before.resident, ResidentOpen: r.full.resident, ResidentEnd: r.last.server.resident,
		ResidentMax: max(r.before.resident, r.full.resident, r.last.server.resident),
	}
	for _, sample := range r.report.Samples {
		s.ResidentMax = max(s.ResidentMax, sample.Resident)
	}
	if took > 0 {
		s.Cores = s.CPUSeconds / took
		s.BusiestThread = busiest(r.threads, took)
	}
	switch r.report.Kind {
	case KindConnections: // those that are left, after what was needed to open them has been given back
		s.PerConnection, s.MemoryUnknown = growth(r.before.resident, r.peak, r.half, peopled{r.report.Connections.AtEnd, s.ResidentEnd})
	case KindSSE: // before anything was published, which is memory as well
		s.PerConnection, s.MemoryUnknown = growth(r.before.resident, r.peak, r.half, r.full)
	}
	if n := r.last.received - r.start.received; n > 0 && r.report.Messages != nil {
		s.CPUPerItem = 1e6 * s.CPUSeconds / float64(n)
	}
	return s
}

// growth is the memory for each connection, or why that cannot be said. peak is the
// most that the server had before, 0 if it is not known.
func growth(before, peak int64, half, end peopled) (each float64, unknown string) {
	grown := end.resident - before
	switch {
	case before == 0 || end.resident == 0:
		return 0, "the server does not say how much memory it has"
	case end.open == 0:
		return 0, "none of them was left"
	case grown < growthMin || grown < int64(end.open)*growthEach:
		how := "did not grow"
		if grown > 0 {
			how = "grew by " + Bytes(float64(grown)) + " only"
		}
		return 0, fmt.Sprintf("the server %s with %s, so they fit into what it had from before, or are too few; start it anew, or open more", how, plural(end.open, "connection"))
	}
	if larger := peak - before; float64(larger) > peakShare*float64(grown) {
		return 0, fmt.Sprintf("the server grew by %s with %s, but had been larger by %s before, and they may fit into what is left of that; start it anew, or open more",
			Bytes(float64(grown)), plural(end.open, "connection"), Bytes(float64(larger)))
	}
	later := end.open - half.open
	if half.open == 0 || half.resident == 0 || later < half.open/2 {
		return float64(grown) / float64(end.open), ""
	}
	first, second := float64(half.resident-before)/float64(half.open), float64(end.resident-half.resident)/float64(later)
	if second > unevenness*first && float64(end.resident-half.resident) >= growthMin {
		return 0, fmt.Sprintf("the server grew by %s for each of the first %s, and by %s for each of the others, so the first ones fit into what it had from before; start it anew",
			Bytes(max(first, 0)), Count(float64(half.open)), Bytes(second))
	}
	return float64(grown) / float64(end.open), ""
}

// busiest is the share of a processor that one thread used, 0 if it is not known.
func busiest(threads [2]map[int]time.Duration, seconds float64) (share float64) {
	for id, end := range threads[1] {
		if begin, was := threads[0][id]; was {
			share = max(share, (end-begin).Seconds()/seconds)
		}
	}
	return share
}
