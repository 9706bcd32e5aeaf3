package conformance

import (
	"strings"

	"github.com/godwit-io/godwit/ws/wire"
)

// offerCases negotiate with a server. Every answer is held against the offer by
// agree.
func offerCases() []Case {
	var list []Case
	for _, c := range []struct{ id, section, what, offer string }{
		{"plain", "RFC 7692 §7.1", "without parameters", "permessage-deflate"},
		{"client-bits", "RFC 7692 §7.1.2.2", "with client_max_window_bits, as browsers send it", "permessage-deflate; client_max_window_bits"},
		{"all", "RFC 7692 §7.1", "with all parameters", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=12; client_max_window_bits=11"},
		{"quoted", "RFC 7692 §7.1.2", "with a value in quotes", `permessage-deflate; server_max_window_bits="10"`},
		{"tight", "RFC 6455 §9.1", "without any space", "permessage-deflate;server_no_context_takeover;client_max_window_bits"},
		{"loose", "RFC 6455 §9.1", "with a space wherever there may be one", "permessage-deflate ;  server_no_context_takeover ; client_max_window_bits"},
		{"two", "RFC 7692 §5", "as two alternatives", "permessage-deflate; server_max_window_bits=9, permessage-deflate"},
		{"after-unknown", "RFC 6455 §9.1", "after an extension that nobody knows", "x-unknown; a=1, permessage-deflate"},
		{"before-unknown", "RFC 6455 §9.1", "before an extension that nobody knows", "permessage-deflate, x-unknown"},
		{"fallback", "RFC 7692 §7.1", "as an alternative to one with a parameter that is not defined", "permessage-deflate; x_unknown, permessage-deflate"},
		{"fallback-bits", "RFC 7692 §7.1.2.1", "as an alternative to one with window bits of 16", "permessage-deflate; server_max_window_bits=16, permessage-deflate; client_max_window_bits"},
	} {
		list = append(list, Case{ID: "offer-" + c.id, Section: c.section, roles: Server,
			Checks: "an offer " + c.what + " is answered by the rules and then kept to",
			play: func(s *session) {
				s.openWith(terms{offer: c.offer})
				if !s.over && s.agreed == nil {
					s.take(echoes(text("plain")))
					s.unsupported("the server declines it")
					return
				}
				s.take(echoesCompressed(wire.Text, pattern(3000)), echoesCompressed(wire.Text, pattern(3000)), echoes(text("plain")))
				s.goodbye()
			}})
	}
	for _, c := range []struct{ id, section, what, params string }{
		{"server-bits-7", "RFC 7692 §7.1.2.1", "server_max_window_bits below 8", "server_max_window_bits=7"},
		{"server-bits-16", "RFC 7692 §7.1.2.1", "server_max_window_bits above 15", "server_max_window_bits=16"},
		{"server-bits-0", "RFC 7692 §7.1.2.1", "server_max_window_bits of 0", "server_max_window_bits=0"},
		{"server-bits-99", "RFC 7692 §7.1.2.1", "server_max_window_bits of 99", "server_max_window_bits=99"},
		{"server-bits-256-plus-10", "RFC 7692 §7.1.2.1", "server_max_window_bits of 266, which is 10 in a byte", "server_max_window_bits=266"},
		{"server-bits-zero-first", "RFC 7692 §7.1.2.1", "a zero before the value", "server_max_window_bits=08"},
		{"server-bits-word", "RFC 7692 §7.1.2.1", "a word for a value", "server_max_window_bits=ten"},
		{"server-bits-hex", "RFC 7692 §7.1.2.1", "a hexadecimal value", "server_max_window_bits=0xa"},
		{"server-bits-sign", "RFC 7692 §7.1.2.1", "a sign before the value", "server_max_window_bits=+10"},
		{"server-bits-fraction", "RFC 7692 §7.1.2.1", "a fraction", "server_max_window_bits=10.0"},
		{"server-bits-flag", "RFC 7692 §7.1.2.1", "server_max_window_bits without a value", "server_max_window_bits"},
		{"client-bits-7", "RFC 7692 §7.1.2.2", "client_max_window_bits below 8", "client_max_window_bits=7"},
		{"client-bits-16", "RFC 7692 §7.1.2.2", "client_max_window_bits above 15", "client_max_window_bits=16"},
		{"client-bits-zero-first", "RFC 7692 §7.1.2.2", "a zero before the value of client_max_window_bits", "client_max_window_bits=010"},
		{"server-takeover-value", "RFC 7692 §7.1.1.1", "a value for server_no_context_takeover", "server_no_context_takeover=1"},
		{"client-takeover-value", "RFC 7692 §7.1.1.2", "a value for client_no_context_takeover", "client_no_context_takeover=true"},
		{"repeated-flag", "RFC 7692 §7.1", "a parameter twice", "server_no_context_takeover; server_no_context_takeover"},
		{"repeated-bits", "RFC 7692 §7.1", "server_max_window_bits twice", "server_max_window_bits=10; server_max_window_bits=10"},
		{"repeated-bits-other", "RFC 7692 §7.1", "client_max_window_bits twice with different values", "client_max_window_bits; client_max_window_bits=9"},
		{"unknown", "RFC 7692 §7.1", "a parameter that is not defined", "x_unknown"},
		{"unknown-value", "RFC 7692 §7.1", "a parameter with a value that is not defined", "server_max_window_bitz=10"},
	} {
		list = append(list, Case{ID: "decline-" + c.id, Section: c.section, roles: Server,
			Checks: "an offer with " + c.what + " is declined: the connection opens without compression",
			play:   declined(withParams(c.params))})
	}
	for _, c := range []struct{ id, what, offer string }{
		{"prefix", "permessage-deflat", "permessage-deflat"},
		{"longer", "permessage-deflate2", "permessage-deflate2"},
		{"frame", "x-webkit-deflate-frame, which is something else", "x-webkit-deflate-frame"},
		{"value", "permessage-deflate=1, which is malformed", "permessage-deflate=1"},
		{"empty-value", "server_max_window_bits= without a value, which is malformed", "permessage-deflate; server_max_window_bits="},
		{"semicolon", "permessage-deflate with nothing after a semicolon, which is malformed", "permessage-deflate;"},
	} {
		list = append(list, Case{ID: "decline-" + c.id, Section: "RFC 6455 §9.1", roles: Server,
			Checks: "an offer of " + c.what + " does not lead to compression", play: declined(c.offer)})
	}
	return list
}

// declined wants the handshake to succeed without the extension. Refusing the
// request as a whole is not what the specification says, and safe.
func declined(offer string) func(*session) {
	return func(s *session) {
		h, err := s.ask(func(o *opening) { o.set("Sec-WebSocket-Extensions", offer) })
		switch {
		case s.over:
		case h == nil:
			s.nonStrict("the connection ended without a response (%s)", describeEnd(err))
		case !isSwitching(h):
			if strings.HasSuffix(offer, "=") || strings.HasSuffix(offer, ";") || strings.Contains(offer, "deflate=") {
				s.refused(h, err, 400) // RFC 6455 §9.1: what breaks the grammar may be refused
				return
			}
			s.refused(h, err, 400)
			s.nonStrict("the server refuses the request; an offer that it cannot accept must be declined")
		case h.get("Sec-WebSocket-Extensions") != "":
			s.fail("the server answers it with %s", quoted(h.get("Sec-WebSocket-Extensions")))
		default:
			s.acceptResponse(h, terms{})
			s.take(echoes(text("plain")))
			s.goodbye()
		}
	}
}

// answerCases answer a client's offer.
func answerCases() []Case {
	var list []Case
	for _, c := range []struct{ id, section, what, params string }{
		{"server-bits-7", "RFC 7692 §7.1.2.1", "server_max_window_bits below 8", "server_max_window_bits=7"},
		{"server-bits-16", "RFC 7692 §7.1.2.1", "server_max_window_bits above 15", "server_max_window_bits=16"},
		{"server-bits-zero-first", "RFC 7692 §7.1.2.1", "a zero before the value", "server_max_window_bits=08"},
		{"server-bits-word", "RFC 7692 §7.1.2.1", "a word for a value", "server_max_window_bits=ten"},
		{"server-bits-flag", "RFC 7692 §7.1.2.1", "server_max_window_bits without a value", "server_max_window_bits"},
		{"client-bits-7", "RFC 7692 §7.1.2.2", "client_max_window_bits below 8", "client_max_window_bits=7"},
		{"client-bits-16", "RFC 7692 §7.1.2.2", "client_max_window_bits above 15", "client_max_window_bits=16"},
		{"client-bits-flag", "RFC 7692 §7.1.2.2", "client_max_window_bits without a value, which only an offer may have", "client_max_window_bits"},
		{"server-takeover-value", "RFC 7692 §7.1.1.1", "a value for server_no_context_takeover", "server_no_context_takeover=1"},
		{"client-takeover-value", "RFC 7692 §7.1.1.2", "a value for client_no_context_takeover", "client_no_context_takeover=1"},
		{"repeated", "RFC 7692 §7.1", "a parameter twice", "server_no_context_takeover; server_no_context_takeover"},
		{"unknown", "RFC 7692 §7.1", "a parameter that is not defined", "x_unknown"},
		{"twice", "RFC 7692 §5", "permessage-deflate twice", "server_no_context_takeover, permessage-deflate"},
	} {
		list = append(list, Case{ID: "answer-" + c.id, Section: c.section, roles: Client,
			Checks: "a client fails the connection when the server answers with " + c.what,
			play: func(s *session) {
				if _, missing := s.answerTo(""); missing != "" {
					s.unsupported("%s", missing)
					return
				}
				refusedByClient(func(s *session, o *opening) {
					o.set("Sec-WebSocket-Extensions", withParams(c.params))
				})(s)
			}})
	}
	return append(list,
		Case{ID: "answer-client-bits-unoffered", Section: "RFC 7692 §7.1.2.2", roles: Client,
			Checks: "a client that did not offer client_max_window_bits fails the connection when the server sends it",
			play: func(s *session) {
				if _, missing := s.answerTo(""); missing != "" {
					s.unsupported("%s", missing)
					return
				}
				if _, missing := s.answerTo("client_max_window_bits=10"); missing == "" {
					s.unsupported("the client offers it")
					return
				}
				refusedByClient(func(s *session, o *opening) {
					o.set("Sec-WebSocket-Extensions", withParams("client_max_window_bits=10"))
				})(s)
			}},
		Case{ID: "answer-client-takeover-omitted", Section: "RFC 7692 §7.1.1.2", roles: Client,
			Checks: "a client that offered client_no_context_takeover goes on when the server does not repeat it",
			play: func(s *session) {
				answer, missing := s.answerTo("")
				shorter := strings.Replace(answer, "; client_no_context_takeover", "", 1)
				if missing != "" || shorter == answer {
					s.unsupported("the client does not offer it")
					return
				}
				s.openWith(terms{answer: shorter})
				s.send(text("plain"))
				for !s.over {
					a := s.next(0)
					if a.kind == aPing || a.kind == aPong {
						continue
					}
					if a.kind != aMessage {
						s.nonStrict("%s came instead of a message: the client insists on its own hint", &a)
					}
					break
				}
				s.goodbye()
			}},
		Case{ID: "answer-unoffered", Section: "RFC 7692 §5.1", roles: Client,
			Checks: "a client that did not offer permessage-deflate fails the connection when the server accepts it",
			play: func(s *session) {
				if _, missing := s.answerTo(""); missing == "" {
					s.unsupported("the client offers it")
					return
				}
				refusedByClient(func(s *session, o *opening) { o.set("Sec-WebSocket-Extensions", deflateName) })(s)
			}},
		Case{ID: "answer-none", Section: "RFC 7692 §5.1", roles: Client,
			Checks: "a client that offered permessage-deflate goes on without it when the server declines",
			play: func(s *session) {
				if _, missing := s.answerTo(""); missing != "" {
					s.unsupported("%s", missing)
					return
				}
				s.open()
				s.take(echoes(text(pattern(5000))), echoes(text("plain")))
				s.goodbye()
			}})
}
