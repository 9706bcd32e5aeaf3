package transport

import "net/http"

// asked is a request as the rules of this package see it, whether net/http has
// read it or a loop.
type asked struct {
	method string
	path   string // as it was sent: percent-encoded
	query  string
	host   string
	secure bool // it came over TLS
	values func(name string) []string
}

func askedHTTP(r *http.Request) *asked {
	return &asked{
		method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery,
		host: r.Host, secure: r.TLS != nil, values: r.Header.Values,
	}
}

// get is the first value of a field, or "".
func (a *asked) get(name string) string {
	if values := a.values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}
