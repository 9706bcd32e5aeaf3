package conformance

import (
	"strconv"
	"strings"
)

// subprotocolCases offer subprotocols. Which ones a server speaks is its own
// affair; what it answers must have been offered, which acceptResponse checks.
func subprotocolCases() []Case {
	const section = "RFC 6455 §4.2.2"
	var list []Case
	for _, c := range []struct {
		id, what string
		subs     []string
	}{
		{"none", "no subprotocol", nil},
		{"one", "one subprotocol", []string{"chat"}},
		{"several", "several subprotocols", []string{"v2.chat.example", "chat", "superchat"}},
		{"unknown", "a subprotocol that nobody knows", []string{"nobody-speaks-this.example"}},
		{"punctuation", "a subprotocol of every character a token may have", []string{"!#$%&'*+-.^_`|~019azAZ"}},
		{"case", "subprotocols that differ in case only, which are two", []string{"Chat", "chat"}},
		{"many", "40 subprotocols", numbered("sub", 40)},
	} {
		list = append(list, Case{ID: c.id, Section: section, roles: Server,
			Checks: "a client that offers " + c.what + " is answered with one of them or none",
			play: func(s *session) {
				s.openWith(terms{subs: c.subs})
				s.take(echoes(text("agreed")))
				if s.sub != "" {
					s.log.remark("the server chose %s", quoted(s.sub))
				}
				s.goodbye()
			}})
	}
	for _, c := range []struct {
		id, what string
		add      func(*opening)
		subs     []string
	}{
		{"two-fields", "in two fields, which count as one list", func(o *opening) {
			o.add("Sec-WebSocket-Protocol", "chat")
			o.add("Sec-WebSocket-Protocol", "superchat")
		}, []string{"chat", "superchat"}},
		{"no-space", "without a space after the comma", func(o *opening) { o.add("Sec-WebSocket-Protocol", "chat,superchat") }, []string{"chat", "superchat"}},
		{"tabs", "with tabs around the comma", func(o *opening) { o.add("Sec-WebSocket-Protocol", "chat\t,\tsuperchat") }, []string{"chat", "superchat"}},
	} {
		list = append(list, Case{ID: c.id, Section: section, roles: Server,
			Checks: "subprotocols offered " + c.what + ", are answered with one of them or none",
			play:   opensWith(c.add, c.subs)})
	}
	for _, c := range []struct{ id, what, value string }{
		{"bad-space", "contains a space", "two words"},
		{"bad-quoted", "is a quoted string", `"chat"`},
		{"bad-separator", "contains a separator", "chat;v=1"},
		{"bad-slash", "contains a slash", "chat/1"},
		{"bad-repeated", "comes twice", "chat, chat"},
		{"bad-empty", "is empty", ""},
	} {
		list = append(list, Case{ID: c.id, Section: "RFC 6455 §4.1", roles: Server,
			Checks: "an offer of which an element " + c.what + " is malformed: it is refused, or no subprotocol is chosen",
			play: func(s *session) {
				h, err := s.ask(func(o *opening) { o.add("Sec-WebSocket-Protocol", c.value) })
				switch {
				case s.over:
				case h == nil:
					s.nonStrict("the connection ended without a response (%s)", describeEnd(err))
				case isSwitching(h):
					if chosen := h.get("Sec-WebSocket-Protocol"); chosen != "" {
						s.nonStrict("the server chose %s out of a malformed offer", quoted(chosen))
						return
					}
					s.inform("the server ignores the malformed offer")
				default:
					s.refused(h, err)
				}
			}})
	}
	for _, c := range []struct{ id, what, name, value string }{
		{"answer-unoffered", "a subprotocol that it did not offer", "Sec-WebSocket-Protocol", "nobody-offered-this.example"},
		{"answer-list", "a list of subprotocols", "Sec-WebSocket-Protocol", "nobody-offered-this.example, nor-this.example"},
		{"answer-empty", "an empty subprotocol", "Sec-WebSocket-Protocol", ""},
		{"answer-malformed", "a subprotocol that is no token", "Sec-WebSocket-Protocol", "no token"},
	} {
		list = append(list, Case{ID: c.id, Section: "RFC 6455 §4.1", roles: Client,
			Checks: "a client fails the connection when the server answers with " + c.what,
			play:   refusedByClient(func(s *session, o *opening) { o.set(c.name, c.value) })})
	}
	return append(list,
		Case{ID: "answer-one-of-offered", Section: "RFC 6455 §4.1", roles: Client,
			Checks: "a client accepts the subprotocol that it offered",
			play: func(s *session) {
				if s.firstOffered() == "" {
					s.unsupported("the client offers no subprotocol")
					return
				}
				s.open()
				s.take(echoes(text("agreed")))
				s.goodbye()
			}},
		Case{ID: "answer-twice", Section: "RFC 6455 §11.3.4", roles: Client,
			Checks: "a client fails the connection when the server answers with a subprotocol twice",
			play: func(s *session) {
				first := s.firstOffered()
				if first == "" {
					s.unsupported("the client offers no subprotocol")
					return
				}
				refusedByClientOr(NonStrict, func(_ *session, o *opening) { // the server's fault, and no harm is done
					o.set("Sec-WebSocket-Protocol", first)
					o.add("Sec-WebSocket-Protocol", first)
				})(s)
			}},
		Case{ID: "answer-other-case", Section: "RFC 6455 §4.1", roles: Client,
			Checks: "a client fails the connection when the server answers with its subprotocol in another case",
			play: func(s *session) {
				first := s.firstOffered()
				other := strings.ToUpper(first)
				if other == first {
					other = strings.ToLower(first)
				}
				if other == first {
					s.unsupported("the client offers no subprotocol with a letter")
					return
				}
				refusedByClient(func(s *session, o *opening) { o.set("Sec-WebSocket-Protocol", other) })(s)
			}},
		Case{ID: "answer-none", Section: "RFC 6455 §4.1", roles: Client,
			Checks: "what a client does when the server chooses none of its subprotocols is for the client to say",
			play: func(s *session) {
				if s.firstOffered() == "" {
					s.unsupported("the client offers no subprotocol")
					return
				}
				o := s.newResponse()
				o.remove("Sec-WebSocket-Protocol")
				s.respond(o, terms{})
				s.send(text("none"))
				switch a := s.next(patience); a.kind {
				case aMessage:
					s.inform("the client goes on without a subprotocol")
				case aClose, anEnd:
					s.inform("the client ends the connection")
				}
				s.goodbye()
			}},
		Case{ID: "offer-valid", Section: "RFC 6455 §4.1", roles: Client,
			Checks: "the subprotocols that a client offers are unique tokens",
			play: func(s *session) {
				seen := map[string]bool{}
				for _, p := range s.offeredSubprotocols() {
					if seen[p] {
						s.fail("the client offers %s twice", quoted(p))
						return
					}
					seen[p] = true
				}
				s.open()
				s.goodbye()
			}})
}

func (s *session) offeredSubprotocols() []string {
	var list []string
	for _, v := range s.request.fields["Sec-Websocket-Protocol"] {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.Trim(p, " \t"); p != "" {
				list = append(list, p)
			}
		}
	}
	return list
}

func (s *session) firstOffered() string {
	if list := s.offeredSubprotocols(); len(list) > 0 {
		return list[0]
	}
	return ""
}

func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = prefix + strconv.Itoa(i)
	}
	return list
}
