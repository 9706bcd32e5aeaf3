package relay

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// party is one of the two that a Broker serves.
type party int

const (
	ours   party = iota // the hub here
	guests              // the Broker that has moved here
)

// hosting keeps the listeners of each channel while a guest is there: the membroker, or
// the process that it has moved to, is told to listen for both, and to stop when neither
// does. No channel has the text of a pattern as its name.
type hosting struct {
	guest *guest
	done  chan struct{} // closed when the guest has gone

	mu     sync.Mutex               // guards what follows
	ours   map[string]struct{}      // channels and patterns
	muting map[string]chan struct{} // the channels that are being muted
}

// muteTimeout is how long muting one channel may take when the guest has gone.
const muteTimeout = 10 * time.Second

// ErrHosting is the error for a guest that comes while another one is there.
var ErrHosting = errors.New("relay: the process before the last one has not gone yet")

// Host begins to serve a Broker that has moved here, over conn, which the Broker owns from
// now on. It is called after Restore and before the hub here listens to anything. done is
// closed when the other process has gone, or has ended the connection.
func (b *Broker) Host(conn io.ReadWriteCloser) (done <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errors.Join(hub.ErrClosed, conn.Close())
	}
	if b.house.Load() != nil {
		return nil, errors.Join(ErrHosting, conn.Close())
	}
	h := &hosting{guest: newGuest(b, conn), done: make(chan struct{}), ours: make(map[string]struct{}), muting: make(map[string]chan struct{})}
	b.local.Listened(func(channel string) bool {
		h.guest.add(channel)
		return true
	})
	for _, pattern := range b.local.ListenedPatterns() {
		h.guest.add(pattern)
	}
	b.house.Store(h)
	go b.hostLoop(h)
	return h.done, nil
}

// hostLoop serves the guest until it goes, and then mutes what only it has listened to.
func (b *Broker) hostLoop(h *hosting) {
	defer close(h.done)
	h.guest.serve()
	h.guest.mu.Lock()
	names := make([]string, 0, len(h.guest.listens))
	for name := range h.guest.listens {
		names = append(names, name)
	}
	h.guest.mu.Unlock()
	// Once the hub is closed, or the other process gone, there is no receiver to tell.
	for _, name := range names {
		ctx, cancel := context.WithTimeout(context.Background(), muteTimeout)
		err := b.muteFor(ctx, guests, name)
		cancel()
		if errors.Is(err, hub.ErrClosed) || errors.Is(err, ErrGone) {
			break
		}
	}
	b.house.Store(nil)
}

// want notes that a party listens to a channel or a pattern, before it is asked for. If
// it is being muted, that has to be over first.
func (h *hosting) want(ctx context.Context, who party, name string) error {
	for {
		h.mu.Lock()
		muting := h.muting[name]
		if muting == nil {
			h.add(who, name)
			h.mu.Unlock()
			return nil
		}
		h.mu.Unlock()
		select {
		case <-muting:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// add is called with h.mu held, which comes before the guest's.
func (h *hosting) add(who party, name string) {
	if who == ours {
		h.ours[name] = struct{}{}
		return
	}
	h.guest.mu.Lock()
	h.guest.add(name)
	h.guest.mu.Unlock()
}

// leave notes that a party does not listen any more, and reports whether none is left:
// then it is to be muted, and left is called after that.
func (h *hosting) leave(who party, name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guest.mu.Lock()
	defer h.guest.mu.Unlock()
	other := h.ours
	if who == ours {
		delete(h.ours, name)
		other = h.guest.listens
	} else {
		h.guest.remove(name)
	}
	if _, is := other[name]; is {
		return false
	}
	if h.muting[name] == nil {
		h.muting[name] = make(chan struct{})
	}
	return true
}

func (h *hosting) left(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if muting := h.muting[name]; muting != nil {
		delete(h.muting, name)
		close(muting)
	}
}
