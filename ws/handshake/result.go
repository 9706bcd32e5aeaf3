package handshake

import (
	"slices"
	"strconv"

	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/internal/redact"
)

// Result is what client and server agreed on.
type Result struct {
	Subprotocol string      // "" for none
	Extensions  []Extension // accepted by the server, in its order
}

// ResponseError says why a response did not open a WebSocket. Status is the
// response's; when it is not 101 the response is an ordinary one (a redirect, a
// challenge, an error page) and the caller may act on it. When it is 101 the
// server broke the rules and the connection must be closed.
type ResponseError struct {
	Status int    // of the response
	Reason string // what was wrong and what would be right; ASCII
}

func (e *ResponseError) Error() string { return "handshake: " + e.Reason }

// CheckResponse applies the rules of RFC 6455 §4.1 to the server's answer to o.
// The error is a *ResponseError. Whether the extensions' parameters answer what
// was offered is for each extension to say.
func CheckResponse(status, protoMajor, protoMinor int, header Header, o *Offer) (Result, error) {
	fail := func(reason string) (Result, error) {
		return Result{}, &ResponseError{Status: status, Reason: reason}
	}
	// Item 1.
	if status != 101 {
		return fail(explainStatus(status, header))
	}
	if protoMajor != 1 || protoMinor < 1 { // RFC 9110 §15.2: HTTP/1.0 has no 1xx
		return fail("a 101 must be HTTP/1.1, not HTTP/" + strconv.Itoa(protoMajor) + "." + strconv.Itoa(protoMinor))
	}
	// Item 2. The field is a list, and its one element must be websocket: what
	// else is named is also what the server switched to.
	upgrade, err := ParseTokens(header[fieldUpgrade])
	if err != nil || len(upgrade) != 1 || !httpsyntax.EqualFold(upgrade[0], "websocket") {
		return fail("the response must have Upgrade: websocket, not " + quoteValues(header[fieldUpgrade]))
	}
	// Item 3.
	if !containsToken(header[fieldConnection], "upgrade") {
		return fail("the response must have Connection: Upgrade, not " + quoteValues(header[fieldConnection]))
	}
	// Item 4.
	if accept := header[fieldAccept]; len(accept) != 1 || accept[0] != AcceptKey(o.Key) {
		return fail("Sec-WebSocket-Accept must be " + quote(AcceptKey(o.Key)) + ", not " + quoteValues(accept) +
			"; whoever answered did not read the request as a WebSocket server does")
	}
	// Item 5.
	extensions, reason := checkAcceptedExtensions(header[fieldExtensions], o)
	if reason != "" {
		return fail(reason)
	}
	// Item 6. §11.3.4: the field must not come more than once in a response, and
	// no list is a token, so none can have been offered.
	var subprotocol string
	if values := header[fieldProtocol]; len(values) > 0 {
		if len(values) > 1 || !slices.Contains(o.Subprotocols, values[0]) {
			return fail("Sec-WebSocket-Protocol must be one of the subprotocols offered, " +
				quoteValues(o.Subprotocols) + ", not " + quoteValues(values))
		}
		subprotocol = values[0]
	}
	return Result{Subprotocol: subprotocol, Extensions: extensions}, nil
}

// checkAcceptedExtensions returns the extensions of a response, or the reason it must fail.
func checkAcceptedExtensions(values []string, o *Offer) ([]Extension, string) {
	if len(values) == 0 {
		return nil, ""
	}
	accepted, err := ParseExtensions(values)
	if err != nil {
		return nil, "Sec-WebSocket-Extensions: " + err.(*SyntaxError).text()
	}
	var offered []Extension
	if o.Extensions != "" {
		if offered, err = ParseExtensions([]string{o.Extensions}); err != nil {
			return nil, "the offer's Extensions: " + err.(*SyntaxError).text()
		}
	}
	for _, e := range accepted {
		if !hasExtension(offered, e.Name) {
			return nil, "the server accepted extension " + quote(e.Name) + ", which was not offered"
		}
	}
	return accepted, ""
}

// explainStatus puts a response other than 101 into words.
func explainStatus(status int, header Header) string {
	reason := "the server answered " + strconv.Itoa(status) + " instead of 101 Switching Protocols"
	switch {
	case 300 <= status && status < 400 && len(header["Location"]) > 0:
		return reason + ": it redirects to " + quote(redact.Text(header["Location"][0]))
	case 200 <= status && status < 300:
		return reason + ": it does not speak WebSocket at this URL, or a proxy in between does not pass on Upgrade"
	case status == 401 || status == 407:
		return reason + ": it wants credentials"
	case status == 403:
		return reason + ": it refuses, perhaps because of the Origin or the credentials"
	case status == 426 && len(header[fieldVersion]) > 0 && !containsToken(header[fieldVersion], version): // §4.4
		return reason + ": it speaks other versions of WebSocket, " + quoteValues(header[fieldVersion])
	}
	return reason
}

// quoteValues is quote for the values of a field: `"a", "b"`, or nothing at all.
func quoteValues(values []string) string {
	if len(values) == 0 {
		return "nothing"
	}
	joined := quote(values[0])
	for i, v := range values[1:] {
		if i == 3 {
			return joined + ", ..."
		}
		joined += ", " + quote(v)
	}
	return joined
}
