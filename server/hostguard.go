package server

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/ws/handshake"
)

// hostAllowed reports whether a server on loopback answers to a Host header.
//
// A page on the internet can point a name of its own at 127.0.0.1 (DNS
// rebinding); to the browser this server then is the page's own origin, and no
// origin policy helps. But the browser still sends that name in Host, so on
// loopback only names that nobody else can own are answered to: localhost and
// what is below it (RFC 6761 §6.3), loopback addresses, and hosts that the
// operator listed in origins.
func hostAllowed(host string, origins *handshake.Origins) bool {
	name, ok := hostName(host)
	if !ok {
		return false
	}
	lower := strings.ToLower(name)
	if lower == "localhost" {
		return true
	}
	if label, below := strings.CutSuffix(lower, ".localhost"); below && label != "" {
		return true
	}
	// netip reads only the canonical forms. 0x7f.1 and the like are names to it,
	// and what they resolve to is not ours to guess.
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.IsLoopback() && addr.Zone() == "" {
			return true
		}
	}
	return origins.AllowHost(host)
}

// hostName takes the port off a Host header (RFC 9110 §7.2, RFC 3986 §3.2.2). It
// returns false for anything that is not host or host:port, such as userinfo.
func hostName(host string) (name string, ok bool) {
	if inside, bracketed := strings.CutPrefix(host, "["); bracketed {
		name, port, closed := strings.Cut(inside, "]")
		return name, closed && strings.Contains(name, ":") && validPort(port)
	}
	i := strings.IndexByte(host, ':')
	if i < 0 {
		i = len(host)
	}
	name = host[:i]
	return name, name != "" && validPort(host[i:]) && !strings.ContainsAny(name, "@/\\?#%[]")
}

// validPort accepts what may follow a host: nothing, or a colon and a number.
func validPort(s string) bool {
	if s == "" {
		return true
	}
	_, err := strconv.ParseUint(s[1:], 10, 16)
	return s[0] == ':' && (err == nil || s == ":")
}
