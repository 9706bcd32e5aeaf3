package inspect

import (
	"context"
	"strings"
)

// foreignOrigin is that of a page that nobody allows on purpose: the domain is
// reserved (RFC 6761 §6.4), so no server lists it.
const foreignOrigin = "https://another-site.invalid"

// probeOrigins finds out which pages may connect from a browser. a is the handshake that
// succeeded.
func (in *inspector) probeOrigins(ctx context.Context, a *attempt) {
	t := a.target
	with := func(origin, change string) Probe {
		s := in.spec()
		s.origin = origin
		s.subprotocols = a.offer.Subprotocols
		return in.probe(ctx, t, s, change)
	}
	foreign := with(foreignOrigin, "with Origin: "+foreignOrigin)
	if ctx.Err() != nil {
		return
	}
	null := with("null", "with Origin: null")
	if own := t.origin(); in.options.Origin != own && ctx.Err() == nil {
		if p := with(own, "with Origin: "+own); !p.Opened && p.Status != 0 {
			in.found("origin-own-refused", "Pages of "+own+" itself may not connect: "+p.Outcome+".", "That is right if the page comes from another host, which --origin tries; otherwise a proxy in between probably does not pass on Host (nginx: proxy_set_header Host $http_host), so that every page looks foreign.")
		}
	}
	if in.options.Origin != "" && ctx.Err() == nil {
		with("", "without Origin")
	}
	if ctx.Err() != nil {
		return
	}
	switch {
	case foreign.Opened:
		in.judgeOpen(a)
	case foreign.Status == 0:
		in.found("origin-unknown", "A handshake with a foreign Origin got no answer: "+foreign.Outcome+".", "Try again; a server that limits new connections may have refused this one.")
	case null.Opened:
		in.found("origin-null", "Pages without an origin (Origin: null) may connect, and pages of other sites may not; but any site can make such a page with a sandboxed frame.",
			"Refuse Origin: null.")
	default:
		in.found("origin-checked", "Pages of other origins are refused: "+foreign.Outcome+".", "")
	}
}

// judgeOpen says what it means that pages of every origin may connect: without a
// check of Origin, the cookies a browser sends along are the visitor's consent to
// nothing (cross-site WebSocket hijacking).
func (in *inspector) judgeOpen(a *attempt) {
	const do = "Compare Origin with a list of your own origins before answering 101, and refuse all others with 403; SameSite cookies help, and do not replace it."
	cookie := len(in.header.Values("Cookie")) > 0
	authorised := cookie || a.target.url.User != nil
	switch names := cookieNames(a.head); {
	case authorised:
		in.found("origin-hijack", "Any web page may open this WebSocket with the credentials its visitor has here, read what it sends and act in the visitor's name: the handshake with your cookies was accepted from "+foreignOrigin+" (cross-site WebSocket hijacking).", do)
	case len(names) > 0:
		in.found("origin-open", "Any web page may open this WebSocket from its visitors' browsers, and the server works with cookies ("+printable(strings.Join(names, ", "), quotedBytesMax)+"): if they say who the visitor is, the page reads and acts in the visitor's name (cross-site WebSocket hijacking).", do)
	default:
		in.found("origin-open", "Any web page may open this WebSocket from its visitors' browsers. If cookies, or the visitor's place in a private network, decide what may be read or done here, the page can do it too (cross-site WebSocket hijacking).", do+" If the data is public and no cookie matters, leave it.")
	}
}
