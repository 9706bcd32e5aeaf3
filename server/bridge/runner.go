package bridge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/bridge/feed"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/handshake"
)

// Transport is how bridges are called where publications are counted by the edge that they came through.
const Transport = "bridge"

const (
	// unansweredMax is how many publications of a bridge may be without an outcome. With as many, the
	// upstream is read no more, which is what makes it wait for a slow broker.
	unansweredMax = 256

	// skippedTimes is how many times longer than MessageBytes a message may be that is left out. One that
	// is longer ends the connection.
	skippedTimes = 16

	// closeTimeout is how long the upstream may take to say goodbye.
	closeTimeout = time.Second

	// endTimeout is how long what was published last may take when a bridge ends.
	endTimeout = 2 * time.Second

	// recallTimeout is how long reading what a channel had last may take.
	recallTimeout = 2 * time.Second
)

// runner is a bridge that runs.
type runner struct {
	spec *Spec
	hub  *hub.Hub
	log  *slog.Logger
	dial func(ctx context.Context, network, address string) (net.Conn, error) // nil: as ws.Dial does

	slots chan struct{} // one for each publication without an outcome
	kick  chan struct{} // the deadline may be another

	acting sync.Mutex // held while something happens to the machine and is acted upon: before mu
	conn   *ws.Conn   // guarded by acting; nil: there is none
	ended  string     // guarded by acting: why conn is being ended, "" if it is not

	mu      sync.Mutex // guards what follows; never held while something is called
	machine *feed.Machine
	logged  map[feed.Outcome]*logged
}

func newRunner(spec *Spec, h *hub.Hub, log *slog.Logger) *runner {
	return &runner{
		spec: spec, hub: h, log: log.With("bridge", spec.Name()),
		slots: make(chan struct{}, unansweredMax), kick: make(chan struct{}, 1),
		machine: feed.New(&spec.Feed, time.Now()), logged: make(map[feed.Outcome]*logged),
	}
}

// run follows the upstream until ctx ends. When it returns, everything that was published has an outcome, or had time for one.
func (r *runner) run(ctx context.Context) {
	r.recall(ctx)
	var clock sync.WaitGroup
	defer clock.Wait()
	ticking, stop := context.WithCancel(ctx)
	defer stop()
	clock.Go(func() { r.clockLoop(ticking) })
	redialer := ws.Redialer{
		URL: r.spec.URL,
		DialOptions: &ws.DialOptions{
			Options: ws.Options{
				MessageBytesMax: int64(r.spec.MessageBytes) * skippedTimes,
				PingInterval:    r.spec.Ping, PingTimeout: r.spec.Ping, IdleTimeout: r.spec.Idle, CloseTimeout: closeTimeout,
			},
			Header: r.spec.Header, Subprotocols: subprotocols(r.spec.Subprotocol), TLSConfig: r.spec.TLS,
			RedirectsMax: ws.NoRedirects, NetDial: r.dial, HandshakeTimeout: r.spec.Timeout,
		},
		BackoffMin: r.spec.BackoffMin, BackoffMax: r.spec.BackoffMax,
		Permanent: func(error) bool { return false }, // whatever it is, the upstream's owner may mend it
		OnRetry: func(err error, pause time.Duration) {
			problem := explain(err)
			r.log.Warn("a bridge has no connection", "error", problem, "again_in", pause.Round(time.Millisecond).String())
			r.step(ctx, func(m *feed.Machine, now time.Time) { m.Disconnected(now, problem) })
		},
	}
	_ = redialer.Run(ctx, r.serve) // it ends with ctx
	stop()
	clock.Wait()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	r.step(ending, func(m *feed.Machine, now time.Time) { m.Stopped(now) })
	for range unansweredMax {
		select {
		case r.slots <- struct{}{}:
		case <-ending.Done():
			return
		}
	}
}

func subprotocols(one string) []string {
	if one == "" {
		return nil
	}
	return []string{one}
}

// explain says what is wrong with an upstream.
func explain(err error) string {
	if e, ok := errors.AsType[*handshake.ResponseError](err); ok && e.Status >= 300 && e.Status < 400 {
		return err.Error() + "; redirects are not followed, so write as url where it leads, if that is right"
	}
	return err.Error()
}

// recall looks up of when the last publications are in channels whose names are known.
func (r *runner) recall(ctx context.Context) {
	for _, sub := range r.spec.Feed.Subscriptions {
		name := sub.Channel.Fixed()
		if name == "" {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, recallTimeout)
		page, err := r.hub.History(limited, name, hub.Query{Last: 1})
		cancel()
		if err != nil || len(page.Publications) == 0 {
			continue // the gap says that it is not known
		}
		last := page.Publications[len(page.Publications)-1]
		r.mu.Lock()
		r.machine.Known(name, last.Time)
		r.mu.Unlock()
	}
}

// serve follows one connection until it ends.
func (r *runner) serve(ctx context.Context, conn *ws.Conn) error {
	began := time.Now()
	r.acting.Lock()
	r.conn, r.ended = conn, ""
	r.acting.Unlock()
	failure := r.step(ctx, func(m *feed.Machine, now time.Time) { m.Connected(now) })
	r.log.Info("a bridge has a connection")
	err := r.follow(ctx, conn, failure)
	r.acting.Lock()
	r.conn = nil
	if r.ended != "" {
		err = errors.New(r.ended)
	}
	r.acting.Unlock()
	if ctx.Err() == nil {
		r.log.Info("the connection of a bridge has ended", "lasted", time.Since(began).Round(time.Millisecond).String())
		r.step(ctx, func(m *feed.Machine, now time.Time) { m.Disconnected(now, err.Error()) })
	}
	return err
}

// follow reads what comes.
func (r *runner) follow(ctx context.Context, conn *ws.Conn, failure string) error {
	var buf []byte
	for failure == "" {
		typ, message, err := r.read(ctx, conn, buf)
		switch {
		case errors.Is(err, errTooLong):
			r.step(ctx, func(m *feed.Machine, now time.Time) { m.Missed(now) })
			r.note(feed.TooLong, "")
			continue
		case err != nil:
			return err
		}
		var outcome feed.Outcome
		var detail string
		failure = r.step(ctx, func(m *feed.Machine, now time.Time) { outcome, detail = m.Receive(now, typ == ws.MessageText, message) })
		r.note(outcome, detail)
		if buf = message; cap(buf) > bufferMax {
			buf = nil
		}
	}
	return errors.New(failure)
}

// bufferMax is the most memory that is kept from one message to the next.
const bufferMax = 64 << 10

var errTooLong = errors.New("the message is too long")

// read reads a message into buf, which may be replaced. A message longer than allowed is left out, with errTooLong.
func (r *runner) read(ctx context.Context, conn *ws.Conn, buf []byte) (ws.MessageType, []byte, error) {
	typ, reader, err := conn.Reader(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer reader.Close()
	if buf = buf[:0]; cap(buf) == 0 {
		buf = make([]byte, 0, 4<<10)
	}
	for {
		n, err := reader.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case err == io.EOF:
			return typ, buf, nil
		case err != nil:
			return 0, nil, err
		case len(buf) > r.spec.MessageBytes:
			if _, err := io.Copy(io.Discard, reader); err != nil {
				return 0, nil, err
			}
			return 0, nil, errTooLong
		case len(buf) == cap(buf):
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

// step has something happen to the machine and does what that leads to. It returns why the connection is to be ended,
// "" if it is not.
func (r *runner) step(ctx context.Context, happen func(m *feed.Machine, now time.Time)) (failure string) {
	r.acting.Lock()
	defer r.acting.Unlock()
	r.mu.Lock()
	happen(r.machine, time.Now())
	actions := r.machine.Actions()
	r.mu.Unlock()
	defer r.look()
	for _, a := range actions {
		switch {
		case a.Send != nil:
			if r.conn != nil {
				_ = r.conn.Write(ctx, ws.MessageText, a.Send) // reading says so, too
			}
		case a.Publish != nil:
			select {
			case r.slots <- struct{}{}:
				r.hub.BeginPublish(Transport, *a.Publish, r, a.Ticket)
			case <-ctx.Done():
				// What was read last is given up, as if it had not come: the bridge ends.
				r.lose(a.Ticket, ctx.Err())
			}
		case a.Fail != "":
			failure = a.Fail
			if r.conn != nil && r.ended == "" {
				r.ended = a.Fail
				_ = r.conn.Close(ws.StatusGoingAway, "")
			}
		case a.Note != "":
			r.log.Warn(a.Note)
		}
	}
	return failure
}

// Published implements hub.Completer.
func (r *runner) Published(ticket uint64, p hub.Published) {
	r.mu.Lock()
	r.machine.Published(time.Now(), ticket, p.Duplicate, p.Err)
	r.mu.Unlock()
	<-r.slots
	if p.Err != nil {
		r.note(feed.Lost, p.Err.Error())
		r.look()
	}
}

// lose notes that a publication was not even tried.
func (r *runner) lose(ticket uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.machine.Published(time.Now(), ticket, false, err)
}

// look has the clock look at the deadline.
func (r *runner) look() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// clockLoop tells the machine when something is due.
func (r *runner) clockLoop(ctx context.Context) {
	for {
		r.mu.Lock()
		at := r.machine.Deadline()
		r.mu.Unlock()
		var due <-chan time.Time
		if !at.IsZero() {
			due = time.After(max(time.Until(at), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-r.kick:
		case <-due:
			r.step(ctx, func(m *feed.Machine, now time.Time) { m.Tick(now) })
		}
	}
}

// status is how the bridge is.
func (r *runner) status() feed.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.machine.Status(time.Now())
}
