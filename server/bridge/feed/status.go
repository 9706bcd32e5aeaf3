package feed

import "time"

// Status is how a bridge is.
type Status struct {
	State       State
	Since       time.Time // of State
	Problem     string    // what is wrong, "" for nothing
	Heard       time.Time // when the last message came, zero if there was no connection
	Connections uint64
	Gaps        uint64           // that were announced
	Messages    [outcomes]uint64 // by Outcome
	Unanswered  int              // publications without an outcome
	Lag         time.Duration    // for how long the oldest of them has waited
	Channels    int              // that are remembered
}

// Status is how the bridge is now.
func (m *Machine) Status(now time.Time) Status {
	s := Status{
		State: m.state, Since: m.since, Problem: m.problem, Heard: m.heard, Connections: m.conns, Gaps: m.gaps,
		Messages: m.counts, Unanswered: len(m.pending), Channels: len(m.channels.byName),
	}
	for _, p := range m.pending {
		s.Lag = max(s.Lag, now.Sub(p.at))
	}
	return s
}

// Add adds what an earlier run has counted.
func (s *Status) Add(earlier *Status) {
	s.Connections += earlier.Connections
	s.Gaps += earlier.Gaps
	for o, n := range earlier.Messages {
		s.Messages[o] += n
	}
}
