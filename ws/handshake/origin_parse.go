package handshake

import (
	"net/netip"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// pageOrigin is an Origin header value taken apart.
type pageOrigin struct {
	scheme string // http and https also for ws and wss, others as they came
	host   hostName
	port   uint16 // 0 when left out

	// What applications call themselves is often no host and port, and may be
	// nothing, as in file://. Then it is compared as it came.
	isOpaque bool
	opaque   string
}

// parseOrigin reads scheme "://" host [ ":" port ] and nothing besides, unless
// the scheme is none of the web. The reason is "" on success.
//
// Scheme and host may be in any case. What a URL parser would repair (spaces,
// backslashes, empty ports, 0x7f.1, percent-encoding) is refused: no browser
// serialises it, and two parsers that repair differently are how hosts get forged.
func parseOrigin(v string) (o pageOrigin, reason string) {
	scheme, rest, ok := strings.Cut(v, "://")
	if !ok || !isScheme(scheme) {
		return pageOrigin{}, "scheme://host is expected"
	}
	o.scheme = webScheme(scheme)
	o.host, o.port, reason = parseHostPort(rest)
	if reason != "" && !isWeb(o.scheme) && isOpaque(rest) {
		o.isOpaque, o.opaque = true, rest
		return o, ""
	}
	return o, reason
}

// webScheme is http or https if scheme means one of them, or else scheme. No page
// has ws or wss; clients that are no browsers take them from the URL they connect to.
func webScheme(scheme string) string {
	switch {
	case httpsyntax.EqualFold(scheme, "http"), httpsyntax.EqualFold(scheme, "ws"):
		return "http"
	case httpsyntax.EqualFold(scheme, "https"), httpsyntax.EqualFold(scheme, "wss"):
		return "https"
	}
	return scheme
}

// isWeb reports whether what webScheme returned is the scheme of pages that came
// over HTTP, in the clear or not.
func isWeb(scheme string) bool { return scheme == "http" || scheme == "https" }

// isOpaque reports whether v may be what follows :// in the origin of an
// application: visible ASCII, and not the beginning of another origin.
func isOpaque(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] > '~' || v[i] == ',' {
			return false
		}
	}
	return true
}

// sameAs reports whether a page of o that connects to host stays within its origin.
func (o *pageOrigin) sameAs(host string, secure bool) bool {
	if !isWeb(o.scheme) || secure && o.scheme != "https" {
		return false
	}
	h, port, reason := parseHostPort(host)
	return reason == "" && o.host.equal(&h) && effectivePort(o.port, o.scheme) == effectivePort(port, o.scheme)
}

// effectivePort is port, or the default of scheme; 0 for schemes that have none.
func effectivePort(port uint16, scheme string) uint16 {
	switch {
	case port != 0:
		return port
	case scheme == "http":
		return 80
	case scheme == "https":
		return 443
	}
	return 0
}

// isScheme is RFC 3986 §3.1.
func isScheme(v string) bool {
	for i := range len(v) {
		c := v[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
		case i > 0 && ('0' <= c && c <= '9' || c == '+' || c == '-' || c == '.'):
		default:
			return false
		}
	}
	return v != ""
}

// hostName is a DNS name as written, or an IP address by value, so that all
// spellings of an IPv6 address are one.
type hostName struct {
	name string
	addr netip.Addr
}

func (h *hostName) equal(other *hostName) bool {
	return h.addr == other.addr && httpsyntax.EqualFold(h.name, other.name)
}

// parseHostPort reads host [ ":" port ]; port is 0 when left out. The reason is
// "" on success.
func parseHostPort(v string) (h hostName, port uint16, reason string) {
	host, rest := v, ""
	if strings.HasPrefix(v, "[") {
		end := strings.IndexByte(v, ']')
		if end < 0 {
			return hostName{}, 0, "an IPv6 address lacks its closing ]"
		}
		addr, err := netip.ParseAddr(v[1:end])
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return hostName{}, 0, "in brackets an IPv6 address without a zone is expected"
		}
		h.addr, rest = addr, v[end+1:]
		if rest != "" && rest[0] != ':' {
			return hostName{}, 0, "after ] only a port may follow"
		}
	} else {
		if i := strings.IndexByte(v, ':'); i >= 0 {
			host, rest = v[:i], v[i:]
			if strings.IndexByte(rest[1:], ':') >= 0 {
				return hostName{}, 0, "an IPv6 address needs brackets: [::1]"
			}
		}
		if h, reason = parseHostName(host); reason != "" {
			return hostName{}, 0, reason
		}
	}
	if rest != "" {
		if port = parsePort(rest[1:]); port == 0 {
			return hostName{}, 0, "after : a port from 1 to 65535 is expected, without leading zeros"
		}
	}
	return h, port, ""
}

// parsePort returns 0 for anything but 1 to 65535 as a browser writes it.
func parsePort(v string) uint16 {
	if v == "" || len(v) > 5 || v[0] == '0' {
		return 0
	}
	n := 0
	for i := range len(v) {
		if v[i] < '0' || v[i] > '9' {
			return 0
		}
		n = n*10 + int(v[i]-'0')
	}
	if n > 65535 {
		return 0
	}
	return uint16(n)
}

// parseHostName reads a DNS name or an IPv4 address. One trailing dot is part of
// a name: to browsers example.com. and example.com are different origins.
func parseHostName(v string) (hostName, string) {
	const nameBytesMax, labelBytesMax = 254, 63 // RFC 1035 §2.3.4, and the trailing dot
	if v == "" {
		return hostName{}, "a host is expected, such as app.example.com"
	}
	if len(v) > nameBytesMax {
		return hostName{}, "the host is longer than a DNS name can be"
	}
	trimmed := strings.TrimSuffix(v, ".")
	last := trimmed
	for label := range strings.SplitSeq(trimmed, ".") {
		if label == "" {
			return hostName{}, "the host has an empty label"
		}
		if len(label) > labelBytesMax {
			return hostName{}, "the host has a label of more than 63 bytes"
		}
		for i := range len(label) {
			c := label[i]
			if c >= 0x80 {
				return hostName{}, "the host must be ASCII: write other scripts as browsers do, xn--..."
			}
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return hostName{}, "the host has a character that no name has: " + quote(string(c))
			}
		}
		last = label
	}
	if !numeric(last) {
		return hostName{name: v}, ""
	}
	// WHATWG URL §3.5: a name whose last label is a number is an IPv4 address,
	// and whatever its spelling, browsers send it as four decimal numbers.
	addr, err := netip.ParseAddr(v)
	if err != nil {
		return hostName{}, "an IPv4 address is written as four decimal numbers, such as 127.0.0.1"
	}
	return hostName{addr: addr}, ""
}

// numeric reports whether browsers take a label for a number: decimal digits, or
// 0x and hexadecimal ones (or none).
func numeric(label string) bool {
	digits := "0123456789"
	if len(label) >= 2 && label[0] == '0' && label[1]|0x20 == 'x' {
		label, digits = label[2:], "0123456789abcdefABCDEF"
	}
	return strings.Trim(label, digits) == ""
}
