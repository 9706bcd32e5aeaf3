package transport

import (
	"net/http"
	"strings"
)

// What pages of other origins may use (Fetch standard §3.3).
const (
	corsExposed = "Godwit-Position, Idempotency-Replayed, Preference-Applied, Retry-After"
	corsMaxAge  = "7200" // seconds; the most that Chromium keeps
)

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

// AllowsUnsafe reports whether a request that net/http has read may change something, by
// the same rules as a publication: it is for resources beside channels.
func (t *Transport) AllowsUnsafe(r *http.Request) bool {
	a := askedHTTP(r)
	return t.allowUnsafe(&a)
}

func (t *Transport) refuseOrigin(a *asked) *refusal {
	t.observe.originRefused(strings.Clone(a.get("Origin")), strings.Clone(a.host))
	origin := "another origin, which is not given,"
	if given := a.get("Origin"); given != "" {
		origin = "origin " + quote(given)
	}
	return &refusal{problem: ProblemOrigin, detail: "a page of " + origin + " may not do this at " + quote(a.host) +
		"; use a page of this server's own origin, or add the origin to the server's list"}
}

// options is the answer to OPTIONS, which is a CORS preflight when it says so.
func (t *Transport) options(a *asked, from *asker, methods string) *response {
	out := new(response)
	if a.get("Origin") == "" || a.get("Access-Control-Request-Method") == "" {
		t.begin(from, out, http.StatusNoContent)
		out.set("Allow", methods)
		return out
	}
	if from.origin == "" {
		t.refuse(from, t.refuseOrigin(a), out)
		out.set("Allow", methods)
		return out
	}
	t.begin(from, out, http.StatusNoContent)
	out.set("Allow", methods)
	out.set("Access-Control-Allow-Methods", methods)
	// A page that is admitted may send what it likes: tracing adds fields, and
	// unknown ones are ignored.
	if asks := a.values("Access-Control-Request-Headers"); len(asks) > 0 {
		out.set("Access-Control-Allow-Headers", strings.Join(asks, ", "))
		out.set("Vary", "Accept, Origin, Access-Control-Request-Headers")
	}
	out.set("Access-Control-Max-Age", corsMaxAge)
	return out
}
