package handshake

import (
	"errors"
	"slices"
	"strconv"
)

// Request is what the opening handshake needs to know of an HTTP request.
type Request struct {
	Method                 string
	ProtoMajor, ProtoMinor int    // of HTTP, 1 and 1
	Host                   string // the Host field
	Secure                 bool   // it came over TLS, to this process
	Content                bool   // it has content: net/http's ContentLength is not 0
	Header                 Header // without Host, as net/http has it; only read
}

// Policy is what a server wants of a request besides conformance. A nil *Policy
// and the zero value admit the same origin only and speak no subprotocol.
type Policy struct {
	// Origins admits pages of other origins. Nil: the same origin only.
	Origins *Origins

	// Subprotocols are those the server speaks, the preferred one first. The
	// first that the client offered too is chosen, compared case-sensitively. If
	// there is none, the handshake succeeds without a subprotocol, and a client
	// that insists on one ends the connection.
	Subprotocols []string

	// Select, if not nil, chooses instead of Subprotocols: one of offered, or ""
	// for none. It is called only when something was offered and must not modify it.
	Select func(offered []string) string
}

// Accepted is a request that may become a WebSocket. Between Check and
// AppendResponse the caller may change Subprotocol to another of Offered, or to "".
type Accepted struct {
	Key         string      // the client's Sec-WebSocket-Key, checked
	Subprotocol string      // chosen by the policy, "" for none
	Offered     []string    // subprotocols, the client's preferred one first
	Extensions  []Extension // offered, in the client's order of preference
}

// IsUpgrade reports whether a request asks for WebSocket, for handlers that serve
// something else at the same URL. It says yes to a request that Check will refuse
// if a WebSocket client must have sent it: one with a Sec-WebSocket-Key whose
// Upgrade was lost to an intermediary is better told so than given a page.
func IsUpgrade(h Header) bool {
	return containsToken(h[fieldUpgrade], "websocket") || len(h[fieldKey]) > 0
}

// Check applies the rules of RFC 6455 §4.2.1 to r and chooses a subprotocol by p,
// which may be nil. The Fault is nil if the request may become a WebSocket.
// Strings of the result share memory with r.
func Check(r *Request, p *Policy) (Accepted, *Fault) {
	var zero Policy
	if p == nil {
		p = &zero
	}
	if f := checkUpgrade(r); f != nil {
		return Accepted{}, f
	}
	// The version goes before the key, though §4.2.1 lists it after: what a key
	// is depends on the version.
	if f := checkVersion(r.Header[fieldVersion]); f != nil {
		return Accepted{}, f
	}
	key, f := checkKey(r.Header[fieldKey])
	if f != nil {
		return Accepted{}, f
	}
	if f := checkOrigin(r, p.Origins); f != nil {
		return Accepted{}, f
	}
	offered, f := checkSubprotocols(r.Header[fieldProtocol])
	if f != nil {
		return Accepted{}, f
	}
	extensions, err := ParseExtensions(r.Header[fieldExtensions])
	if err != nil {
		return Accepted{}, syntaxFault(RuleExtension, "Sec-WebSocket-Extensions", err)
	}
	chosen, f := p.choose(offered)
	if f != nil {
		return Accepted{}, f
	}
	return Accepted{Key: key, Subprotocol: chosen, Offered: offered, Extensions: extensions}, nil
}

// checkUpgrade is §4.2.1 items 1 to 4: an HTTP/1.1 GET with a Host that asks to upgrade.
func checkUpgrade(r *Request) *Fault {
	if r.ProtoMajor > 1 {
		// RFC 9113 §8.6: HTTP/2 has no Upgrade, so 426 could not be answered;
		// 505 is for a major version that is refused (RFC 9110 §15.6.6). No
		// Connection field either (RFC 9113 §8.2.2).
		return &Fault{Status: 505, Rule: RuleHTTPVersion, Header: Header{},
			Reason: "a WebSocket begins with a GET over HTTP/1.1 and cannot begin with one over HTTP/" +
				strconv.Itoa(r.ProtoMajor)}
	}
	if r.ProtoMajor < 1 || r.ProtoMinor < 1 {
		// RFC 9110 §7.8: an Upgrade received over HTTP/1.0 must be ignored. 505
		// is not for it, since it shares its major version with HTTP/1.1.
		return newFault(400, RuleHTTPVersion, "a WebSocket needs HTTP/1.1, and the request is HTTP/"+
			strconv.Itoa(r.ProtoMajor)+"."+strconv.Itoa(r.ProtoMinor)+"; a proxy in between may have to be told to use HTTP/1.1")
	}
	if r.Method != "GET" {
		f := newFault(405, RuleMethod, "a WebSocket begins with the method GET, not "+quote(r.Method))
		f.Header[fieldAllow] = []string{"GET"}
		return f
	}
	if !isAuthority(r.Host) {
		return newFault(400, RuleHost, "the Host field must name the server as host or host:port, not "+quote(r.Host))
	}
	if !containsToken(r.Header[fieldUpgrade], "websocket") {
		reason := "only WebSocket is spoken here: send Upgrade: websocket and Connection: Upgrade"
		if len(r.Header[fieldKey]) > 0 {
			reason = "the request has a Sec-WebSocket-Key but no Upgrade: websocket; " +
				"a proxy in between must be told to pass on Upgrade and Connection"
		}
		return upgradeRequired(RuleUpgrade, reason)
	}
	if !containsToken(r.Header[fieldConnection], "upgrade") {
		return upgradeRequired(RuleUpgrade, "the request has Upgrade: websocket but not Connection: Upgrade; "+
			"a proxy in between must be told to pass on both")
	}
	if hasContent(r) {
		// Content would stand where frames are expected, and what one side takes
		// for content the other would take for frames.
		return newFault(400, RuleContent, "a request that becomes a WebSocket must have no content: "+
			"remove Content-Length and Transfer-Encoding")
	}
	return nil
}

func hasContent(r *Request) bool {
	if r.Content || len(r.Header["Transfer-Encoding"]) > 0 {
		return true
	}
	return slices.ContainsFunc(r.Header["Content-Length"], func(v string) bool { return v != "0" })
}

// checkVersion is §4.2.1 item 6; §4.4 has the answer to a version that is not spoken.
func checkVersion(values []string) *Fault {
	switch {
	case len(values) == 0:
		return upgradeRequired(RuleVersion, "the request lacks Sec-WebSocket-Version: 13")
	case len(values) > 1: // §11.3.5: at most once in a request
		return newFault(400, RuleVersion, "Sec-WebSocket-Version must be given once")
	case values[0] != version:
		return upgradeRequired(RuleVersion, "version 13 of WebSocket is spoken here, not "+quote(values[0]))
	}
	return nil
}

// checkKey is §4.2.1 item 5.
func checkKey(values []string) (string, *Fault) {
	switch {
	case len(values) == 0:
		return "", newFault(400, RuleKey, "the request lacks a Sec-WebSocket-Key")
	case len(values) > 1: // §11.3.1: at most once
		return "", newFault(400, RuleKey, "Sec-WebSocket-Key must be given once")
	case !validKey(values[0]):
		return "", newFault(400, RuleKey, "Sec-WebSocket-Key must be 16 bytes in base64, which is 24 characters, not "+quote(values[0]))
	}
	return values[0], nil
}

// checkOrigin is §4.2.1 item 7 and §4.2.2 item 4. A request without Origin was
// not made by a page, so there is no visitor whose credentials it could abuse.
func checkOrigin(r *Request, o *Origins) *Fault {
	values := r.Header[fieldOrigin]
	switch {
	case len(values) == 0:
		return nil
	case len(values) > 1:
		return newFault(400, RuleOrigin, "Origin must be given once")
	case values[0] == "" || !o.Allow(values[0], r.Host, r.Secure):
		return newFault(403, RuleOrigin, "pages of origin "+quote(values[0])+" may not connect to "+quote(r.Host)+
			": it is another origin, and the server does not list it")
	}
	return nil
}

// checkSubprotocols is §4.2.1 item 8. A field that names nothing offers nothing;
// RFC 6455 wants a name in it, but nothing could be misunderstood.
func checkSubprotocols(values []string) ([]string, *Fault) {
	offered, err := ParseTokens(values)
	if err != nil {
		return nil, syntaxFault(RuleSubprotocol, "Sec-WebSocket-Protocol", err)
	}
	for i, t := range offered { // TokensMax keeps the square small
		if slices.Contains(offered[:i], t) {
			// §4.1 item 10: the elements must be unique. They are not quoted: some clients
			// have a token in one.
			return nil, newFault(400, RuleSubprotocol,
				"Sec-WebSocket-Protocol must name each subprotocol once, but repeats number "+strconv.Itoa(i+1))
		}
	}
	return offered, nil
}

func syntaxFault(rule Rule, field string, err error) *Fault {
	status := 400
	if errors.Is(err, ErrTooMany) {
		status = 431
	}
	var syntax *SyntaxError
	errors.As(err, &syntax)
	return newFault(status, rule, field+": "+syntax.text())
}

func (p *Policy) choose(offered []string) (string, *Fault) {
	if len(offered) == 0 {
		return "", nil
	}
	if p.Select != nil {
		chosen := p.Select(offered)
		if chosen != "" && !slices.Contains(offered, chosen) {
			return "", newFault(500, RuleSelect, "the server chose subprotocol "+quote(chosen)+", which was not offered")
		}
		return chosen, nil
	}
	for _, s := range p.Subprotocols {
		if slices.Contains(offered, s) {
			return s, nil
		}
	}
	return "", nil
}
