package handshake

import (
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// Origins is the one policy on who may use a server from a browser: the same
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
//	capacitor://localhost       schemes of applications, exactly
//	null                        pages without an origin: files, sandboxed frames
//	*                           every page there is, null included
//
// Names of other scripts are written as browsers send them, as xn-- labels. No
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
// scheme://host:port (RFC 6454 §6.2), unless the patterns have "*" or "null".
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

// AllowHost reports whether a pattern names the host of a Host header, at
// whatever port and scheme; "*" names every one. A nil *Origins names none.
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
		if o.patterns[i].matchesHost(&name) {
			return true
		}
	}
	return false
}

// originPattern is one pattern other than "*" and "null".
type originPattern struct {
	scheme    string // lower case; "" is http and https
	host      hostName
	subdomain bool // the pattern was *.host
	anyPort   bool
	port      uint16 // 0 is the default of the origin's scheme
}

func (p *originPattern) matches(page *pageOrigin) bool {
	if p.scheme == "" && !page.web() || p.scheme != "" && !httpsyntax.EqualFold(p.scheme, page.scheme) {
		return false
	}
	if !p.matchesHost(&page.host) {
		return false
	}
	return p.anyPort || effectivePort(p.port, page.scheme) == effectivePort(page.port, page.scheme)
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

func parseOriginPattern(text string) (originPattern, error) {
	fail := func(reason string) (originPattern, error) {
		return originPattern{}, &OriginError{Pattern: text, Reason: reason}
	}
	if httpsyntax.EqualFold(text, "null") {
		return fail("write null in lower case, as browsers send it")
	}
	if strings.ContainsAny(text, ", \t") {
		return fail("a pattern is one origin without spaces: give several as several patterns")
	}
	var p originPattern
	rest := text
	if scheme, after, ok := strings.Cut(text, "://"); ok {
		if !isScheme(scheme) {
			return fail("before :// a scheme is expected, such as https")
		}
		p.scheme, rest = strings.ToLower(scheme), after
	}
	switch p.scheme {
	case "ws", "wss":
		return fail("an origin has the scheme of the page: write http or https")
	case "file", "data", "about", "blob", "javascript":
		return fail("browsers send the origin null for pages of this scheme: write null")
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		return fail("an origin ends after the host and port: remove " + quote(rest[i:]))
	}
	if strings.Contains(rest, "@") {
		return fail("an origin has no user: remove what is before @")
	}
	if after, ok := strings.CutPrefix(rest, "*."); ok {
		p.subdomain, rest = true, after
	}
	if before, ok := strings.CutSuffix(rest, ":*"); ok {
		p.anyPort, rest = true, before
	}
	if strings.Contains(rest, "*") {
		return fail("* may stand for whole labels at the beginning (*.example.com), for the port (localhost:*), or alone")
	}
	var reason string
	if p.host, p.port, reason = parseHostPort(rest); reason != "" {
		return fail(reason)
	}
	if p.anyPort && p.port != 0 {
		return fail("it has two ports: remove one")
	}
	if p.subdomain && p.host.addr.IsValid() {
		return fail("an IP address has no subdomains: remove *.")
	}
	if p.subdomain && !strings.Contains(p.host.name, ".") && !httpsyntax.EqualFold(p.host.name, "localhost") {
		return fail("*." + p.host.name + " would cover a whole top-level domain: name a domain in it, *.example." + p.host.name)
	}
	return p, nil
}

// OriginError says what is wrong with a pattern of ParseOrigins.
type OriginError struct {
	Pattern string // as it was given
	Reason  string // what was wrong and what would be right
}

func (e *OriginError) Error() string {
	return "handshake: origin pattern " + quote(e.Pattern) + ": " + e.Reason
}
