package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/handover"
)

const (
	// startTimeout is how long a process that takes over may take until it could serve.
	startTimeout = 30 * time.Second

	// bulkTimeout is how long it may take to take what there is, while the server goes on.
	bulkTimeout = 2 * time.Minute

	// freezeTimeout is how long publishers may have to wait: less than they do.
	freezeTimeout = 5 * time.Second
)

// Errors of an upgrade that cannot begin.
var (
	ErrUpgrading  = errors.New("server: an upgrade is under way already")
	ErrNotServing = errors.New("server: only a server that serves can be upgraded, and not one that stops or has been replaced")
)

// Program is what takes the place of a server.
type Program struct {
	Path string   // of the file
	Args []string // without the program's name
}

// UpgradeFrom is Upgrade that logs what went wrong.
func (s *Server) UpgradeFrom(ctx context.Context, p Program) {
	err := s.Upgrade(ctx, p)
	switch {
	case err == nil:
	case errors.Is(err, ErrNotServing), errors.Is(err, ErrUpgrading):
		s.log.Error("not upgraded", "error", err) // the file of the process ID is that of another process, or will be
	default:
		s.log.Error("not upgraded; the server goes on as before", "error", err)
		if err := s.pid.write(); err != nil { // a process that waits for it sees that it is the same still
			s.log.Error("cannot write the file of the process ID", "error", err)
		}
	}
}

// successor is the process that has taken over.
type successor struct {
	gone <-chan struct{} // closed when it has lost the connection
}

// HandOver gives everything the server has to the one at the other end of conn, which has
// called TakeOver: the listening sockets, the histories with their positions, idempotency
// keys, sessions and revocations. Nothing is refused meanwhile. When it returns nil, the other one
// serves, and Run drains: the clients that are still here are told to come back, at a pace,
// and until then publish to the other one and receive from it.
//
// After an error the server goes on as before. stop is called then, and must not return before
// the other one cannot serve any more. It returns ErrUpgrading or ErrNotServing, or what
// went wrong. It closes conn.
func (s *Server) HandOver(ctx context.Context, conn *net.UnixConn, stop func()) (err error) {
	h := handover.New(conn)
	if !s.upgrading.TryLock() {
		stop()
		return errors.Join(ErrUpgrading, h.Close())
	}
	defer s.upgrading.Unlock()
	s.reloading.Lock() // what the other one reads is what is in force here
	defer s.reloading.Unlock()
	fail := func(err error) error {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		_ = h.Close() // the error is known
		stop()
		return err
	}
	if s.draining.Load() || s.handedOver.Load() != nil || !s.isServing() {
		return fail(ErrNotServing)
	}
	defer context.AfterFunc(ctx, func() { _ = h.SetDeadline(time.Now()) })()

	began := time.Now()
	within := func(d time.Duration) {
		if ctx.Err() == nil {
			_ = h.SetDeadline(time.Now().Add(d)) // or else the next call fails
		}
	}
	within(startTimeout)
	if err := h.SendOffer(handover.Offer{Build: ThisBuild().Version, PID: os.Getpid(), Sockets: s.sockets()}); err != nil {
		return fail(explainHello(err))
	}
	g, err := h.ReceiveHello()
	if err != nil {
		return fail(explainHello(err))
	}
	if g.Relay != relay.Version {
		return fail(fmt.Errorf("the other program relays by version %d, and this one by %d", g.Relay, relay.Version))
	}

	if err := s.keepsAs(g.Sections); err != nil {
		return fail(err)
	}
	var move *relay.Move // nil if the histories are in a broker that the other one uses, too
	if s.local != nil {
		if move, err = s.local.Move(); err != nil {
			return fail(err)
		}
	}
	s.channels.MoveSessions(true)
	failMoved := func(err error) error {
		err = fail(err)
		s.channels.MoveSessions(false)
		s.keepData()
		if move != nil {
			move.Abort() // not before: two must not give out the same positions
		}
		s.bridges.Start()
		return err
	}
	within(bulkTimeout)
	if err := s.sendSections(h, g.Sections, false, move); err != nil {
		return failMoved(err)
	}
	s.pauseBridges(ctx) // before the other one begins with them
	bulk := time.Since(began)

	froze := time.Now()
	within(freezeTimeout)
	freezing, cancel := context.WithTimeout(ctx, freezeTimeout)
	defer cancel()
	if move != nil {
		if err := move.Freeze(freezing); err != nil {
			return failMoved(fmt.Errorf("deliveries do not end: %w", err))
		}
	}
	if err := s.sendRest(h, g.Sections, move); err != nil {
		return failMoved(err)
	}
	_ = h.SetDeadline(time.Time{})
	var gone <-chan struct{}
	frozen := time.Duration(0) // nobody waits for a broker
	if move != nil {
		gone = move.Commit(h.Stream())
		frozen = time.Since(froze)
		s.leaveData()
	} else {
		gone = s.follow(h.Stream())
	}
	s.log.Info("handed over to another process", "pid", g.PID, "version", g.Build, "took", bulk.Round(time.Millisecond).String(), "publishers_waited", frozen.Round(time.Microsecond).String())
	s.keepFiles()
	if gone == nil { // the server was closed meanwhile
		closed := make(chan struct{})
		close(closed)
		gone = closed
	}
	s.handedOver.Store(&successor{gone})
	close(s.replaced)
	return nil
}

// sendRest sends what is sent while publishers wait, until the other one serves.
func (s *Server) sendRest(h *handover.Conn, others map[string]int, move *relay.Move) error {
	if err := s.sendSections(h, others, true, move); err != nil {
		return err
	}
	if err := h.Send(handover.End, nil); err != nil {
		return err
	}
	if _, err := h.Expect(handover.Loaded); err != nil {
		return err
	}
	if err := h.Send(handover.Go, nil); err != nil {
		return err
	}
	_, err := h.Expect(handover.Serving)
	return err
}

// explainHello says what it mostly means that no greeting came.
func explainHello(err error) error {
	var failed *handover.FailedError
	switch {
	case errors.As(err, &failed):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the other process was not ready within %v", startTimeout)
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	return fmt.Errorf("the other process has ended before it was ready; what it has logged says why, if it is a godwit that can take over (%w)", err)
}

// isServing reports whether Run or Serve has come as far as to serve.
func (s *Server) isServing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.serves
}

// sockets are all listening sockets, with what they were bound for.
func (s *Server) sockets() []handover.Socket {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bindings
}

// keepFiles has the files of sockets stay when this process closes them.
func (s *Server) keepFiles() {
	for _, b := range s.sockets() {
		if file, ok := b.Listener.(*net.UnixListener); ok {
			file.SetUnlinkOnClose(false)
		}
	}
}

// retire ends a server that has been replaced. The clients that are still here are told to
// come back at a pace; what they ask for meanwhile is served. Connections without a session
// are kept until they have been told with a response that it was their last, as far as
// DrainTimeout allows.
func (s *Server) retire(ctx context.Context, next *successor) {
	open := s.front.counts().open
	s.log.Info("replaced; clients are told to come back", "connections", open, "limit", s.config.DrainTimeout.String())
	s.front.stopAccepting()
	s.leaveNodes()
	s.tls.stop() // certificates are the other one's; what was agreed on stays
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.DrainTimeout)
	defer cancel()
	pacing, hurry := context.WithCancel(limited)
	defer hurry()
	defer context.AfterFunc(ctx, hurry)() // told to stop
	if s.admin != nil {
		s.admin.stop(limited)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-next.gone:
			s.log.Error("the process that has taken over has gone; clients are told to come back at once")
			hurry()
		case <-pacing.Done():
		}
	}()
	_ = s.hub.DismissAtPace(pacing, drainPace(s.hub.SessionCount(), s.config.DrainTimeout)) // drain ends what is left
	ticker := time.NewTicker(retireInterval)
	defer ticker.Stop()
	for pacing.Err() == nil && s.front.counts().open > 0 {
		select {
		case <-ticker.C:
		case <-pacing.Done():
		}
	}
	hurry()
	<-watched
}

// retireInterval is how often a server that has been replaced looks whether its last
// connection has gone.
const retireInterval = 20 * time.Millisecond
