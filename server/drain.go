package server

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"
	"time"
)

// drain ends what goes on, in good order as long as DrainTimeout allows.
func (s *Server) drain() {
	s.beginDraining()
	s.closeBridges()
	open := s.front.counts().open
	s.log.Info("stopping", "connections", open, "limit", s.config.DrainTimeout.String())
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()

	// The sessions end once nothing is accepted any more, or clients that come back
	// at once would find the same server.
	var left atomic.Pointer[map[string]int]
	cut := s.front.shutdown(ctx, func() {
		n := s.hub.SessionCount()
		pace := drainPace(n, s.config.DrainTimeout)
		s.leaveNodes()
		s.channels.BeginDrain(time.Duration(n) * time.Second / time.Duration(pace))
		if s.hub.ShutdownAtPace(ctx, pace) != nil { // ctx is also judged below
			left.Store(new(s.hub.Stats().Sessions))
		}
		s.shutdownForeign(ctx)
		s.waitForGuest(ctx)
	})
	if s.admin != nil { // it has told how the rest has ended
		s.admin.stop(ctx)
	}
	s.stopNodes(ctx)
	s.closeForeign()
	s.leaveCluster(ctx)
	s.closeHub()
	s.unfollow()
	closeSettings(ctx, s.guard.Settings())
	s.closeTracer()
	if cut > 0 {
		s.log.Warn("stopped, with connections cut at the limit", "connections", cut, kinds(cut, left.Load()))
		return
	}
	s.log.Info("stopped")
}

// closeHub closes the hub, and with it the broker.
func (s *Server) closeHub() {
	if err := s.hub.Close(); err != nil && s.disk != nil {
		s.log.Error("the data directory is read again in full when it is opened", "error", err)
	}
}

// drainPerSecond is how many sessions a second are told to come back elsewhere, at
// least: what a server takes well that gets all of them.
const drainPerSecond = 1000

// drainPace is how many sessions are ended in a second: as many as it takes to end all
// in half of the time that there is.
func drainPace(sessions int, timeout time.Duration) int {
	return max(drainPerSecond, int(float64(sessions)/(timeout/2).Seconds()))
}

// kinds says of how many connections that were cut how many were sessions, by
// transport. The others are requests and answers that were not through.
func kinds(cut int, sessions *map[string]int) slog.Attr {
	var attrs []any
	if sessions != nil {
		for _, transport := range slices.Sorted(maps.Keys(*sessions)) {
			n := (*sessions)[transport]
			attrs = append(attrs, slog.Int(transport, n))
			cut -= n
		}
	}
	if cut > 0 {
		attrs = append(attrs, slog.Int("other", cut))
	}
	return slog.Group("cut", attrs...)
}
