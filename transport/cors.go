package transport

import (
	"net/http"
	"strings"
)

// What pages of other origins may use. There are no cookies here and nothing
// else that a browser would call credentials, so Access-Control-Allow-Credentials
// is never sent.
const (
	corsExposed = "Godwit-Position, Idempotency-Replayed, Preference-Applied, Retry-After"
	corsMaxAge  = "7200" // seconds; the most that Chromium keeps
)

// allowOrigin adds the CORS fields that the origin policy grants (Fetch
// standard §3.3). A read by a page of another origin is answered all the same:
// it changes nothing, and the browser does not let the page see the answer.
func (t *Transport) allowOrigin(h http.Header, a *asked) {
	if origin := a.get("Origin"); origin != "" && t.admits(a) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Expose-Headers", corsExposed)
	}
}

// admits reports whether the one origin policy admits the page behind a. No
// page is behind a request without Origin.
func (t *Transport) admits(a *asked) bool {
	origins := a.values("Origin")
	switch len(origins) {
	case 0:
		return true
	case 1:
		return t.o.Origins.Allow(origins[0], a.host, a.secure)
	}
	return false // no browser sends two
}

// allowUnsafe reports whether a may change something: a page elsewhere must not
// publish through a visitor's browser. The decision is that of net/http's
// CrossOriginProtection, with the origin policy as the list of trusted origins:
// what the browser itself calls same-origin passes, so does what comes from no
// browser, and the policy decides about the rest.
func (t *Transport) allowUnsafe(a *asked) bool {
	hasOrigin := a.get("Origin") != ""
	switch a.get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
		return t.admits(a)
	}
	return hasOrigin && t.admits(a)
}

func refuseOrigin(w http.ResponseWriter, a *asked) {
	origin := "another origin, which is not given,"
	if given := a.get("Origin"); given != "" {
		origin = "origin " + quote(given)
	}
	ProblemOrigin.Write(w, "a page of "+origin+" may not do this at "+quote(a.host)+
		"; use a page of this server's own origin, or add the origin to the server's list")
}

// serveOptions answers OPTIONS, which is a CORS preflight when it says so.
func (t *Transport) serveOptions(w http.ResponseWriter, a *asked, methods string) {
	h := w.Header()
	h.Set("Allow", methods)
	if a.get("Origin") != "" && a.get("Access-Control-Request-Method") != "" {
		if !t.admits(a) {
			refuseOrigin(w, a)
			return
		}
		h.Set("Access-Control-Allow-Methods", methods)
		// A page that is admitted may send what it likes: tracing adds fields, and
		// whatever is unknown is ignored.
		if asks := a.values("Access-Control-Request-Headers"); len(asks) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(asks, ", "))
			h.Add("Vary", "Access-Control-Request-Headers")
		}
		h.Set("Access-Control-Max-Age", corsMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
}
