package handshake

import "strconv"

// Rule names the rule of the opening handshake that a request broke. The names
// are stable: logs, metrics and problem types may rely on them.
type Rule string

// The rules of a request, in the order Check applies them.
const (
	RuleHTTPVersion Rule = "http-version" // 400 or 505
	RuleMethod      Rule = "method"       // 405
	RuleHost        Rule = "host"         // 400
	RuleUpgrade     Rule = "upgrade"      // 426
	RuleContent     Rule = "content"      // 400
	RuleVersion     Rule = "version"      // 426, or 400 when given twice
	RuleKey         Rule = "key"          // 400
	RuleOrigin      Rule = "origin"       // 403, or 400 when given twice
	RuleSubprotocol Rule = "subprotocol"  // 400, or 431 past a limit
	RuleExtension   Rule = "extension"    // 400, or 431 past a limit
	RuleSelect      Rule = "select"       // 500: Policy.Select answered what was not offered
)

// Fault says why a request may not become a WebSocket, and how to answer it.
// The caller adds a body of its own to the answer, and closes the connection: bytes that
// the client sent after the request are frames, and must not be taken for
// another request.
type Fault struct {
	Status int    // of the response: 400, 403, 405, 426, 431, 500 or 505
	Rule   Rule   // the rule that was broken
	Reason string // what was wrong and what would be right; ASCII, fit for a response body

	// Header is what the response must carry besides. It belongs to the caller.
	// Over HTTP/1.1 it has Connection: close.
	Header Header
}

func (f *Fault) Error() string {
	return "handshake: " + f.Reason + " (" + strconv.Itoa(f.Status) + ")"
}

// newFault is for HTTP/1.1, the only place where a Connection field may stand.
// A value of its own, first, is what net/http's server needs to close.
func newFault(status int, rule Rule, reason string) *Fault {
	return &Fault{Status: status, Rule: rule, Reason: reason, Header: Header{fieldConnection: {"close"}}}
}

// upgradeRequired is a 426. RFC 9110 §15.5.22: it must say in Upgrade what to
// upgrade to, and §7.8: Upgrade must be named in Connection. RFC 6455 §4.2.2
// adds the version.
func upgradeRequired(rule Rule, reason string) *Fault {
	f := newFault(426, rule, reason)
	f.Header[fieldConnection] = append(f.Header[fieldConnection], "Upgrade")
	f.Header[fieldUpgrade] = []string{"websocket"}
	f.Header[fieldVersion] = []string{version}
	return f
}
