package socketio

import (
	"crypto/rand"
	"sync"
	"time"
)

// records are the records of clients with recovery, by their pid: of clients that are
// there, and of clients that may come back.
type records struct {
	keep time.Duration // how long
	max  int           // of records that wait

	mu    sync.Mutex // guards what follows, and the owners of records
	byPID map[string]*record
	queue []*record // that have waited, the oldest first; some wait no more
	wait  int       // how many do
	timer *time.Timer
}

func newRecords(keep time.Duration, most int) *records {
	return &records{keep: keep, max: most, byPID: make(map[string]*record)}
}

// newPID returns a secret.
func newPID() string { return rand.Text() } // at least 128 bits

// enter adds the record of a client that has joined.
func (t *records) enter(r *record, owner *conversation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.owner = owner
	t.byPID[r.pid] = r
}

// take calls got with the record of a client that has come back to a namespace: at once, or
// when the connection that still has it has let go, from any goroutine. It is nil if there
// is none.
func (t *records) take(pid, namespace string, got func(*record)) {
	t.mu.Lock()
	r := t.byPID[pid]
	if r == nil || r.name != namespace || r.wanted != nil {
		t.mu.Unlock()
		got(nil)
		return
	}
	if owner := r.owner; owner != nil {
		r.wanted = got
		t.mu.Unlock()
		owner.yield()
		return
	}
	t.wait--
	delete(t.byPID, pid)
	t.mu.Unlock()
	got(r)
}

// release says that the connection of a client has ended, which may come back.
func (t *records) release(r *record) {
	t.mu.Lock()
	if t.byPID[r.pid] != r || r.owner == nil {
		t.mu.Unlock()
		return
	}
	r.owner = nil
	if got := r.wanted; got != nil {
		delete(t.byPID, r.pid)
		t.mu.Unlock()
		got(r)
		return
	}
	t.await(r)
	t.mu.Unlock()
}

// restore puts back what take has given, and nobody goes on with.
func (t *records) restore(r *record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.owner, r.wanted = nil, nil
	t.byPID[r.pid] = r
	t.await(r)
}

// await has r wait for its client; mu is held.
func (t *records) await(r *record) {
	r.expires = time.Now().Add(t.keep).UnixNano()
	t.queue = append(t.queue, r)
	t.wait++
	t.sweep()
}

// forget says that a client has left and does not go on.
func (t *records) forget(r *record) {
	t.mu.Lock()
	got := r.wanted
	if t.byPID[r.pid] == r {
		delete(t.byPID, r.pid)
	}
	r.owner, r.wanted = nil, nil
	t.mu.Unlock()
	if got != nil {
		got(nil)
	}
}

// sweep forgets records that have waited too long, or are too many; mu is held.
func (t *records) sweep() {
	now := time.Now().UnixNano()
	n := 0
	for _, r := range t.queue {
		waits := r.owner == nil && t.byPID[r.pid] == r // a record that was put back stands there twice, and is taken for waiting where it stands first
		if waits && r.expires > now && t.wait <= t.max {
			break
		}
		if waits {
			delete(t.byPID, r.pid)
			t.wait--
		}
		n++
	}
	clear(t.queue[:n])
	if t.queue = t.queue[n:]; len(t.queue) == 0 {
		t.queue = nil
		return
	}
	until := time.Duration(t.queue[0].expires - now)
	if t.timer == nil {
		t.timer = time.AfterFunc(until, t.expire)
	} else {
		t.timer.Reset(until)
	}
}

func (t *records) expire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
}

// close forgets all.
func (t *records) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer != nil {
		t.timer.Stop()
	}
	t.byPID, t.queue, t.wait = make(map[string]*record), nil, 0
}
