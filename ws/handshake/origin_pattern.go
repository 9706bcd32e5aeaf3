package handshake

import (
	"strings"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

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
		p.scheme, rest = webScheme(strings.ToLower(scheme)), after
	}
	switch p.scheme {
	case "data", "about", "blob", "javascript":
		return fail("browsers send the origin null for pages of this scheme: write null")
	}
	isForeign := p.scheme != "" && !isWeb(p.scheme)
	if isForeign {
		if rest == "*" {
			p.anything = true
			return p, nil
		}
		if !isOpaque(rest) {
			return fail("after :// only visible ASCII is expected")
		}
	}
	// Of applications some have nothing before the slash, as in file:///.
	if i := strings.IndexAny(rest, "/?#"); i > 0 || i == 0 && !isForeign {
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
		if isForeign {
			return fail("* may stand for all that follows a scheme of applications: " + p.scheme + "://*")
		}
		return fail("* may stand for whole labels at the beginning (*.example.com), for the port (localhost:*), or alone")
	}
	var reason string
	if p.host, p.port, reason = parseHostPort(rest); reason != "" {
		if isForeign && !p.subdomain && !p.anyPort {
			return originPattern{scheme: p.scheme, isOpaque: true, opaque: rest}, nil
		}
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
