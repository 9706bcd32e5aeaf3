package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"time"

	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/server/certs"
	"github.com/godwit-io/godwit/server/forward"
)

// contentBytes is the longest content of a request that is handed on, where publications are
// not longer: twice what a request of SockJS may have.
const contentBytes = 8 << 20

// newNodes makes what serves clients of other nodes. This one is called id.
func (s *Server) newNodes(id string, others neighbours) *nodes {
	var client func(host string) *tls.Config
	var server *tls.Config
	if s.peerTLS != nil {
		client, server = s.peerTLS.Client, s.peerTLS.Server()
	}
	n := &nodes{id: id, others: others, lookups: ratelimit.NewTable[netip.Addr](lookupsMax), token: forward.NewToken(), out: forward.New(id, s.config.Limits.Connections, max(contentBytes, 2*requestBytes(s.config.Limits.PublicationBytes)), client, s.log)}
	n.in = forward.NewGate(n.token, s.shielded(s.serveHandedOn), s.config.Limits.HeaderBytes, server, s.log)
	return n
}

// load reads the files by which nodes know each other.
func (t *ClusterTLS) load(log *slog.Logger) (*certs.Mutual, error) {
	m, err := certs.LoadMutual(t.Cert, t.Key, t.CA, log)
	if err == nil {
		return m, nil
	}
	key := "cluster.tls.cert"
	if _, ok := errors.AsType[*certs.CAError](err); ok {
		key = "cluster.tls.ca"
	}
	return nil, &SettingError{Key: key, Text: err.Error()}
}

// listenNodes binds where other nodes hand requests on to this one; mu is held.
func (s *Server) listenNodes(ctx context.Context) error {
	if s.nodes == nil {
		return nil
	}
	s.nodes.host = s.hostTowardsBroker(ctx)
	address := s.config.Cluster.Listen
	if address == "" {
		address = net.JoinHostPort(s.nodes.host, "0")
	}
	if taken := s.before.takeFor(ctx, address); len(taken) > 0 {
		s.nodes.listener = s.noteTaken(taken)[0]
		return nil
	}
	ln, err := listenConfig.Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("cluster.listen: cannot listen on %s: %w", address, explainTCP(err))
	}
	s.nodes.listener = ln
	if s.config.Cluster.Listen != "" {
		s.note(address, false, []net.Listener{ln})
	}
	return nil
}

// startNodes serves what others hand on, and tells them where.
func (s *Server) startNodes() {
	n := s.nodes
	if n == nil {
		return
	}
	address := s.config.Cluster.Advertise
	if address == "" {
		address = n.listener.Addr().String()
		if a, ok := n.listener.Addr().(*net.TCPAddr); ok && a.IP.IsUnspecified() {
			address = net.JoinHostPort(n.host, fmt.Sprint(a.Port))
		}
	}
	if s.peerTLS != nil {
		var ctx context.Context
		ctx, n.unwatch = context.WithCancel(context.Background())
		n.watching.Go(func() { s.peerTLS.Watch(ctx) })
	}
	n.in.Serve(n.listener)
	n.others.WatchGone(n.out.Lost)
	n.others.SetAddress(address, n.token)
	s.log.Info("other nodes hand on requests of clients whose sessions are here", "address", n.listener.Addr().String(), "advertised", address)
}

// leaveNodes ends what this node hands on and what lasts.
func (s *Server) leaveNodes() {
	if s.nodes != nil {
		s.nodes.out.Leave()
	}
}

// stopNodes ends the rest, as long as ctx allows.
func (s *Server) stopNodes(ctx context.Context) {
	if n := s.nodes; n != nil {
		n.in.Shutdown(ctx)
		n.out.Close()
		if n.unwatch != nil {
			n.unwatch()
			n.watching.Wait()
		}
	}
}

// closeNodes releases what was bound by a server that was not started.
func (s *Server) closeNodes() error {
	if s.nodes == nil {
		return nil
	}
	s.nodes.out.Close()
	if s.nodes.listener == nil {
		return nil
	}
	if err := s.nodes.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// resolveTimeout is how long the name of a broker may take to be resolved.
const resolveTimeout = 3 * time.Second

// hostTowardsBroker is the address of this machine from which it reaches the broker: where
// others that use the broker most likely reach this machine. It is loopback if that is not
// known.
func (s *Server) hostTowardsBroker(ctx context.Context) string {
	dialer := net.Dialer{Timeout: resolveTimeout}
	brokers, _, err := s.config.Broker.resolve()
	if err != nil {
		return "127.0.0.1" // there is none, or it was refused before
	}
	for _, broker := range brokers {
		u, err := url.Parse(broker)
		if err != nil {
			continue
		}
		port := u.Port()
		if port == "" {
			port = "1" // no packet is sent, so any will do
		}
		nc, err := dialer.DialContext(ctx, "udp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			continue
		}
		local := nc.LocalAddr().(*net.UDPAddr).IP
		_ = nc.Close() // it was only asked where it would go
		return local.String()
	}
	return "127.0.0.1"
}
