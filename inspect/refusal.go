package inspect

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
)

// refused explains an answer that is neither 101 nor a redirect. It tries the
// handshake again with one thing changed where that may show the fault.
func (in *inspector) refused(ctx context.Context, a *attempt) {
	if saysTLS(a) && !a.target.secure() && in.answeredTLS(ctx, a.target, "The server answers that it wants TLS at this port: it is an https server, and the URL says ws.") {
		return
	}
	known := recognise(a.raw)
	lost := known != nil && known.lost
	if p := problemOf(a); p.godwit() != "" {
		// It says exactly what it misses, so there is nothing to guess.
		in.explainGodwit(p, lost)
		if p.godwit() == "origin-not-allowed" {
			in.experiment(ctx, a)
		}
		in.judgeStatus(a, known, lost)
		return
	}
	if known != nil {
		in.found("software-known", known.means, known.do)
	}
	in.experiment(ctx, a)
	in.compareWithPlain(ctx, a, known)
	in.judgeStatus(a, known, lost)
}

// experiment looks for the part of the request that is refused.
func (in *inspector) experiment(ctx context.Context, a *attempt) {
	t, status := a.target, a.head.status
	if slices.Contains([]int{401, 407, 421, 426, 429, 431, 503, 504}, status) {
		return // these say themselves what is wrong, and it is none of those parts
	}
	base := in.spec()
	type try struct {
		id, change, means, do string
		s                     spec
	}
	var tries []try
	vary := func(id, change, means, do string, modify func(*spec)) {
		s := base
		modify(&s)
		tries = append(tries, try{id, change, means, do, s})
	}
	own := t.origin()
	if base.origin == "" {
		vary("origin-decides", "with Origin: "+own, "The server refuses a request without Origin, and opens a WebSocket with Origin: "+own+".",
			"Browsers send it by themselves; let other programs send it too (here: --origin "+own+"), or let the server admit requests without Origin.", func(s *spec) { s.origin = own })
	} else {
		if base.origin != own {
			vary("origin-decides", "with Origin: "+own, "The server refuses pages of "+quote(base.origin)+", and opens a WebSocket for those of "+own+".",
				"Add the page's origin to those that the server allows: scheme, host and port as the browser writes them, without a slash at the end.", func(s *spec) { s.origin = own })
		}
		vary("origin-decides", "without Origin", "The server refuses pages of "+quote(base.origin)+", and opens a WebSocket without Origin.",
			"Add the page's origin to those that the server allows: scheme, host and port as the browser writes them, without a slash at the end.", func(s *spec) { s.origin = "" })
	}
	if base.extensions != "" {
		vary("extensions-break", "without Sec-WebSocket-Extensions", "The server refuses the offer of permessage-deflate that every browser makes, and opens a WebSocket without.",
			"Mend how the server reads Sec-WebSocket-Extensions: it must pass over what it does not know.", func(s *spec) { s.extensions = "" })
	}
	if len(base.subprotocols) > 0 {
		vary("subprotocol-breaks", "without Sec-WebSocket-Protocol", "The server refuses the subprotocols "+quoteAll(base.subprotocols)+", and opens a WebSocket without.",
			"Offer a subprotocol that the server speaks, or none.", func(s *spec) { s.subprotocols = nil })
	}
	for _, v := range tries {
		if ctx.Err() != nil {
			return
		}
		if p := in.probe(ctx, t, v.s, v.change); p.Opened {
			in.found(v.id, v.means, v.do)
			return
		}
	}
}

// compareWithPlain finds out whether a GET that asks for no upgrade is answered
// the same: then the server or proxy that answered did not look at the upgrade.
func (in *inspector) compareWithPlain(ctx context.Context, a *attempt, known *signature) {
	status := a.head.status
	if status/100 != 2 && status != 400 && status != 404 && status != 405 && status != 426 || ctx.Err() != nil {
		return
	}
	s := in.spec()
	s.plain = true
	plain := in.attempt(ctx, a.target, s)
	defer plain.close()
	p := Probe{Change: "a plain GET", Outcome: plain.x.Error}
	same := false
	if plain.stage == answered {
		same = plain.head.status == status && plain.head.get("Content-Type") == a.head.get("Content-Type") && alike(plain.raw, a.raw)
		p.Status, p.Outcome, p.Took = plain.head.status, printable(plain.head.start, quotedBytesMax), plain.x.Response.Took
	}
	in.report.Probes = append(in.report.Probes, p)
	if !same {
		return
	}
	name, example := fixFor(a.head)
	who := "a reverse proxy that does not pass on Upgrade"
	if name != "" {
		who = name + " not passing on Upgrade"
	}
	f := in.found("upgrade-ignored", "A plain GET gets the same answer, so whoever answered took the handshake for an ordinary request: the path is not that of a WebSocket, or the reason is "+who+".",
		"Check the path first; then let every proxy in between pass on Upgrade and Connection over HTTP/1.1.")
	if known == nil || known.lost { // otherwise the application itself answered
		f.Example = example
	}
}

// alike compares bodies, of which a few bytes may be dates or request IDs.
func alike(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	longer := max(len(a), len(b))
	return min(len(a), len(b)) >= longer-longer/8 && bytes.Equal(a[:min(len(a), 32)], b[:min(len(b), 32)])
}

// statusTexts are the usual causes of a status, and what to do.
var statusTexts = map[int]struct{ id, means, do string }{
	401: {"status-401", "The server wants credentials.", "Send what the application expects: --header 'Authorization: Bearer …' or --header 'Cookie: …'. A page cannot set Authorization on a WebSocket: it sends cookies, or a token in the URL or the first message."},
	403: {"status-403", "The server knows the URL and refuses: because of the Origin, the credentials, or a firewall's rule.", "Try --origin with the page's origin, and the cookies of a session that is logged in; read the body below and the server's log."},
	404: {"status-404", "There is nothing at this path, or nothing for a WebSocket.", "Check the path, the slash at its end and the host; a proxy in front must route this path to the WebSocket server, too."},
	405: {"status-405", "The server does not allow GET here, which every handshake is.", "Check the path: it may be an API's that only takes POST; routers that match by method need GET for the WebSocket."},
	421: {"status-421", "The server that answered does not serve this host.", "Check the host name, and that the DNS and the proxy lead to the server that knows it."},
	429: {"status-429", "The server refuses because of too many requests.", "Wait as long as Retry-After says, and let clients reconnect with growing, random pauses."},
	431: {"status-431", "The header of the request is longer than the server accepts.", "Remove cookies that nobody needs, or raise the server's limit."},
	500: {"status-500", "The application failed while it handled the handshake.", "Look into its log for the error at this moment; a common one is a framework that calls the handler without a connection that can be taken over."},
	501: {"status-501", "The server does not implement what was asked of it: its server or gateway has no WebSocket.", "Use a server and gateway that speak WebSocket, or enable it there."},
	502: {"status-502", "The proxy got no valid answer from the server behind it.", "Start the server behind the proxy, check the address the proxy uses, and whether that server speaks WebSocket over plain HTTP or TLS as the proxy expects; the proxy's log says which."},
	503: {"status-503", "The server, or the one behind the proxy, is not available now: down, starting or overloaded.", "Look at the health of the servers behind the proxy, and wait as long as Retry-After says."},
	504: {"status-504", "The proxy waited in vain for the server behind it to answer the handshake.", "Check that the server behind answers at all; if it does so on a plain connection, let the proxy pass on Upgrade, without which some servers wait for more."},
}

// judgeStatus explains the status. known is what answered, nil if that is not
// known; lost says that by its own words the upgrade did not reach it.
func (in *inspector) judgeStatus(a *attempt, known *signature, lost bool) {
	h := a.head
	says := reason(a)
	if says != "" {
		says = "It says: " + says
	}
	start := "The server answered " + quote(strings.TrimPrefix(strings.TrimPrefix(h.start, "HTTP/1.1 "), "HTTP/1.0 ")) + " instead of 101. "
	versions := elements(h.values("Sec-WebSocket-Version"))
	name, example := fixFor(h)
	passOn := "Let every proxy in between pass on Upgrade and Connection over HTTP/1.1."
	if name != "" {
		passOn = "Let " + name + ", and every other proxy in between, pass on Upgrade and Connection over HTTP/1.1."
	}
	switch status := h.status; {
	case status >= 400 && len(versions) > 0 && !slices.Contains(versions, "13"):
		in.found("version-unspoken", start+"It speaks the versions "+quoteAll(versions)+" of WebSocket, and browsers speak 13, that of RFC 6455.", "Update the server's WebSocket library.")
	case status/100 == 2:
		if known != nil && !lost {
			in.found("status-2xx", start+"An ordinary answer"+contentType(h)+": nothing at this URL took the request for a WebSocket.", "Check the path.")
			return
		}
		in.found("status-2xx", start+"An ordinary answer"+contentType(h)+": nothing at this URL took the request for a WebSocket.",
			"Check the path. If it is right, the Upgrade got lost on the way: "+lowerFirst(passOn)).Example = example
	case status == 426:
		in.found("status-426", start+"It wants an upgrade, although the request asked for one: something between here and the server removed Upgrade and Connection, or the server only speaks another protocol"+offeredUpgrade(h)+".", passOn).Example = example
	case status == 400 && lost:
		in.found("status-400", start+"It does not see the upgrade that was sent: something in between removed Upgrade and Connection.", passOn).Example = example
	case status == 400 && says != "":
		in.found("status-400", start+says, "Do what it says, or look into the server's log.")
	case status == 400:
		in.found("status-400", start+"It calls the request bad: the Upgrade got lost on the way, parameters or cookies that the application wants are missing, or the host name is unknown to it.",
			"Read the body below and the server's log. "+passOn)
	case statusTexts[status].id != "":
		s := statusTexts[status]
		means := s.means
		if says != "" {
			means = says
		}
		f := in.found(s.id, start+means, s.do)
		if retry := h.get("Retry-After"); retry != "" {
			f.Do += " Retry-After: " + printable(retry, 40) + "."
		}
	case status >= 520 && status <= 526 && name == "Cloudflare":
		in.found("status-502", start+"Cloudflare got no valid answer from the server behind it.", "Check that the server behind is up, lets Cloudflare's addresses in, and has a valid certificate if Cloudflare connects by TLS.")
	default:
		in.found("status-other", strings.TrimSpace(start+"That is no answer a WebSocket client can use. "+says), "Read the body below and the server's log.")
	}
}

func contentType(h *head) string {
	if t := h.get("Content-Type"); t != "" {
		return fmt.Sprintf(" (%s)", printable(t, 60))
	}
	return ""
}

func offeredUpgrade(h *head) string {
	list := elements(h.values("Upgrade"))
	if len(list) == 0 || slices.ContainsFunc(list, func(e string) bool { return strings.EqualFold(e, "websocket") }) {
		return ""
	}
	return ": it offers " + quoteAll(list)
}
