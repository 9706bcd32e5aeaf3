package inspect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/godwit-io/godwit/ws/handshake"
)

// meanings say what a header field of a response has to do with WebSocket.
var meanings = []struct {
	name    string
	meaning func(a *attempt, value string) string
}{
	{"Upgrade", func(a *attempt, v string) string {
		if a.head.status == 101 {
			return "what the connection becomes; must be websocket"
		}
		return "what the server could switch to"
	}},
	{"Connection", func(a *attempt, v string) string {
		if a.head.status == 101 {
			return "says that Upgrade is for this connection; must name Upgrade"
		}
		return "whether the connection goes on after the answer"
	}},
	{"Sec-WebSocket-Accept", func(a *attempt, v string) string {
		if v == handshake.AcceptKey(a.offer.Key) {
			return "proves that the server read the key: correct"
		}
		return "must prove that the server read the key: wrong"
	}},
	{"Sec-WebSocket-Protocol", fixed("the subprotocol the server chose")},
	{"Sec-WebSocket-Extensions", func(a *attempt, v string) string { return "the extensions the server accepted" + explainParameters(v) }},
	{"Sec-WebSocket-Version", fixed("the versions of WebSocket the server speaks; 13 is that of RFC 6455")},
	{"Server", fixed("the software that answered, a proxy perhaps")},
	{"Via", fixed("proxies in between")},
	{"X-Powered-By", fixed("the software behind")},
	{"Location", fixed("where to go instead; browsers do not follow it here")},
	{"Retry-After", fixed("when to try again: seconds, or a date")},
	{"Www-Authenticate", fixed("how to show credentials; browsers cannot do this from a page's WebSocket, but send cookies")},
	{"Allow", fixed("the methods the server wants here")},
	{"Content-Type", fixed("what the body is")},
	{"Access-Control-Allow-Origin", fixed("has no effect: CORS does not apply to WebSocket, the server must check Origin itself")},
	{"Set-Cookie", func(_ *attempt, v string) string { return "a cookie for the browser" + explainSameSite(v) }},
	{"Alt-Svc", fixed("other ports and protocols, HTTP/3 for example; handshakes of HTTP/1.1 ignore it")},
	{"Cf-Ray", fixed("the answer came through Cloudflare")},
	{"X-Amzn-Requestid", fixed("the answer came through Amazon's API Gateway")},
}

func fixed(text string) func(*attempt, string) string {
	return func(*attempt, string) string { return text }
}

// describeFields notes the fields of the response that have to do with WebSocket.
func describeFields(a *attempt) {
	for _, m := range meanings {
		for i, v := range a.head.values(m.name) {
			if i == 5 {
				break
			}
			a.x.Response.Fields = append(a.x.Response.Fields, Field{Name: fieldName(m.name), Value: printable(showValue(m.name, v), 512), Meaning: m.meaning(a, v)})
		}
	}
}

// fieldName is how people write the name.
func fieldName(name string) string {
	if strings.EqualFold(name, "WWW-Authenticate") {
		return "WWW-Authenticate"
	}
	return name
}

var parameterMeanings = map[string]string{
	"server_no_context_takeover": "the server compresses every message on its own",
	"client_no_context_takeover": "the client compresses every message on its own",
	"server_max_window_bits":     "the server refers back at most 2^%s bytes",
	"client_max_window_bits":     "the client may refer back at most 2^%s bytes",
}

// explainParameters puts the parameters of permessage-deflate into words.
func explainParameters(value string) string {
	list, err := handshake.ParseExtensions([]string{value})
	if err != nil {
		return ", and the field is malformed"
	}
	text := ""
	for _, e := range list {
		for _, p := range e.Params {
			meaning, ok := parameterMeanings[p.Name]
			switch {
			case !ok:
				meaning = "unknown to RFC 7692"
			case strings.Contains(meaning, "%s"):
				meaning = fmt.Sprintf(meaning, printable(p.Value, 10))
			}
			text += "; " + printable(p.Name, 40) + ": " + meaning
		}
	}
	return text
}

// explainSameSite says on whose pages a browser sends a cookie with a handshake.
func explainSameSite(value string) string {
	parts := strings.Split(value, ";")
	for _, p := range parts[1:] {
		name, v, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "SameSite") {
			if strings.EqualFold(v, "None") {
				return "; SameSite=None: it goes along when a page of any other site connects"
			}
			return "; SameSite=" + printable(v, 20) + ": it stays behind when a page of another site connects"
		}
	}
	return "; without SameSite, which Chrome takes for Lax: it stays behind when a page of another site connects, but Firefox and Safari send it"
}

// cookieNames are the names of the cookies that an answer sets.
func cookieNames(h *head) []string {
	var names []string
	for _, v := range h.values("Set-Cookie") {
		if name, _, ok := strings.Cut(v, "="); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
