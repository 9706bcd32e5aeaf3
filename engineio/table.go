package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
)

// sidBytes is how many random bytes a SID is made of, and sidLength its characters.
const (
	sidBytes  = 15
	sidLength = sidBytes * 4 / 3
)

type sid [sidLength]byte

func newSID() (s sid) {
	var random [sidBytes]byte
	_, _ = rand.Read(random[:]) // it never fails
	base64.URLEncoding.Encode(s[:], random[:])
	return s
}

// sidOf returns a possible SID of this server, without its prefix. A text of another
// length never was a SID.
func (s *Server) sidOf(text string) (id sid, ok bool) {
	text, ok = strings.CutPrefix(text, s.options.SIDPrefix)
	copy(id[:], text)
	return id, ok && len(text) == sidLength
}

// SessionOf returns the SID that the query of a request names, as it was sent, "" for one
// that begins a session, and whether that session is here. See Options.SIDPrefix.
func (s *Server) SessionOf(query string) (sid string, isHere bool) {
	sid = parseQuery(query).sid
	if id, ok := s.sidOf(sid); ok {
		isHere = s.table.get(id) != nil
	}
	return sid, isHere
}

// table is the sessions of a server, and the numbers about them.
type table struct {
	max int

	mu      sync.RWMutex // guards what follows; nothing else is locked while it is held
	sockets map[sid]*Socket
	closed  bool          // no more begin
	idle    chan struct{} // closed when there are no sessions and no tasks; nil while nobody waits
	stats   Stats         // without what follows, and Closed
	closes  [reasons]uint64
	tasks   int // goroutines of sessions

	refused, unknown, upgradesFailed atomic.Uint64
}

func (t *table) get(id sid) *Socket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sockets[id]
}

// mayAdd says why no more sessions may begin, nil if they may.
func (t *table) mayAdd() *problem {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case t.closed:
		return problemBusy
	case len(t.sockets) >= t.max:
		return problemFull
	}
	return nil
}

// add adds a session, unless there are too many or the server ends.
func (t *table) add(s *Socket, on Transport) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.sockets) >= t.max {
		return false
	}
	if t.sockets == nil {
		t.sockets = make(map[sid]*Socket)
	}
	t.sockets[s.id] = s
	t.stats.Opened++
	*t.carriedBy(on)++
	return true
}

func (t *table) carriedBy(on Transport) *int {
	if on == WebSocket {
		return &t.stats.WebSocket
	}
	return &t.stats.Polling
}

// remove forgets a session that has ended.
func (t *table) remove(s *Socket, on Transport, reason Reason) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sockets, s.id)
	*t.carriedBy(on)--
	t.closes[reason]++
	t.checkIdle()
}

// checkIdle wakes the waiting callers if nothing is left; mu is held.
func (t *table) checkIdle() {
	if len(t.sockets) == 0 && t.tasks == 0 && t.idle != nil {
		close(t.idle)
		t.idle = nil
	}
}

// task is f as a goroutine that close waits for.
func (t *table) task(f func()) func() {
	return func() {
		t.mu.Lock()
		t.tasks++
		t.mu.Unlock()
		defer t.taskDone()
		f()
	}
}

func (t *table) taskDone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tasks--
	t.checkIdle()
}

// spawn runs f on a goroutine that close waits for.
func (t *table) spawn(f func()) {
	t.mu.Lock()
	t.tasks++
	t.mu.Unlock()
	go func() {
		defer t.taskDone()
		f()
	}()
}

// forget takes back that a session was added on its way to a WebSocket.
func (t *table) forget(s *Socket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sockets, s.id)
	t.stats.WebSocket--
	t.stats.Opened--
	t.checkIdle()
}

func (t *table) isClosed() bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.closed
}

// upgraded notes that a session has moved.
func (t *table) upgraded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stats.Polling--
	t.stats.WebSocket++
	t.stats.Upgraded++
}

func (t *table) len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.sockets)
}

// close refuses further sessions. It returns the present ones, and a channel that is
// closed when they and their goroutines have ended.
func (t *table) close() ([]*Socket, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.idle == nil {
		t.idle = make(chan struct{})
	}
	idle := t.idle
	sockets := make([]*Socket, 0, len(t.sockets))
	for _, s := range t.sockets {
		sockets = append(sockets, s)
	}
	t.checkIdle()
	return sockets, idle
}

// snapshot returns the figures as they are now.
func (t *table) snapshot() Stats {
	t.mu.RLock()
	defer t.mu.RUnlock()
	stats := t.stats
	stats.Closed = make(map[Reason]uint64, len(t.closes))
	for reason, n := range t.closes {
		if n > 0 {
			stats.Closed[Reason(reason)] = n
		}
	}
	stats.Refused, stats.UnknownSID, stats.UpgradesFailed = t.refused.Load(), t.unknown.Load(), t.upgradesFailed.Load()
	return stats
}
