package engine

import (
	"time"

	"github.com/godwit-io/godwit/engine/internal/lag"
)

// Stats are figures of one loop, counted since it began where they are not
// momentary.
type Stats struct {
	Conns int // now, those included whose request is arriving or whose last bytes are being sent

	Exchanges int // requests that are being served on the loop now, see Server.Route

	// QueueBytes is what waits for peers that do not keep up, as it was when each
	// of them last took something.
	QueueBytes int

	Accepted    uint64 // opening handshakes
	OverLimit   uint64 // connections above ConnsMax
	OverAddress uint64 // connections that Addresses has refused
	Refused     uint64 // requests that could not become a WebSocket, and connections that are too many
	Shed        uint64 // opening handshakes answered with 503 by ShedAfter
	HTTP        uint64 // connections given to Server.HTTP
	Panics      uint64 // of callbacks
	Requests    uint64 // that a Responder was given, see Server.Route
	Stalls      uint64 // callbacks that took longer than StallAfter

	// AcceptErrors is how often connections could not be accepted, mostly because no
	// descriptor was left. They wait then. Those of a listener that the loops do not
	// watch are counted by the first.
	AcceptErrors uint64

	MessagesIn  uint64
	MessagesOut uint64 // frames of WriteFrames count as messages
	BytesIn     uint64 // as they came over the wire, heads included
	BytesOut    uint64

	// Busy is how long the loop did something else than wait.
	Busy time.Duration

	// Lag is the longest that anything which arrived had to wait for the loop in
	// the last 15 to 30 seconds, those that wait now included.
	Lag time.Duration

	turns uint64
	sends uint64 // system calls, or what there is in place of them
	laps  lag.Laps
}

// Len returns how many connections there are, those included whose request is
// arriving or whose last bytes are being sent, and those that Server.HTTP has. Those
// above ConnsMax, which are there only to be told so, are not counted.
func (s *Server) Len() int { return int(s.count.Load()) }

// Stats returns the figures of each loop, as they were when it last slept or not
// many turns ago.
func (s *Server) Stats() []Stats {
	if s.start() != nil {
		return nil
	}
	all := make([]Stats, len(s.loops))
	for i, l := range s.loops {
		l.mu.Lock()
		all[i] = l.public
		l.mu.Unlock()
		all[i].Conns = int(l.open.Load())
		all[i].Panics += l.crashes.Load()
		all[i].Stalls = l.stalls.Load()
		all[i].Shed = l.shed.Load()
		all[i].Lag = l.lagNow(all[i].laps)
	}
	return all
}

// SharedStats are figures of what the loops share.
type SharedStats struct {
	Workers    WorkerStats
	Handshakes HandshakeStats

	// HTTPConns is how many connections Server.HTTP has now, those included that its
	// handlers have taken over and not given back.
	HTTPConns int
}

// WorkerStats are figures of the goroutines that make the calls of Blocking
// handlers. CallTime that grows by Workers seconds a second says that all of them
// are busy; then WaitTime divided by Calls, of the same time, says what that costs
// a call.
type WorkerStats struct {
	Workers int           // Server.Workers: how many calls may run at the same time
	Busy    int           // calls that run now
	Waiting int           // calls that wait for a worker now
	Oldest  time.Duration // how long the first of these has waited

	Calls    uint64        // that have begun
	CallTime time.Duration // of all calls together, those that run included
	WaitTime time.Duration // of all calls that have begun together, before they did
}

// HandshakeStats are figures of the TLS handshakes of ServeTLS that goroutines
// make for the loops. They have no more than Server.TLSHandshakesMax places.
type HandshakeStats struct {
	Running int    // have a place now
	Waiting int    // wait for one now
	Evicted uint64 // were ended because their peers were slow and others waited
}

// SharedStats returns the figures of what the loops share, as they are now.
func (s *Server) SharedStats() SharedStats {
	if s.start() != nil {
		return SharedStats{}
	}
	shared := SharedStats{Workers: WorkerStats(s.pool.Stats()), Handshakes: HandshakeStats(s.places.Stats())}
	if s.web != nil {
		shared.HTTPConns = s.web.len()
	}
	return shared
}
