package handshake

import (
	"slices"
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Origins is the one policy on which pages may use a server from a browser: the same
// origin always, and whatever its patterns add. A nil *Origins allows the same
// origin only. It is immutable, so any number of goroutines may share it.
type Origins struct {
	any      bool // "*"
	null     bool // "null"
	patterns []originPattern
	listed   []string // as they were given
}

// ParseOrigins reads patterns:
//
//	https://app.example.com     that origin, at the default port of its scheme
//	https://app.example.com:8443
//	https://*.example.com       any subdomain, of one or more labels, but not example.com itself
//	example.com                 http and https, each at its default port
//	http://localhost:*          any port
//	http://[::1]:3000           IPv6 in brackets, IPv4 as four decimal numbers
//	capacitor://localhost       an application or a browser extension, exactly as it calls itself
//	file://                     local files in programs such as Electron, Cordova and some browsers
//	chrome-extension://*        everything with a scheme that no page of the web has
//	null                        pages without an origin: sandboxed frames of any site, and files in most browsers
//	*                           every page there is, null included
//
// ws and wss mean http and https here: clients that are no browsers make an
// Origin of the URL they connect to. Names of other scripts are written as
// browsers send them, as xn-- labels. No
// patterns at all is the same origin only. The error says which pattern is wrong
// and what would be right.
func ParseOrigins(patterns []string) (*Origins, error) {
	o := new(Origins)
	for _, text := range patterns {
		switch text {
		case "*":
			o.any = true
		case "null":
			o.null = true
		default:
			p, err := parseOriginPattern(text)
			if err != nil {
				return nil, err
			}
			o.patterns = append(o.patterns, p)
		}
		o.listed = append(o.listed, text)
	}
	return o, nil
}

// Any reports whether "*" is among the patterns, so that every page in every
// browser may use the server.
func (o *Origins) Any() bool { return o != nil && o.any }

// String describes the policy for people, such as "same origin, https://app.example.com".
func (o *Origins) String() string {
	switch {
	case o.Any():
		return "every origin"
	case o == nil || len(o.listed) == 0:
		return "same origin"
	}
	return "same origin, " + strings.Join(o.listed, ", ")
}

// Allow reports whether a page of the given Origin header value may talk to a
// server addressed as host (the Host header). secure says the request came over TLS.
//
// An empty origin means the header was absent, and is allowed: browsers always
// send it with a WebSocket, so no page is behind the request. Any other value
// must be exactly an ASCII-serialised origin, scheme://host or
// scheme://host:port (RFC 6454 §6.2), unless the patterns have "*", "null" or a
// scheme of applications, which some of them send with nothing behind it. The
// schemes ws and wss, which no page has, count as http and https.
//
// The origin is the same if its host and port are those of the Host header,
// where a port left out is the default of the origin's scheme. Over TLS its
// scheme must be https. Otherwise http and https both pass: a proxy in front may
// have ended TLS, and then the page is https though the request is not. A proxy
// that rewrites Host makes every page foreign; list its origin then.
func (o *Origins) Allow(origin, host string, secure bool) bool {
	if origin == "" || o.Any() {
		return true
	}
	if origin == "null" {
		// Never the same as anything, another null included (HTML §7.1.1).
		return o != nil && o.null
	}
	page, err := parseOrigin(origin)
	if err != "" {
		return false
	}
	if page.sameAs(host, secure) {
		return true
	}
	if o == nil {
		return false
	}
	for i := range o.patterns {
		if o.patterns[i].matches(&page) {
			return true
		}
	}
	return false
}

// Lists reports whether a pattern is origin itself, scheme included: what admits a
// whole scheme, subdomains, any port or every page lists nobody, and neither does
// null. It is for what only pages that are known one by one may do, such as
// requests with credentials (Fetch standard §3.3.5). A nil *Origins lists none.
func (o *Origins) Lists(origin string) bool {
	page, err := parseOrigin(origin)
	if o == nil || err != "" || page.isOpaque {
		return false
	}
	for i := range o.patterns {
		if p := &o.patterns[i]; p.scheme != "" && !p.anything && !p.subdomain && !p.anyPort && p.matches(&page) {
			return true
		}
	}
	return false
}

// Trusts reports whether Allow does for a page of somebody in particular: of the same
// origin, or of one that a pattern names. "*", "null" and SCHEME://* let in everybody's
// pages, for which cookies, which the visitor's browser adds, must not speak. An empty
// origin is nobody's.
func (o *Origins) Trusts(origin, host string, secure bool) bool {
	page, err := parseOrigin(origin)
	if err != "" {
		return false
	}
	if page.sameAs(host, secure) {
		return true
	}
	return o != nil && slices.ContainsFunc(o.patterns, func(p originPattern) bool { return !p.anything && p.matches(&page) })
}

// AllowHost reports whether a pattern names the host of a Host header, at
// whatever port and scheme of the web; "*" names every one. A nil *Origins names none.
//
// It is what protects a server on loopback from DNS rebinding, where a page
// makes its own name resolve to 127.0.0.1 and so becomes the same origin: such a
// server answers only to loopback names and to those listed here.
func (o *Origins) AllowHost(host string) bool {
	if o == nil {
		return false
	}
	if o.any {
		return true
	}
	name, _, err := parseHostPort(host)
	if err != "" {
		return false
	}
	for i := range o.patterns {
		if o.patterns[i].names(&name) {
			return true
		}
	}
	return false
}

// originPattern is one pattern other than "*" and "null".
type originPattern struct {
	scheme    string // lower case; "" is http and https
	anything  bool   // the pattern was scheme://*
	host      hostName
	subdomain bool // the pattern was *.host
	anyPort   bool
	port      uint16 // 0 is the default of the origin's scheme

	// What follows :// in that of an application, if it is no host and port.
	isOpaque bool
	opaque   string
}

func (p *originPattern) matches(page *pageOrigin) bool {
	switch {
	case p.scheme == "" && !isWeb(page.scheme), p.scheme != "" && !httpsyntax.EqualFold(p.scheme, page.scheme):
		return false
	case p.anything:
		return true
	case p.isOpaque || page.isOpaque:
		return p.isOpaque && page.isOpaque && p.opaque == page.opaque
	case !p.matchesHost(&page.host):
		return false
	}
	return p.anyPort || effectivePort(p.port, page.scheme) == effectivePort(page.port, page.scheme)
}

// names reports whether h is the host of the pattern, as the name of a server.
// The name that an application calls itself is none.
func (p *originPattern) names(h *hostName) bool {
	return (p.scheme == "" || isWeb(p.scheme)) && p.matchesHost(h)
}

func (p *originPattern) matchesHost(h *hostName) bool {
	if !p.subdomain {
		return p.host.equal(h)
	}
	// The dot before the suffix must be there, and something before the dot:
	// the host parser lets no label be empty.
	n := len(h.name) - len(p.host.name)
	return !h.addr.IsValid() && n > 1 && h.name[n-1] == '.' && httpsyntax.EqualFold(h.name[n:], p.host.name)
}
