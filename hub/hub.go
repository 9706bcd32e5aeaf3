package hub

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// Hub connects sessions with the channels they publish to and subscribe to.
// All methods are safe for concurrent use.
//
// No two locks of a hub are ever held at once, and none is held while the
// Broker or an edge is called.
type Hub struct {
	broker   Broker
	options  Options
	channels channels
	counters counters

	mu         sync.Mutex // guards what follows
	sessions   shrinkmap.Map[*Session, struct{}]
	transports map[string]int
	ending     error         // ErrShutdown or ErrClosed once it is so
	drained    chan struct{} // made by Shutdown, closed with the last session
}

// New returns a Hub on broker and starts it. The Hub closes the broker with
// itself. When New fails, the broker is still the caller's to close.
func New(broker Broker, opts *Options) (*Hub, error) {
	o, err := opts.effective()
	if err != nil {
		return nil, err
	}
	if broker == nil {
		return nil, errors.New("hub: New needs a Broker")
	}
	h := &Hub{
		broker:     broker,
		options:    o,
		channels:   channels{seed: maphash.MakeSeed()},
		transports: make(map[string]int),
	}
	if err := broker.Start(receiver{h}); err != nil {
		return nil, brokerError(err)
	}
	return h, nil
}

// Publish validates m and publishes it, see Broker.Publish. It keeps m.Data. It
// returns a *NameError, ErrTooLarge, ErrKind, ErrTextNotUTF8, ErrNotJSON,
// ErrIdempotencyKey, ErrShutdown, ErrClosed, or an error wrapping the Broker's.
// A nil error means the Broker accepted it, not that anyone has received it.
//
// When the Broker delivers in the publisher's goroutine, as membroker does,
// Publish takes the time of one pass over the subscribers. It must not be
// called from a session's wake.
func (h *Hub) Publish(ctx context.Context, m Message) (pos Position, duplicate bool, err error) {
	if err := h.check(&m); err != nil {
		return Position{}, false, err
	}
	if err := h.open(); err != nil {
		return Position{}, false, err
	}
	pos, duplicate, err = h.broker.Publish(ctx, m, h.options.Retention)
	switch {
	case err != nil:
		return Position{}, false, brokerError(err)
	case duplicate:
		h.counters.duplicates.Add(1)
	default:
		h.counters.publications.Add(1)
		h.counters.publicationBytes.Add(uint64(len(m.Data)))
	}
	return pos, duplicate, nil
}

func (h *Hub) check(m *Message) error {
	if err := CheckChannel(m.Channel); err != nil {
		return err
	}
	if len(m.Data) > h.options.PublicationBytesMax {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrTooLarge, len(m.Data), h.options.PublicationBytesMax)
	}
	switch m.Kind {
	case Text:
		if !utf8.Valid(m.Data) {
			return ErrTextNotUTF8
		}
	case Binary:
	case JSON:
		// RFC 8259 §8.1: JSON between systems is UTF-8, which json.Valid does
		// not ask of the inside of strings.
		if !json.Valid(m.Data) || !utf8.Valid(m.Data) {
			return ErrNotJSON
		}
	default:
		return fmt.Errorf("%w: %d", ErrKind, m.Kind)
	}
	if len(m.IdempotencyKey) > IdempotencyKeyBytesMax {
		return ErrIdempotencyKey
	}
	for _, c := range []byte(m.IdempotencyKey) {
		if c < ' ' || c > '~' {
			return ErrIdempotencyKey
		}
	}
	return nil
}

// History reads a part of a channel's history, see Broker.History. It returns a
// *NameError, ErrClosed, or an error wrapping the Broker's. It still answers
// during Shutdown.
func (h *Hub) History(ctx context.Context, channel string, q Query) (Page, error) {
	if err := CheckChannel(channel); err != nil {
		return Page{}, err
	}
	page, err := h.broker.History(ctx, channel, q)
	return page, brokerError(err)
}

// Member is a session as the other users of its channel may see it.
type Member struct {
	ID        string
	Transport string
	Since     time.Time // when it subscribed, UTC
}

// Presence lists the sessions subscribed to channel through this hub, oldest
// first. It returns a *NameError. Its cost grows with the members listed;
// nobody is told of members coming and going.
func (h *Hub) Presence(channel string) ([]Member, error) {
	if err := CheckChannel(channel); err != nil {
		return nil, err
	}
	ch := h.channels.find(channel)
	if ch == nil {
		return nil, nil
	}
	subs := ch.snapshot()
	members := make([]Member, len(subs))
	for i, sub := range subs {
		members[i] = Member{ID: sub.session.id, Transport: sub.session.transport, Since: sub.since}
	}
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.ID, b.ID))
	})
	return members, nil
}

// Connect opens a session. transport names the edge ("websocket", "sse", …) for
// presence and statistics. It returns ErrShutdown or ErrClosed once that is so.
//
// wake is called when the session has something to Take after it had nothing,
// and when it ends. It is called from any goroutine, never with a lock of the hub
// held, and must return without blocking. One call may come late, after Close.
func (h *Hub) Connect(transport string, wake func()) (*Session, error) {
	if wake == nil {
		wake = func() {}
	}
	s := &Session{
		hub:       h,
		id:        strings.ToLower(rand.Text()), // at least 128 bits
		transport: transport,
		wake:      wake,
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending != nil {
		return nil, h.ending
	}
	h.sessions.Set(s, struct{}{})
	h.transports[transport]++
	return s, nil
}

// forget is the last step of a session's Close.
func (h *Hub) forget(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions.Delete(s)
	if h.transports[s.transport]--; h.transports[s.transport] == 0 {
		delete(h.transports, s.transport)
	}
	if h.drained != nil && h.sessions.Len() == 0 {
		close(h.drained)
		h.drained = nil
	}
}

// Shutdown ends every session with ErrShutdown and refuses new ones and new
// publications; edges then tell their clients to come back. It returns when
// every session was closed by its edge, or when ctx is done, with its error.
func (h *Hub) Shutdown(ctx context.Context) error {
	sessions, drained := h.end(ErrShutdown)
	for _, s := range sessions {
		s.end(ErrShutdown)
	}
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends what Shutdown left, without a chance to take what is queued, and
// closes the Broker. Later publications, connections, reads of history and a
// second Close answer ErrClosed.
func (h *Hub) Close() error {
	h.mu.Lock()
	closed := h.ending == ErrClosed
	h.mu.Unlock()
	if closed {
		return ErrClosed
	}
	sessions, _ := h.end(ErrClosed)
	for _, s := range sessions {
		s.close(ErrClosed)
	}
	return brokerError(h.broker.Close())
}

// end refuses what is new, and returns the sessions there are and a channel
// that is closed when they are gone.
func (h *Hub) end(reason error) ([]*Session, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending != ErrClosed {
		h.ending = reason
	}
	drained := h.drained
	if drained == nil {
		drained = make(chan struct{})
		if h.sessions.Len() == 0 {
			close(drained)
		} else {
			h.drained = drained
		}
	}
	sessions := make([]*Session, 0, h.sessions.Len())
	for s := range h.sessions.All {
		sessions = append(sessions, s)
	}
	return sessions, drained
}

// open is nil until the hub ends.
func (h *Hub) open() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ending
}

// receiver is the Hub as its Broker sees it.
type receiver struct{ hub *Hub }

// Receive hands p to every subscriber of its channel. No lock is held while it
// goes over them but, for an instant each, the session's own.
func (r receiver) Receive(p *Publication) {
	ch := r.hub.channels.find(p.Channel)
	if ch == nil {
		return
	}
	subs := ch.lend()
	defer ch.giveBack()
	if len(subs) == 0 {
		return
	}
	d := &Delivery{Publication: p}
	for _, sub := range subs {
		sub.session.offer(sub, d)
	}
}
