package transport

import (
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/internal/httpsyntax"
)

// asked is the head of a request as the rules of this package see it, whether
// net/http has read it or a loop.
type asked struct {
	method string
	path   string // as it was sent: percent-encoded
	query  string
	host   string
	secure bool // it came over TLS

	isSocket bool    // set for the Guard
	request  Request // what that sees of it

	http *http.Request   // nil if a loop has read it
	loop *engine.Request // its strings are valid only while it is decided about
}

func askedHTTP(r *http.Request) asked {
	return asked{
		method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery,
		host: r.Host, secure: r.TLS != nil, http: r,
	}
}

// askedLoop is a request that a loop has read. The path and the query may be kept.
func askedLoop(r *engine.Request) asked {
	path, query, _ := strings.Cut(strings.Clone(r.Target()), "?")
	return asked{method: r.Method(), path: path, query: query, host: r.Host(), secure: r.Secure(), loop: r}
}

// values returns the values of a field, which are not to be kept.
func (a *asked) values(name string) []string {
	if a.http != nil {
		return a.http.Header.Values(name)
	}
	return a.appendValues(nil, name)
}

// appendValues appends the values of a field.
func (a *asked) appendValues(dst []string, name string) []string {
	if a.http != nil {
		return append(dst, a.http.Header.Values(name)...)
	}
	for key, value := range a.loop.Fields() {
		if httpsyntax.EqualFold(key, name) {
			dst = append(dst, value)
		}
	}
	return dst
}

// get is the first value of a field, or "". It is not to be kept.
func (a *asked) get(name string) string {
	if a.http != nil {
		return a.http.Header.Get(name)
	}
	return a.loop.Get(name)
}

// isUpgrade reports whether a asks for a WebSocket.
func (a *asked) isUpgrade() bool { return a.http != nil && isUpgrade(a.http) }

// hasContent reports whether something follows the head.
func (a *asked) hasContent() bool {
	if a.http != nil {
		return hasContent(a.http)
	}
	return a.loop.ContentLength() > 0
}
