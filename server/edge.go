package server

import (
	"iter"
	"net/http"
	"net/netip"

	"github.com/godwit-io/godwit/internal/hops"
	"github.com/godwit-io/godwit/internal/ratelimit"
	"github.com/godwit-io/godwit/transport"
)

// edge is what is known of the proxies between the server and its clients.
type edge struct {
	trusted       hops.Trusted
	proxyProtocol bool
	addressMax    int // connections of an address
	counts        *ratelimit.Counts[netip.Addr]
}

// newEdge makes the edge of a configuration. Where there are trusted proxies, a peer on
// a Unix socket is one: the permissions of the file decide which processes may write to it.
func newEdge(c *Config) *edge {
	return &edge{
		trusted:       hops.Trusted{Prefixes: c.TrustedProxies, Unix: len(c.TrustedProxies) > 0},
		proxyProtocol: c.ProxyProtocol,
		addressMax:    c.Limits.ConnectionsPerAddress,
		counts:        ratelimit.NewCounts[netip.Addr](),
	}
}

// expectsHeader is for engine.Server.ProxyHeader: whether peer begins with a header of the
// PROXY protocol.
func (e *edge) expectsHeader(peer netip.AddrPort) bool {
	return e.proxyProtocol && e.trusted.Has(peer.Addr())
}

// proxyHeader is expectsHeader, or nil if nobody begins so.
func (e *edge) proxyHeader() func(netip.AddrPort) bool {
	if !e.proxyProtocol {
		return nil
	}
	return e.expectsHeader
}

// Enter implements engine.AddressCounter. Programs of this machine are not counted, nor
// are trusted proxies, which come with the connections of many. A network of IPv6 counts as one.
func (e *edge) Enter(client netip.Addr) bool {
	return e.isExempt(client) || e.counts.Acquire(ratelimit.AddressKey(client), e.addressMax)
}

// Leave implements engine.AddressCounter.
func (e *edge) Leave(client netip.Addr) {
	if !e.isExempt(client) {
		e.counts.Release(ratelimit.AddressKey(client))
	}
}

func (e *edge) isExempt(client netip.Addr) bool { return client.IsLoopback() || e.trusted.Has(client) }

// unknownAddress is that of all clients behind proxies that did not say where they are, in
// a way that can be read. They share their limits.
var unknownAddress = netip.IPv4Unspecified()

// clientAddress is that of the client behind a request that has come from peer with these
// fields: the zero value for a program of this machine that has none, and unknownAddress
// for what was passed on and is not known to be from elsewhere. No rate holds for
// programs of this machine, so nobody is taken for one because of what a field says.
func (e *edge) clientAddress(peer netip.Addr, fields iter.Seq2[string, string]) netip.Addr {
	if !e.trusted.Has(peer) {
		return peer.Unmap()
	}
	c := hops.Resolve(peer, fields, &e.trusted)
	// With the PROXY protocol a trusted peer that is still the peer has not named the client
	// of the connection: LOCAL, UNKNOWN, or a socket file.
	if (c.PassedOn || e.proxyProtocol) && (!c.Addr.IsValid() || c.Addr.IsLoopback()) {
		return unknownAddress
	}
	return c.Addr
}

// clientOf is clientAddress for a request to a channel, from either driver.
func (e *edge) clientOf(r *transport.Request) netip.Addr {
	peer := r.RemoteAddr().Addr()
	switch {
	case r.Loop() != nil:
		return e.clientAddress(peer, r.Loop().Fields())
	case r.HTTP() != nil:
		if client, ok := handedOnFrom(r.HTTP()); ok {
			return client
		}
		return e.clientAddress(peer, fieldsOf(r.HTTP().Header))
	}
	return peer.Unmap()
}

// clientOfHTTP is clientAddress for a request of net/http.
func (e *edge) clientOfHTTP(r *http.Request) netip.Addr {
	if client, ok := handedOnFrom(r); ok {
		return client
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr) // the zero value on a Unix socket
	return e.clientAddress(peer.Addr(), fieldsOf(r.Header))
}

func fieldsOf(h http.Header) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for name, values := range h {
			for _, v := range values {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}
