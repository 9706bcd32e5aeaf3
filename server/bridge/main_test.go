package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/server/bridge/feed"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is a server in memory, whose time is that of the test's bubble.
type upstream struct {
	t      *testing.T
	wires  chan net.Conn
	server http.Server
	ended  chan struct{}
	closed chan struct{}

	mu    sync.Mutex
	down  error // of dials
	dials int
	serve http.HandlerFunc
}

// newUpstream serves connections with serve until the test ends, which has to be in a bubble.
func newUpstream(t *testing.T, serve http.HandlerFunc) *upstream {
	u := &upstream{t: t, wires: make(chan net.Conn), ended: make(chan struct{}), closed: make(chan struct{}), serve: serve}
	u.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		serve := u.serve
		u.mu.Unlock()
		serve(w, r)
	})
	go func() {
		defer close(u.ended)
		_ = u.server.Serve(u)
	}()
	return u
}

// Accept implements net.Listener.
func (u *upstream) Accept() (net.Conn, error) {
	select {
	case nc := <-u.wires:
		return nc, nil
	case <-u.closed:
		return nil, net.ErrClosed
	}
}

// Addr implements net.Listener.
func (u *upstream) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// Close implements net.Listener.
func (u *upstream) Close() error { close(u.closed); return nil }

func (u *upstream) stop() {
	_ = u.server.Close()
	<-u.ended
}

// dial is how bridges connect.
func (u *upstream) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	u.mu.Lock()
	u.dials++
	down := u.down
	u.mu.Unlock()
	if down != nil {
		return nil, down
	}
	near, far := wstest.Pipe(nil)
	select {
	case u.wires <- far:
		return near, nil
	case <-u.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (u *upstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

// socket makes a handler of what is done with each connection.
func socket(do func(ctx context.Context, conn *ws.Conn)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := ws.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		do(r.Context(), conn)
	}
}

// world is a hub with bridges in a bubble.
type world struct {
	t       *testing.T
	hub     *hub.Hub
	bridges *Bridges
	log     *logs
}

// logs collects lines of a log.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newWorld(t *testing.T, u *upstream, broker hub.Broker, owner Owner, specs ...*Spec) *world {
	t.Helper()
	if broker == nil {
		var err error
		if broker, err = membroker.New(nil); err != nil {
			t.Fatal(err)
		}
	}
	h, err := hub.New(broker, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, hub: h, log: &logs{}}
	w.bridges = New(h, owner, slog.New(slog.NewTextHandler(w.log, nil)))
	w.bridges.dial = u.dial
	w.bridges.Replace(specs)
	w.bridges.Start()
	return w
}

func (w *world) close(u *upstream) {
	w.bridges.Close(context.Background())
	if err := w.hub.Close(); err != nil {
		w.t.Error(err)
	}
	u.stop()
}

// history is what is in a channel, a line each.
func (w *world) history(channel string) string {
	w.t.Helper()
	page, err := w.hub.History(context.Background(), channel, hub.Query{})
	if err != nil {
		w.t.Fatal(err)
	}
	var b strings.Builder
	for _, p := range page.Publications {
		if p.Attributes != nil && p.Attributes.Event != "" {
			fmt.Fprintf(&b, "%s ", p.Attributes.Event)
		}
		fmt.Fprintf(&b, "%s\n", p.Data)
	}
	return b.String()
}

// status is how the only bridge is, when everything has come to rest.
func (w *world) status() Report {
	synctest.Wait()
	return w.bridges.Reports()[0]
}

// specFor is a bridge with one subscription, which gets everything that is no answer.
func specFor(t *testing.T, name, channel string) *Spec {
	t.Helper()
	c, err := feed.ParseChannel(channel)
	if err != nil {
		t.Fatal(err)
	}
	request, err := feed.ParseRequest(`{"op":"subscribe"}`)
	if err != nil {
		t.Fatal(err)
	}
	return &Spec{
		Feed: feed.Spec{
			Name: name, AnswerTimeout: DefaultTimeout, RetryMin: DefaultBackoffMin, RetryMax: DefaultBackoffMax, ChannelsMax: feed.DefaultChannelsMax,
			Subscriptions: []feed.Subscription{{Send: request, Channel: c}},
		},
		URL: "ws://127.0.0.1:1/feed", MessageBytes: 1000, Ping: DefaultPing, Timeout: DefaultTimeout,
		BackoffMin: DefaultBackoffMin, BackoffMax: DefaultBackoffMax, Written: channel,
	}
}

// say sends a text, as far as that can be done.
func say(ctx context.Context, conn *ws.Conn, text string) error {
	return conn.Write(ctx, ws.MessageText, []byte(text))
}

// slowBroker answers when it is told to.
type slowBroker struct {
	*membroker.Broker

	mu      sync.Mutex
	isSlow  bool
	waiting []func()
	fails   bool
}

func newSlowBroker(t *testing.T) *slowBroker {
	b, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &slowBroker{Broker: b}
}

// IsImmediate implements hub.ImmediateBroker.
func (b *slowBroker) IsImmediate() bool { return false }

var errAway = errors.New("the broker is away")

// Publish implements hub.Broker.
func (b *slowBroker) Publish(m hub.Message, retention hub.Retention, to hub.Completer, ticket uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.fails:
		go to.Published(ticket, hub.Published{Err: errAway})
	case b.isSlow:
		b.waiting = append(b.waiting, func() { b.Broker.Publish(m, retention, to, ticket) })
	default:
		b.Broker.Publish(m, retention, to, ticket)
	}
}

// set says how the broker is from now on. What waits goes on if it is not slow.
func (b *slowBroker) set(isSlow, fails bool) (waited int) {
	b.mu.Lock()
	b.isSlow, b.fails = isSlow, fails
	waiting := b.waiting
	if !isSlow {
		b.waiting = nil
	}
	b.mu.Unlock()
	if !isSlow {
		for _, publish := range waiting {
			publish()
		}
	}
	return len(waiting)
}

const pause = 50 * time.Millisecond
