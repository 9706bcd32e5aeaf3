package relay

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
)

// Errors of Broker.Move.
var (
	ErrMoving = errors.New("relay: it is moving already")
	ErrMoved  = errors.New("relay: it has moved")
)

// errHeld is the outcome of a publication that does not fit among the waiting ones.
var errHeld = errors.New("relay: too much was published while the histories were on their way")

// heldBytesMax bounds the payloads of publications while the Broker is frozen.
const heldBytesMax = 256 << 20

// Move is a Broker on its way to another process:
//
//	Move ─► WriteBulk ─► Freeze ─► WriteRest ─┬─► Commit   it is there
//	  └─────────┴──────────┴───────────┴──────┴─► Abort    it stays
//
// The methods are called one after another, except Abort, which may be called at any time
// and does nothing after Commit or a first one.
type Move struct {
	broker   *Broker
	snapshot *membroker.Snapshot
	decided  chan struct{} // closed by Commit and Abort

	deciding sync.Mutex // held by Commit and Abort
	isOver   bool       // guarded by deciding

	mu        sync.Mutex // guards what follows
	held      []heldPublication
	heldBytes int
	to        membroker.Publisher // the receiver of publications; nil: they are held
}

type heldPublication struct {
	m      hub.Message
	r      hub.Retention
	to     hub.Completer
	ticket uint64
}

// Move begins to move the Broker. From now on IsImmediate is false, until Abort. It
// returns ErrMoving, ErrMoved or hub.ErrClosed.
func (b *Broker) Move() (*Move, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return nil, hub.ErrClosed
	case b.move != nil:
		return nil, ErrMoving
	case b.away.Load() != nil:
		return nil, ErrMoved
	}
	s, err := b.local.Snapshot()
	if err != nil {
		return nil, err
	}
	// What the hub asks in place is not to wait there until it is decided.
	b.careful.Store(true)
	b.move = &Move{broker: b, snapshot: s, decided: make(chan struct{})}
	return b.move, nil
}

// SetVersion sets that of what is written, see membroker.Snapshot. It is called before WriteBulk.
func (m *Move) SetVersion(version int) { m.snapshot.Version = version }

// WriteBulk writes most of what there is, while the Broker goes on.
func (m *Move) WriteBulk(w io.Writer) error { return m.snapshot.WriteBulk(w) }

// Freeze makes publications wait, and all other calls that would change something. It
// returns when nothing is delivered any more, or the error of ctx.
func (m *Move) Freeze(ctx context.Context) error { return m.snapshot.Freeze(ctx, m) }

// WriteRest writes the changes since WriteBulk.
func (m *Move) WriteRest(w io.Writer) error { return m.snapshot.WriteRest(w) }

// Publish implements membroker.Publisher, for publications meanwhile.
func (m *Move) Publish(msg hub.Message, r hub.Retention, to hub.Completer, ticket uint64) {
	m.mu.Lock()
	next := m.to
	full := next == nil && m.heldBytes+len(msg.Data) > heldBytesMax
	if next == nil && !full {
		m.held = append(m.held, heldPublication{msg, r, to, ticket})
		m.heldBytes += len(msg.Data)
	}
	m.mu.Unlock()
	switch {
	case full:
		to.Published(ticket, hub.Published{Err: errHeld})
	case next != nil:
		next.Publish(msg, r, to, ticket)
	}
}

// flush publishes the held publications, in order, and has later ones go to next. before
// is called in between, when nothing is held.
func (m *Move) flush(first, next membroker.Publisher, before func()) {
	for {
		m.mu.Lock()
		held := m.held
		m.held, m.heldBytes = nil, 0
		if len(held) == 0 {
			before()
			m.to = next
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		for i := range held {
			h := &held[i]
			first.Publish(h.m, h.r, h.to, h.ticket)
		}
	}
}

// Commit ends the move: the other process serves. What the hub asks goes there over conn,
// which the Broker owns from now on, and what the other process delivers comes from it. gone is closed
// when the connection has ended: everything that is asked then fails with ErrGone. It
// returns nil after Abort, or Close.
func (m *Move) Commit(conn io.ReadWriteCloser) (gone <-chan struct{}) {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	if m.isOver {
		_ = conn.Close() // it is of no use
		return nil
	}
	m.isOver = true
	b := m.broker
	r := newRemote(conn, fan{b})
	m.flush(r, r, func() { b.away.Store(r) })
	m.snapshot.Release()
	m.end()
	return r.done
}

// Abort ends the move: the Broker goes on as before, and publishes the waiting publications.
func (m *Move) Abort() {
	m.deciding.Lock()
	defer m.deciding.Unlock()
	if m.isOver {
		return
	}
	m.isOver = true
	b := m.broker
	m.flush(m.snapshot, b.local, m.snapshot.Thaw)
	b.careful.Store(false)
	m.end()
}

func (m *Move) end() {
	m.broker.mu.Lock()
	m.broker.move = nil
	m.broker.mu.Unlock()
	close(m.decided)
}
