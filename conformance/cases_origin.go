package conformance

import "strings"

// originCases pretend to be a browser. A server that admits any page is not
// wrong, since only its owner knows what it serves, but a server that has a policy
// must not be tricked.
func originCases() []Case {
	const section = "RFC 6455 §10.2"
	list := []Case{
		{ID: "none", Section: section, roles: Server, Checks: "a request without Origin, which no browser sends, is admitted",
			play: script(echoes(text("admitted")))},
		{ID: "same", Section: section, roles: Server, Checks: "a page of the server's own origin is admitted",
			play: func(s *session) {
				opensWith(func(o *opening) { o.set("Origin", s.suite.target.origin) }, nil)(s)
			}},
		{ID: "foreign", Section: section, roles: Server, Checks: "what a server does with a page of another origin is for its owner to say",
			play: func(s *session) {
				if s.admits("https://elsewhere.example") {
					s.inform("the server admits pages of any origin: cookies must not be all that protects it")
				}
			}},
		{ID: "twice", Section: "RFC 6454 §7.3", roles: Server, Checks: "a request with two Origin fields, which no browser may send, is refused or understood",
			play: refusedRequest(func(s *session, o *opening) {
				o.remove("Origin")
				o.add("Origin", s.suite.target.origin)
				o.add("Origin", s.suite.target.origin)
			}, Informational, 400, 403)},
	}
	for _, c := range []struct{ id, what, origin string }{
		{"null", "null, as from a sandboxed frame", "null"},
		{"suffix", "one whose host ends with the server's", "SCHEME://evilHOST"},
		{"prefix", "one whose host begins with the server's", "SCHEME://HOST.elsewhere.example"},
		{"subdomain", "a subdomain of the server", "SCHEME://sub.HOST"},
		{"userinfo", "one with the server as its user", "SCHEME://HOST@elsewhere.example"},
		{"path", "one with the server in its path", "SCHEME://elsewhere.example/HOST"},
		{"query", "one with the server in its query", "SCHEME://elsewhere.example?HOST"},
		{"fragment", "one with the server in its fragment", "SCHEME://elsewhere.example#HOST"},
		{"backslash", "one with a backslash before the server", `SCHEME://elsewhere.example\HOST`},
		{"comma", "a list of the server and another", "SCHEME://HOST, SCHEME://elsewhere.example"},
		{"space", "two origins with a space between", "SCHEME://HOST SCHEME://elsewhere.example"},
		{"port-other", "the server at another port", "SCHEME://NAME:1"},
		{"port-trick", "the server's port as part of a name", "SCHEME://elsewhere.example:PORT"},
		{"scheme-file", "a file", "file://HOST"},
		{"scheme-extension", "a browser's extension", "chrome-extension://HOST"},
		{"scheme-data", "a data URL", "data:text/html,HOST"},
		{"scheme-missing", "a host without a scheme", "HOST"},
		{"scheme-relative", "a host with slashes only", "//HOST"},
		{"empty", "an empty one", ""},
		{"dot", "the server's name with a dot at its end", "SCHEME://NAME.:PORT"},
		{"percent", "an escaped name", "SCHEME://%68OST.elsewhere.example"},
		{"wildcard", "a star", "*"},
		{"ip-decimal", "an address in one number", "SCHEME://2130706433:PORT"},
		{"idn", "a name that looks like another", "SCHEME://lоcalhost:PORT"},
		{"nul", "one with an escaped NUL", "SCHEME://HOST%00.elsewhere.example"},
	} {
		list = append(list, Case{ID: "trick-" + c.id, Section: section, roles: Server,
			Checks: "a server that refuses other origins is not tricked by " + c.what,
			play: func(s *session) {
				if s.admits("https://elsewhere.example") {
					s.inform("the server admits pages of any origin")
					return
				}
				if s.over {
					return
				}
				s.log.remark("another connection")
				origin := fillOrigin(c.origin, s.suite.target)
				if !s.admits(origin) {
					return
				}
				v := Fail
				if strings.HasPrefix(c.id, "scheme-") || c.id == "empty" {
					v = NonStrict // no browser would send it
				}
				s.judge(v, "the server refuses https://elsewhere.example and admits %s", quoted(origin))
			}})
	}
	return list
}

func fillOrigin(pattern string, t *target) string {
	scheme, host, _ := strings.Cut(t.origin, "://")
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i > strings.IndexByte(host, ']') {
		name, port = host[:i], host[i+1:]
	}
	origin := strings.NewReplacer("SCHEME", scheme, "HOST", host, "NAME", name, "PORT", firstOf(port, "80")).Replace(pattern)
	return origin
}

// admits reports whether a page of origin may connect.
func (s *session) admits(origin string) bool {
	h, _ := s.ask(func(o *opening) { o.set("Origin", origin) })
	return !s.over && h != nil && isSwitching(h)
}
