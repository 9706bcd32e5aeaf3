package inspect

import (
	"maps"
	"slices"
)

// Kind is a row of the catalogue: what a finding's ID stands for.
type Kind struct {
	ID    string
	Step  string // of Steps
	Grade Grade  // a certificate's errors are warnings with Options.Insecure
	Says  string // what it says, in a few words
}

// Steps are the steps of an inspection, in order.
var Steps = []string{"target", "proxy", "dns", "tcp", "tls", "redirect", "response", "handshake", "compression", "session", "pings", "close", "origin"}

// Catalogue returns every kind of finding there is, by step. IDs are never reused.
func Catalogue() []Kind {
	kinds := slices.Collect(maps.Values(catalogue))
	slices.SortFunc(kinds, func(a, b Kind) int { return order[a.ID] - order[b.ID] })
	return kinds
}

var catalogue, order = func() (map[string]Kind, map[string]int) {
	m, order := map[string]Kind{}, map[string]int{}
	for i, k := range kinds {
		m[k.ID], order[k.ID] = k, i
	}
	return m, order
}()

var kinds = []Kind{
	{"scheme-guessed", "target", Note, "the target had no scheme"},
	{"scheme-http", "target", Note, "an http URL was taken for ws, or https for wss"},
	{"scheme-wrong-guess", "target", Note, "the guess was wrong and the other scheme was tried"},

	{"proxy-used", "proxy", Note, "the environment names a proxy"},
	{"proxy-unusable", "proxy", Error, "the proxy's URL cannot be used"},
	{"proxy-unreachable", "proxy", Error, "no connection to the proxy"},
	{"proxy-refused", "proxy", Error, "the proxy does not connect to the server"},
	{"proxy-credentials", "proxy", Error, "the proxy wants credentials"},

	{"dns-ok", "dns", OK, "the name resolves"},
	{"dns-not-found", "dns", Error, "the name does not exist"},
	{"dns-failed", "dns", Error, "the name could not be looked up"},

	{"tcp-ok", "tcp", OK, "a connection was made"},
	{"tcp-some", "tcp", Warning, "not every address accepts connections"},
	{"tcp-refused", "tcp", Error, "nothing listens at the port"},
	{"tcp-timeout", "tcp", Error, "no answer from the address"},
	{"tcp-unreachable", "tcp", Error, "there is no route"},
	{"tcp-failed", "tcp", Error, "connecting failed otherwise"},

	{"tls-ok", "tls", OK, "TLS was agreed and the certificate is trusted"},
	{"tls-plain-http", "tls", Error, "an http server answers at a wss URL"},
	{"tls-not-tls", "tls", Error, "what answers does not speak TLS"},
	{"tls-old-version", "tls", Error, "the server speaks only TLS 1.1 or older"},
	{"tls-http2-only", "tls", Error, "the server refuses HTTP/1.1"},
	{"tls-client-certificate", "tls", Error, "the server wants a certificate of the client"},
	{"tls-unknown-name", "tls", Error, "the server does not know the name"},
	{"tls-refused", "tls", Error, "the server refused the handshake with an alert"},
	{"tls-closed", "tls", Error, "the connection ended during the handshake"},
	{"tls-timeout", "tls", Error, "the handshake took too long"},
	{"tls-failed", "tls", Error, "the handshake failed otherwise"},
	{"cert-expired", "tls", Error, "a certificate has expired"},
	{"cert-not-yet-valid", "tls", Error, "a certificate is not valid yet"},
	{"cert-wrong-name", "tls", Error, "the certificate is for other names"},
	{"cert-self-signed", "tls", Error, "the server signed its certificate itself"},
	{"cert-incomplete-chain", "tls", Error, "an intermediate certificate is not sent"},
	{"cert-unknown-authority", "tls", Error, "the authority is not trusted here"},
	{"cert-untrusted", "tls", Error, "the certificate is not trusted for another reason"},
	{"cert-expires-soon", "tls", Warning, "the certificate expires within two weeks"},

	{"redirect", "redirect", Error, "browsers do not follow redirects of a handshake"},
	{"redirect-loop", "redirect", Error, "the redirects come back to where they were"},
	{"redirect-limit", "redirect", Error, "too many redirects"},
	{"redirect-insecure", "redirect", Error, "a redirect gives up encryption"},
	{"redirect-nowhere", "redirect", Error, "a redirect without a usable Location"},

	{"response-none", "response", Error, "the connection ended without an answer"},
	{"response-timeout", "response", Error, "no answer in time"},
	{"response-incomplete", "response", Error, "the head of the response did not end"},
	{"response-too-long", "response", Error, "the head of the response is too long"},
	{"response-tls", "response", Error, "a TLS server answers at a ws URL"},
	{"response-http2", "response", Error, "the server speaks HTTP/2 only"},
	{"response-not-http", "response", Error, "what answers is not HTTP"},
	{"response-malformed", "response", Warning, "the head breaks the grammar of HTTP"},
	{"response-slow", "response", Note, "the answer took more than a second"},
	{"status-2xx", "response", Error, "an ordinary page instead of 101"},
	{"status-400", "response", Error, "the request is called bad"},
	{"status-401", "response", Error, "credentials are wanted"},
	{"status-403", "response", Error, "access is refused"},
	{"status-404", "response", Error, "nothing is there"},
	{"status-405", "response", Error, "GET is refused"},
	{"status-421", "response", Error, "the server does not serve this host"},
	{"status-426", "response", Error, "an upgrade is wanted, although one was asked for"},
	{"status-429", "response", Error, "too many requests"},
	{"status-431", "response", Error, "the request's header is too long"},
	{"status-500", "response", Error, "the application failed"},
	{"status-501", "response", Error, "not implemented"},
	{"status-502", "response", Error, "the proxy got no valid answer from the server behind it"},
	{"status-503", "response", Error, "not available now"},
	{"status-504", "response", Error, "the proxy waited in vain for the server behind it"},
	{"status-other", "response", Error, "another status than 101"},
	{"version-unspoken", "response", Error, "the server speaks other versions of the protocol"},
	{"upgrade-ignored", "response", Warning, "a plain GET gets the same answer"},
	{"origin-decides", "response", Error, "it works with another Origin, or with none"},
	{"extensions-break", "response", Error, "it works without Sec-WebSocket-Extensions only"},
	{"subprotocol-breaks", "response", Error, "it works without Sec-WebSocket-Protocol only"},
	{"software-known", "response", Note, "the answer is typical of a known server"},

	{"handshake-ok", "handshake", OK, "the handshake is valid"},
	{"draft-old", "handshake", Error, "an answer of a draft before RFC 6455"},
	{"http-version", "handshake", Error, "a 101 that is not HTTP/1.1"},
	{"upgrade-missing", "handshake", Error, "no Upgrade in the response"},
	{"upgrade-wrong", "handshake", Error, "Upgrade to something else"},
	{"connection-missing", "handshake", Error, "no Connection in the response"},
	{"connection-wrong", "handshake", Error, "Connection without upgrade"},
	{"accept-missing", "handshake", Error, "no Sec-WebSocket-Accept"},
	{"accept-wrong", "handshake", Error, "Sec-WebSocket-Accept answers another key"},
	{"accept-repeated", "handshake", Error, "Sec-WebSocket-Accept comes more than once"},
	{"subprotocol-ok", "handshake", OK, "a subprotocol was agreed"},
	{"subprotocol-unasked", "handshake", Error, "a subprotocol that was not offered"},
	{"subprotocol-repeated", "handshake", Error, "more than one subprotocol"},
	{"subprotocol-none", "handshake", Error, "none of the offered subprotocols was chosen"},
	{"extension-malformed", "handshake", Error, "Sec-WebSocket-Extensions breaks its grammar"},
	{"extension-unasked", "handshake", Error, "an extension that was not offered"},
	{"extension-parameters", "handshake", Error, "parameters that RFC 7692 forbids"},
	{"content-in-101", "handshake", Warning, "a 101 announces content"},

	{"compression-ok", "compression", OK, "permessage-deflate was agreed"},
	{"compression-declined", "compression", Note, "the server does not compress"},
	{"compression-no-takeover", "compression", Note, "every message is compressed on its own"},
	{"compression-benefit", "compression", Note, "what compression saves"},
	{"compression-unused", "compression", Note, "agreed, and the server sends without it"},
	{"compression-broken", "compression", Error, "a compressed message cannot be inflated"},
	{"sample-unanswered", "compression", Note, "the server does not echo"},

	{"session-quiet", "session", OK, "the server waits for the client"},
	{"session-sends", "session", Note, "the server speaks first"},
	{"session-pings", "session", OK, "the server sends pings"},
	{"session-closed", "session", Error, "the server closes at once"},
	{"session-dropped", "session", Error, "the connection ends at once without a close frame"},
	{"frame-masked", "session", Error, "the server masks a frame"},
	{"frame-reserved-bits", "session", Error, "a reserved bit without an extension"},
	{"frame-opcode", "session", Error, "a reserved opcode"},
	{"frame-control", "session", Error, "a control frame too long or fragmented"},
	{"frame-length", "session", Error, "a length that is not in its shortest form, or impossible"},
	{"frame-fragments", "session", Error, "fragments out of order"},
	{"frame-utf8", "session", Error, "text that is not UTF-8"},
	{"frame-close", "session", Error, "a close frame with an invalid payload"},

	{"pings-ok", "pings", OK, "every ping was answered"},
	{"pings-lost", "pings", Warning, "some pings were not answered"},
	{"pings-unanswered", "pings", Warning, "no ping was answered"},
	{"pong-wrong", "pings", Warning, "a pong with another payload than the ping"},

	{"close-ok", "close", OK, "the connection closed in good order"},
	{"close-code-changed", "close", Note, "the server answers a close with another code"},
	{"close-unanswered", "close", Warning, "the server does not answer a close frame"},
	{"close-tcp-open", "close", Warning, "the server leaves TCP open after the close"},
	{"close-reset", "close", Note, "the server ends TCP with a reset"},

	{"origin-open", "origin", Warning, "pages of every origin may connect"},
	{"origin-hijack", "origin", Error, "pages of every origin may connect with the visitor's cookies"},
	{"origin-null", "origin", Warning, "pages without an origin may connect"},
	{"origin-checked", "origin", OK, "pages of other origins are refused"},
	{"origin-own-refused", "origin", Note, "pages of the server's own origin are refused"},
	{"origin-unknown", "origin", Note, "the origin policy could not be probed"},
}
