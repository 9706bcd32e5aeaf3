package engineio

import (
	"net/url"
	"strings"
)

// query holds the protocol's parameters in the URL.
type query struct {
	version   string // EIO
	transport string
	sid       string
	base64    bool // b64
	jsonp     bool // j
}

// parseQuery reads the query of a URL, as it was sent. A parameter given twice counts
// once, and a parameter that is not the protocol's is not looked at. The strings may be
// parts of raw.
func parseQuery(raw string) (q query) {
	var has [5]bool
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		i := -1
		switch name {
		case "EIO":
			i = 0
		case "transport":
			i = 1
		case "sid":
			i = 2
		case "b64":
			i = 3
		case "j":
			i = 4
		}
		if i < 0 || has[i] {
			continue
		}
		has[i] = true
		if strings.ContainsAny(value, "%+") {
			value, _ = url.QueryUnescape(value) // "" on an error, which nothing is called
		}
		switch i {
		case 0:
			q.version = value
		case 1:
			q.transport = value
		case 2:
			q.sid = value
		case 3:
			q.base64 = value != "" && value != "0"
		case 4:
			q.jsonp = true
		}
	}
	return q
}
