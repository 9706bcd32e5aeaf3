package hops

import (
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Client is the sender of a request.
type Client struct {
	// Addr is the address of the last hop that is not a trusted proxy, or of the first
	// one if all are. It is the zero value if that has no known address: the
	// peer on a Unix socket without a proxy's word, or a hop that a trusted proxy has
	// called unknown or by an obfuscated name. It is never a mapped address (::ffff:192.0.2.1)
	// and has no zone.
	Addr netip.Addr

	// Proto is what the trusted proxy that is next to the client says the scheme of the request was,
	// "http" or "https", and Host the host that was asked for; each is empty if
	// no trusted proxy said it.
	Proto, Host string

	// PassedOn says that a trusted proxy has passed the request on and said, or let the
	// client say, where it is from: an Addr of this machine is then only hearsay.
	PassedOn bool
}

// Trusted are the proxies whose word counts.
type Trusted struct {
	// Prefixes has their addresses. An empty list trusts nobody.
	Prefixes []netip.Prefix

	// Unix says that a peer on a Unix socket, which has no address, is one.
	Unix bool
}

// Has reports whether a is the address of a trusted proxy. The zero value is that of a peer
// on a Unix socket.
func (t *Trusted) Has(a netip.Addr) bool {
	if !a.IsValid() {
		return t.Unix
	}
	a = a.Unmap().WithZone("")
	for _, p := range t.Prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// hopsMax is how many hops are looked at, from the last. No honest request has more.
const hopsMax = 64

// Resolve returns the client of a request that has come from peer with these fields, in
// the order in which they were sent. Peers that are not trusted are the client, whatever
// they say. Where there is an X-Forwarded-For, Forwarded does not count: most proxies
// write the former and pass on the latter as the client has sent it. A proxy that writes
// Forwarded must remove the X-Forwarded fields that it gets.
//
// From the peer back to the client each hop is believed what it says about the one
// before it, as long as it is trusted itself.
func Resolve(peer netip.Addr, fields iter.Seq2[string, string], t *Trusted) Client {
	c := Client{Addr: peer.Unmap().WithZone("")}
	if !t.Has(peer) {
		return c
	}
	var forwarded, forFields, protos, hosts []string
	for name, value := range fields {
		switch {
		case httpsyntax.EqualFold(name, "Forwarded"):
			forwarded = append(forwarded, value)
		case httpsyntax.EqualFold(name, "X-Forwarded-For"):
			forFields = append(forFields, value)
		case httpsyntax.EqualFold(name, "X-Forwarded-Proto"):
			protos = append(protos, value)
		case httpsyntax.EqualFold(name, "X-Forwarded-Host"):
			hosts = append(hosts, value)
		}
	}
	c.PassedOn = len(forwarded)+len(forFields) > 0
	if len(forwarded) > 0 && len(forFields) == 0 {
		elements, err := ParseForwarded(forwarded)
		if err != nil {
			return c // what cannot be read says nothing
		}
		return walk(c, elements, t)
	}
	return walk(c, legacy(forFields, protos, hosts), t)
}

// walk follows hops, the last of which the peer has told of.
func walk(c Client, elements []Hop, t *Trusted) Client {
	for i, hop := range slices.Backward(elements) {
		if len(elements)-i > hopsMax {
			return c
		}
		if proto := strings.ToLower(hop.Proto); proto == "http" || proto == "https" {
			c.Proto = proto
		}
		if hop.Host != "" {
			c.Host = hop.Host
		}
		if hop.For == "" {
			return c // it says nothing of where it had the request from
		}
		addr, ok := parseNode(hop.For)
		c.Addr = addr
		if !ok || !t.Has(addr) {
			return c
		}
	}
	return c
}

// legacy makes hops of the fields that began it. A list of protos or hosts counts from
// the end, as that of addresses does; a single one is what proxies mostly send, and is
// the client's.
func legacy(forFields, protos, hosts []string) []Hop {
	fors, ps, hs := items(forFields), items(protos), items(hosts)
	elements := make([]Hop, max(len(fors), min(1, len(ps)), min(1, len(hs))))
	for i := range elements {
		fromEnd := len(elements) - i // 1 for the last
		if i < len(fors) {
			elements[i].For = fors[i]
		}
		if n := len(ps) - fromEnd; n >= 0 {
			elements[i].Proto = ps[n]
		}
		if n := len(hs) - fromEnd; n >= 0 {
			elements[i].Host = hs[n]
		}
	}
	return elements
}

// items splits lists (RFC 9110 §5.6.1); empty items are none.
func items(fields []string) []string {
	var all []string
	for _, field := range fields {
		for item := range strings.SplitSeq(field, ",") {
			if item = strings.Trim(item, " \t"); item != "" {
				all = append(all, item)
			}
		}
	}
	return all
}

// parseNode reads the address of a node (RFC 7239 §6), with or without a port. The old
// fields also have IPv6 addresses without brackets.
func parseNode(node string) (netip.Addr, bool) {
	if a, err := netip.ParseAddr(node); err == nil {
		return a.Unmap().WithZone(""), true
	}
	if inside, ok := strings.CutPrefix(node, "["); ok {
		address, port, closed := strings.Cut(inside, "]")
		a, err := netip.ParseAddr(address)
		if !closed || err != nil || a.Is4() || port != "" && !isNodePort(port) {
			return netip.Addr{}, false
		}
		return a.Unmap().WithZone(""), true
	}
	host, port, _ := strings.Cut(node, ":")
	a, err := netip.ParseAddr(host)
	if err != nil || !isNodePort(":"+port) {
		return netip.Addr{}, false
	}
	return a, true
}

// isNodePort reports whether s is a colon and a port, which may be an obfuscated one.
func isNodePort(s string) bool {
	if len(s) < 2 || len(s) > 65 || s[0] != ':' {
		return false
	}
	obfuscated := s[1] == '_'
	for _, b := range []byte(s[1:]) {
		digit := b >= '0' && b <= '9'
		if !digit && !(obfuscated && (b|0x20 >= 'a' && b|0x20 <= 'z' || b == '.' || b == '_' || b == '-')) {
			return false
		}
	}
	return obfuscated || len(s) <= 6
}
