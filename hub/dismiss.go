package hub

import (
	"context"
	"time"
)

// dismissInterval is how often DismissAtPace looks for sessions that have come since.
const dismissInterval = 200 * time.Millisecond

// DismissAtPace ends every session with ErrShutdown, so many a second as ShutdownAtPace
// does, and refuses nothing meanwhile: open sessions publish and subscribe as
// ever, and new ones, which may still come, end as well. It is for a hub whose
// successor serves already. It returns nil when no session is left; when ctx is done,
// the remaining sessions are ended at once, and its error is returned.
func (h *Hub) DismissAtPace(ctx context.Context, perSecond int) error {
	for {
		atPace(ctx, h.Sessions(), perSecond, endSession)
		if err := ctx.Err(); err != nil {
			return err
		}
		if h.isEmpty() {
			return nil
		}
		again := time.NewTimer(dismissInterval)
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
		}
	}
}

func endSession(s *Session) { s.end(endShutdown) }

// atPace calls do with so many sessions a second, at least one, and with all that are
// left when ctx is done.
func atPace(ctx context.Context, sessions []*Session, perSecond int, do func(*Session)) {
	batch := len(sessions)
	if perSecond < NoLimit {
		batch = max(1, int(float64(perSecond)*paceInterval.Seconds()))
	}
	var pace *time.Ticker
	for i, s := range sessions {
		if i > 0 && i%batch == 0 && ctx.Err() == nil {
			if pace == nil {
				pace = time.NewTicker(paceInterval)
				defer pace.Stop()
			}
			select {
			case <-pace.C:
			case <-ctx.Done():
			}
		}
		do(s)
	}
}

// isEmpty reports whether no session is open.
func (h *Hub) isEmpty() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sessions.Len() == 0
}
