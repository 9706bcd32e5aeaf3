package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/godwit-io/godwit/hub/relay"
	"github.com/godwit-io/godwit/server/handover"
)

// predecessor is the process whose place a server takes.
type predecessor struct {
	conn  *handover.Conn
	offer handover.Offer // less the sockets that were taken
	owned []*net.UnixListener
	guest <-chan struct{} // closed when it has gone
}

// TakeOver has the server take the place of the one at the other end of conn, which has
// called HandOver. It is called before Listen, which then takes the sockets of the other
// one for the addresses that are the same, and binds those that are new. Run takes what the other one
// knows before it serves, and returns an error without having served if it cannot.
// The server owns conn.
func (s *Server) TakeOver(ctx context.Context, conn *net.UnixConn) error {
	h := handover.New(conn)
	_ = h.SetDeadline(time.Now().Add(startTimeout)) // or else the next call fails
	defer context.AfterFunc(ctx, func() { _ = h.SetDeadline(time.Now()) })()
	offer, err := h.ReceiveOffer()
	if err != nil {
		return errors.Join(fmt.Errorf("cannot take over: %w", err), h.Close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used || s.listeners != nil || s.before != nil {
		offer.Close()
		return errors.Join(errors.New("server: TakeOver comes before Listen"), h.Close())
	}
	s.before = &predecessor{conn: h, offer: offer}
	s.log.Info("taking over from another process", "pid", offer.PID, "version", offer.Build)
	return nil
}

// take returns the sockets for which is holds, and nil if there is none.
func (p *predecessor) take(is func(handover.Socket) bool) (taken []handover.Socket) {
	if p == nil {
		return nil
	}
	var left []handover.Socket
	for _, b := range p.offer.Sockets {
		if !is(b) {
			left = append(left, b)
			continue
		}
		tune(b.Listener)
		taken = append(taken, b)
		if file, ok := b.Listener.(*net.UnixListener); ok && !b.IsLent {
			p.owned = append(p.owned, file)
		}
	}
	p.offer.Sockets = left
	return taken
}

// takeFor returns the sockets that were bound for an address as the configuration has it,
// or that are bound to all addresses which it means; nil if a new one has to be bound.
func (p *predecessor) takeFor(ctx context.Context, address string) []handover.Socket {
	if p == nil {
		return nil
	}
	if taken := p.take(func(b handover.Socket) bool { return b.Spec == address }); taken != nil {
		return taken
	}
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil // no address of TCP
	}
	addrs, err := resolve(ctx, address)
	if err != nil {
		return nil // binding says why
	}
	wanted := make(map[string]bool)
	for _, addr := range addrs {
		if addr.IP == nil {
			addr.IP = net.IPv6unspecified // which is how it is bound
		}
		wanted[addr.String()] = true
	}
	found := 0
	isWanted := func(b handover.Socket) bool { return b.Addr().Network() == "tcp" && wanted[b.Addr().String()] }
	for _, b := range p.offer.Sockets {
		if isWanted(b) {
			found++
		}
	}
	if found < len(wanted) {
		return nil
	}
	return p.take(isWanted)
}

// load takes what the other process knows, up to the moment at which this one is to serve.
func (s *Server) load(ctx context.Context) error {
	p := s.before
	h := p.conn
	defer context.AfterFunc(ctx, func() { _ = h.SetDeadline(time.Now()) })()
	fail := func(err error) error {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		_ = h.Send(handover.Failed, []byte(err.Error())) // it sees the end, at least
		return errors.Join(fmt.Errorf("cannot take over from process %d: %w", p.offer.PID, err), h.Close())
	}
	_ = h.SetDeadline(time.Now().Add(bulkTimeout + startTimeout)) // or else the next call fails
	if err := h.SendHello(handover.Greeting{Build: ThisBuild().Version, PID: os.Getpid(), Relay: relay.Version, Sections: s.versions()}); err != nil {
		return fail(err)
	}
	began := time.Now()
	if err := s.receiveSections(h); err != nil {
		return fail(err)
	}
	if err := cmp.Or(s.adoptData(), s.awaitBroker(ctx)); err != nil {
		return fail(err)
	}
	if err := h.Send(handover.Loaded, nil); err != nil {
		return fail(err)
	}
	if _, err := h.Expect(handover.Go); err != nil {
		return fail(err)
	}
	if err := h.Send(handover.Serving, nil); err != nil {
		return fail(err)
	}
	// From here on the other one relays, or goes on with the broker that both use.
	if ctx.Err() == nil {
		_ = h.SetDeadline(time.Time{})
	}
	var err error
	if s.local == nil {
		p.guest = s.follow(h.Stream())
	} else if p.guest, err = s.local.Host(h.Stream()); err != nil {
		return fmt.Errorf("cannot take over from process %d: %w", p.offer.PID, err)
	}
	for _, file := range p.owned {
		file.SetUnlinkOnClose(true)
	}
	p.offer.Close() // sockets of addresses that the configuration does not have any more
	stats := s.brokerStats()
	s.log.Info("taken over", "pid", p.offer.PID, "took", time.Since(began).Round(time.Millisecond).String(),
		"channels", stats.Channels, "publications", stats.Publications, "bytes", stats.Bytes)
	return nil
}

// waitForGuest waits until the process before this one has gone, as long as ctx allows: its
// clients are served from here.
func (s *Server) waitForGuest(ctx context.Context) {
	if s.handedOver.Load() == nil || s.before == nil || s.before.guest == nil {
		return // or there is nowhere to serve them from, soon
	}
	select {
	case <-s.before.guest:
	case <-ctx.Done():
	}
}
