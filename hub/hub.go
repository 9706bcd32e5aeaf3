package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/cpu"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub/internal/shrinkmap"
)

// Hub connects sessions with the channels they publish to and subscribe to.
// All methods are safe for concurrent use.
//
// No two locks of a hub are ever held at once, and none is held while the
// Broker or an edge is called.
type Hub struct {
	broker      Broker
	immediate   func() bool // whether the broker never waits, now
	tellsGaps   bool        // to an Observer.Gapped
	options     Options
	channels    channels
	patterns    patterns
	calls       *calls    // of a broker that may wait
	pages       *pages    // of histories that resuming subscriptions read
	exchange    *exchange // of calls of methods
	waiters     sync.Pool // of *waiter; the hub's own, as a channel must not leave a bubble of testing/synctest
	publishings sync.Pool // of *publishing, like these
	_           cpu.CacheLinePad
	counters    counters
	_           cpu.CacheLinePad
	policies    atomic.Pointer[func(channel string) *Policy]
	latest      atomic.Int64           // of uniqueNow
	mirror      atomic.Pointer[Mirror] // nil without Neighbours
	keys        sync.Map               // Policy.KeyPointer → *Form[string]
	ending      atomic.Pointer[error]  // to ErrShutdown or ErrClosed once it is so; changed under mu
	away        atomic.Pointer[error]  // why the Broker cannot be used; nil while it can
	herald      herald                 // of that

	mu         sync.Mutex // guards what follows
	sessions   shrinkmap.Map[*Session, struct{}]
	transports map[string]int
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
		immediate:  immediacy(broker),
		options:    o,
		channels:   channels{seed: maphash.MakeSeed()},
		calls:      newCalls(o.CallsMax),
		pages:      newPages(o.HistoryPagesPerSecond),
		transports: make(map[string]int),
	}
	h.exchange = newExchange(h)
	h.tellsGaps = o.Observer != nil && o.Observer.Gapped != nil
	h.patterns.broker, _ = broker.(PatternBroker)
	if err := broker.Start(receiver{h}); err != nil {
		h.exchange.cancel()
		return nil, brokerError(err)
	}
	return h, nil
}

// immediacy returns what says whether a Broker never waits.
func immediacy(b Broker) func() bool {
	if b, ok := b.(ImmediateBroker); ok {
		return b.IsImmediate
	}
	return func() bool { return false }
}

// Connect opens a session. transport names the edge ("websocket", "sse", …) for
// presence and statistics. It returns ErrShutdown or ErrClosed once that is so.
//
// wake is called when the session has something to Take after it had nothing,
// and when it ends. It is called from any goroutine, never with a lock of the hub
// held, and must return without blocking. One call may come late, after Close.
func (h *Hub) Connect(transport string, wake func()) (*Session, error) {
	return h.ConnectAs(nil, transport, wake)
}

// ConnectAs is Connect for a client whose identity is known; id may be nil.
// When id expires, the session ends with an *access.Refusal of the cause Expired.
func (h *Hub) ConnectAs(id *access.Identity, transport string, wake func()) (*Session, error) {
	return h.open(strings.ToLower(rand.Text()), id, transport, wake) // at least 128 bits
}

// Restore is ConnectAs for a session that was opened by a Hub in another process and keeps
// its ID, which no other session here may have. It has no subscriptions. It returns
// ErrSessionID if id is no ID of a session.
func (h *Hub) Restore(session string, id *access.Identity, transport string, wake func()) (*Session, error) {
	if len(session) != len(rand.Text()) || strings.Trim(session, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return nil, ErrSessionID
	}
	return h.open(session, id, transport, wake)
}

func (h *Hub) open(session string, id *access.Identity, transport string, wake func()) (*Session, error) {
	if wake == nil {
		wake = func() {}
	}
	s := &Session{hub: h, id: session, transport: transport, wake: wake}
	s.identity.Store(id)
	if err := h.remember(s); err != nil {
		return nil, err
	}
	s.expireWithIdentity()
	if o := h.options.Observer; o != nil && o.Opened != nil {
		o.Opened(s)
	}
	return s, nil
}

// remember adds a session to the open ones.
func (h *Hub) remember(s *Session) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.checkOpen(); err != nil {
		return err
	}
	h.sessions.Set(s, struct{}{})
	h.transports[s.transport]++
	return nil
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
func (h *Hub) Shutdown(ctx context.Context) error { return h.ShutdownAtPace(ctx, NoLimit) }

// paceInterval is how often sessions are ended at a pace.
const paceInterval = 20 * time.Millisecond

// ShutdownAtPace is Shutdown that ends so many sessions a second, at least one, so that
// their clients do not come back all at once. Sessions that are left when ctx is done
// are ended then.
func (h *Hub) ShutdownAtPace(ctx context.Context, perSecond int) error {
	sessions, drained := h.end(ErrShutdown)
	atPace(ctx, sessions, perSecond, endSession)
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the sessions that are left, without a chance to take their queues, and
// closes the Broker. Later publications, connections, reads of history and a
// second Close answer ErrClosed.
func (h *Hub) Close() error {
	if h.checkOpen() == ErrClosed {
		return ErrClosed
	}
	sessions, _ := h.end(ErrClosed)
	for _, s := range sessions {
		s.close(endClosed)
	}
	h.pages.close()
	h.mirror.Load().close()
	h.exchange.close()
	h.calls.close()
	h.herald.close()
	return brokerError(h.broker.Close())
}

// end refuses new sessions and publications, and returns the sessions and a channel
// that is closed when they are gone.
func (h *Hub) end(reason error) ([]*Session, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.checkOpen() != ErrClosed {
		h.ending.Store(&reason)
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

// checkOpen returns nil until the hub ends, and then why it did.
func (h *Hub) checkOpen() error {
	if err := h.ending.Load(); err != nil {
		return *err
	}
	return nil
}

// call calls f, which asks the Broker something about a channel: at once if it
// never waits, or else in its turn. It returns false when the hub is closed: f is
// not called then.
func (h *Hub) call(channel string, f func(context.Context)) bool {
	if h.immediate() {
		f(context.Background())
		return true
	}
	return h.calls.add(channel, f)
}

// brokerError is brokerError, and ErrClosed for every failure when the hub is closed,
// such as a call whose context ended with it.
func (h *Hub) brokerError(err error) error {
	if err != nil && h.checkOpen() == ErrClosed {
		return ErrClosed
	}
	return brokerError(err)
}

// Health returns nil while the hub can serve. Otherwise it returns ErrShutdown,
// ErrClosed, or what the Broker says is wrong, if it is a HealthBroker.
func (h *Hub) Health(ctx context.Context) error {
	if err := h.checkOpen(); err != nil {
		return err
	}
	if b, ok := h.broker.(HealthBroker); ok {
		return brokerError(b.Health(ctx))
	}
	return nil
}

// receiver is the Hub as its Broker sees it.
type receiver struct{ hub *Hub }

// Receive hands p to every subscriber of its channel. No lock is held while it
// goes over them but, for an instant each, the session's own.
func (r receiver) Receive(p *Publication) {
	ch, l := r.hub.lend(p)
	if ch == nil {
		return
	}
	defer ch.giveBack()
	if l.delivery == nil {
		return
	}
	began := r.hub.beginDelivery(p)
	if !l.allTrail {
		for _, sub := range l.subs {
			if s := sub.session; s.trailing.Load() != sub && !s.offer(sub, l.delivery, true, l.next) {
				s.offerAgain(ch, l.delivery)
			}
		}
	}
	for _, sub := range l.derived {
		if !sub.session.offer(sub, l.delivery, false, 0) {
			sub.session.offerAgain(ch, l.delivery)
		}
	}
	if !began.IsZero() {
		r.hub.options.Observer.Delivered(p, len(l.subs)+len(l.derived), began)
	}
}

// beginDelivery is the time, if anybody wants to know of the delivery of p.
func (h *Hub) beginDelivery(p *Publication) (t time.Time) {
	if p.Attributes != nil && p.Attributes.Trace != "" && h.options.Observer != nil && h.options.Observer.Delivered != nil {
		t = time.Now()
	}
	return t
}

// Lost has every subscriber of a channel, or of all, read the history once.
func (r receiver) Lost(name string) {
	var channels []*channel
	if name == "" {
		channels = r.hub.channels.all()
	} else if ch := r.hub.channels.find(name); ch != nil {
		channels = []*channel{ch}
	}
	r.hub.losePatterns(name)
	for _, ch := range channels {
		if ch.pattern != nil { // it has no history of its own
			continue
		}
		for _, sub := range ch.lose() {
			sub.session.doubt(sub)
		}
	}
}
