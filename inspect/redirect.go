package inspect

import (
	"slices"

	"github.com/godwit-io/godwit/internal/redact"
)

// redirect returns where an answer sends the client, or nil. redirected says
// that the answer is a redirect, also one that cannot be followed.
func (in *inspector) redirect(a *attempt, seen map[string]bool) (next *target, redirected bool) {
	if !slices.Contains([]int{301, 302, 303, 307, 308}, a.head.status) {
		return nil, false
	}
	start := printable(a.head.start, quotedBytesMax)
	location := a.head.get("Location")
	fail := func(id, means, do string) (*target, bool) {
		in.found(id, means, do)
		return nil, true
	}
	u, err := a.target.httpURL().Parse(location)
	if location == "" || err != nil {
		return fail("redirect-nowhere", start+" redirects, and its Location is "+quote(redact.Text(location))+".", "Answer the handshake with 101 instead of a redirect.")
	}
	u.Fragment, u.RawFragment = "", ""
	if u.Opaque == "" {
		next, _, err = parseTarget(u.String())
	}
	if err != nil || next == nil {
		return fail("redirect-nowhere", start+" redirects to "+quote(redact.Text(location))+", which is no URL for a WebSocket.", "Answer the handshake with 101 instead of a redirect.")
	}
	in.found("redirect", start+" redirects the handshake to "+next.String()+", and browsers do not follow redirects of a WebSocket.",
		"Use the URL it redirects to, or exempt this path from the redirect; common reasons are http to https, a missing or superfluous slash at the end, another host name, and a login page.")
	switch {
	case seen[next.url.String()]:
		return fail("redirect-loop", "The redirects come back to "+next.String()+", where they have been before.",
			"Mend the redirects: a server behind a proxy that ends TLS redirects to https forever unless it is told that the visitor's connection is secure (X-Forwarded-Proto).")
	case len(seen) > redirectsMax:
		return fail("redirect-limit", "More than "+count(redirectsMax, "redirect")+" came one after the other.", "Use the URL at the end of them.")
	case a.target.secure() && !next.secure():
		return fail("redirect-insecure", "The redirect from wss to "+next.String()+" would give up encryption, so it was not followed.",
			"Let the server redirect to wss or https; one behind a proxy that ends TLS has to be told that the visitor's connection is secure (X-Forwarded-Proto).")
	}
	if next.origin() != a.target.origin() {
		// What the credentials are for is not there.
		for _, name := range []string{"Authorization", "Cookie", "Proxy-Authorization"} {
			in.header.Del(name)
		}
	} else if next.url.User == nil {
		next.url.User = a.target.url.User
	}
	return next, true
}
