package conformance

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/godwit-io/godwit/ws/handshake"
)

// openingCases are about requests for a server, and responses for a client.
func openingCases() []Case {
	list := append(goodRequests(), badRequests()...)
	list = append(list, afterRefusal()...)
	list = append(list, requestOfClient()...)
	return append(list, responseCases()...)
}

// goodRequests must be accepted though they look unusual.
func goodRequests() []Case {
	var list []Case
	for _, c := range []struct {
		id, section, checks string
		edit                func(*opening)
	}{
		{"plain", "RFC 6455 §4.2.1", "a request with nothing but what is needed is accepted", func(*opening) {}},
		{"upgrade-case", "RFC 6455 §4.2.1", "Upgrade is compared without regard to case", func(o *opening) { o.set("Upgrade", "WebSocket") }},
		{"upgrade-upper", "RFC 6455 §4.2.1", "Upgrade may be in upper case", func(o *opening) { o.set("Upgrade", "WEBSOCKET") }},
		{"upgrade-list", "RFC 9110 §7.8", "websocket is found among other protocols in Upgrade", func(o *opening) { o.set("Upgrade", "foo/2, websocket") }},
		{"connection-case", "RFC 6455 §4.2.1", "Connection is compared without regard to case", func(o *opening) { o.set("Connection", "upgrade") }},
		{"connection-list", "RFC 6455 §4.2.1", "Upgrade is found among other tokens in Connection", func(o *opening) { o.set("Connection", "keep-alive, Upgrade") }},
		{"connection-list-tight", "RFC 6455 §4.2.1", "the tokens of Connection need no space between", func(o *opening) { o.set("Connection", "keep-alive,Upgrade") }},
		{"connection-list-loose", "RFC 9110 §5.6.1", "the tokens of Connection may have whitespace and empty elements between", func(o *opening) { o.set("Connection", "keep-alive\t ,, \tUpgrade ,") }},
		{"connection-two-fields", "RFC 9110 §5.3", "Connection may be given in two fields, which are one list", func(o *opening) {
			o.set("Connection", "keep-alive")
			o.add("Connection", "Upgrade")
		}},
		{"names-lower", "RFC 9110 §5.1", "the names of fields may be in lower case", func(o *opening) {
			for i := range o.fields {
				o.fields[i].name = strings.ToLower(o.fields[i].name)
			}
		}},
		{"names-upper", "RFC 9110 §5.1", "the names of fields may be in upper case", func(o *opening) {
			for i := range o.fields {
				o.fields[i].name = strings.ToUpper(o.fields[i].name)
			}
		}},
		{"reversed", "RFC 9110 §5.3", "the fields may come in any order", func(o *opening) {
			for i, j := 0, len(o.fields)-1; i < j; i, j = i+1, j-1 {
				o.fields[i], o.fields[j] = o.fields[j], o.fields[i]
			}
		}},
		{"spaces", "RFC 9110 §5.5", "whitespace around the values of fields is not part of them", func(o *opening) {
			for i := range o.fields {
				o.fields[i].value = " \t " + o.fields[i].value + " \t"
			}
		}},
		{"no-space", "RFC 9112 §5.1", "fields need no space after the colon", func(o *opening) {
			for i, f := range o.fields {
				o.fields[i] = field{"", f.name + ":" + f.value}
			}
		}},
		{"unknown-fields", "RFC 9110 §5.1", "fields that a server does not know do not matter", func(o *opening) {
			o.add("X-Unknown", "whatever, (comment) \"quoted\"; a=b")
			o.add("Sec-WebSocket-Unknown", "1")
			o.add("X-Empty", "")
		}},
		{"field-not-ascii", "RFC 9110 §5.5", "values of fields may have bytes past ASCII", func(o *opening) { o.add("X-Name", "J\xc3\xbcrgen \xfc") }},
		{"browser", "RFC 6455 §4.2.1", "a request with the fields that browsers send is accepted", func(o *opening) {
			for _, f := range []field{
				{"Pragma", "no-cache"}, {"Cache-Control", "no-cache"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
				{"Accept-Encoding", "gzip, deflate, br, zstd"}, {"Accept-Language", "en-GB,en;q=0.9"}, {"Cookie", "a=b; c=\"d e\""},
				{"Sec-WebSocket-Extensions", "x-unknown-extension; a; b=1"},
			} {
				o.add(f.name, f.value)
			}
		}},
		{"fields-50", "RFC 6455 §4.2.1", "a request with 50 more fields is accepted", func(o *opening) {
			for i := range 50 {
				o.add(fmt.Sprint("X-Field-", i), pattern(20))
			}
		}},
		{"field-2-KiB", "RFC 6455 §4.2.1", "a request with a field of 2 KiB, as a cookie or token has, is accepted", func(o *opening) { o.add("Cookie", "session="+pattern(2<<10)) }},
		{"extension-unknown", "RFC 6455 §9.1", "an extension that the server does not know is ignored", func(o *opening) {
			o.add("Sec-WebSocket-Extensions", "foo, bar; baz=2; flag, x; quoted=\"token\"")
		}},
		{"extension-two-fields", "RFC 6455 §11.3.2", "extensions may be offered in two fields, which are one list", func(o *opening) {
			o.add("Sec-WebSocket-Extensions", "foo")
			o.add("Sec-WebSocket-Extensions", "bar; a=1")
		}},
		{"key-other-shape", "RFC 6455 §4.2.1", "a key with the characters that base64 has beside letters and digits is answered right", func(o *opening) { o.set("Sec-WebSocket-Key", "+/+/+/+/+/+/+/+/+/+/+w==") }},
		{"key-of-zeros", "RFC 6455 §4.2.1", "a key of sixteen zeros is answered right", func(o *opening) { o.set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==") }},
		{"key-of-the-rfc", "RFC 6455 §1.3", "the key of the specification's example gets the answer of the specification's example", func(o *opening) { o.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==") }},
		{"content-length-0", "RFC 9110 §8.6", "a Content-Length of 0 is no content", func(o *opening) { o.add("Content-Length", "0") }},
	} {
		play := opensWith(c.edit, nil)
		switch c.id {
		case "upgrade-list", "connection-list-loose", "spaces":
			play = opensWithRare(c.edit)
		}
		list = append(list, Case{ID: "good-" + c.id, Section: c.section, Checks: c.checks, roles: Server, play: play})
	}
	for _, size := range []int{1, 2, 7, 50} {
		list = append(list, Case{ID: fmt.Sprintf("good-in-%d", size), Section: "RFC 9112 §2.2", roles: both,
			Checks: fmt.Sprintf("an opening handshake that arrives %s at a time is accepted", byteCount(size)),
			play: func(s *session) {
				s.openWith(terms{size: size})
				s.take(echoes(text("open")))
				s.goodbye()
			}})
	}
	return list
}

// badRequests must not be accepted.
func badRequests() []Case {
	type edit = func(*session, *opening)
	set := func(name, value string) edit { return func(_ *session, o *opening) { o.set(name, value) } }
	add := func(name, value string) edit { return func(_ *session, o *opening) { o.add(name, value) } }
	remove := func(name string) edit { return func(_ *session, o *opening) { o.remove(name) } }
	line := func(raw string) edit {
		return func(_ *session, o *opening) { o.fields = append(o.fields, field{"", raw}) }
	}
	method := func(m string) edit {
		return func(_ *session, o *opening) { o.first = m + strings.TrimPrefix(o.first, "GET") }
	}
	proto := func(p string) edit {
		return func(_ *session, o *opening) { o.first = strings.TrimSuffix(o.first, "HTTP/1.1") + p }
	}
	key := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(pattern(n))) }
	var list []Case
	for _, c := range []struct {
		id, section, what string
		edit              edit
		accepted          Verdict // if the server accepts it
		statuses          []int
	}{
		{"method-post", "RFC 6455 §4.2.1", "by POST", method("POST"), Fail, []int{405, 400, 404, 426, 501}},
		{"method-put", "RFC 6455 §4.2.1", "by PUT", method("PUT"), Fail, []int{405, 400, 404, 426, 501}},
		{"method-head", "RFC 6455 §4.2.1", "by HEAD", method("HEAD"), Fail, []int{405, 400, 404, 426, 501}},
		{"method-options", "RFC 6455 §4.2.1", "by OPTIONS", method("OPTIONS"), Fail, []int{405, 400, 404, 426, 501, 200, 204}},
		{"method-delete", "RFC 6455 §4.2.1", "by DELETE", method("DELETE"), Fail, []int{405, 400, 404, 426, 501}},
		{"method-lower", "RFC 9110 §9.1", "by get in lower case, which is another method", method("get"), Fail, []int{405, 400, 404, 426, 501}},
		{"method-unknown", "RFC 6455 §4.2.1", "by a method that nobody knows", method("FROB"), Fail, []int{405, 400, 404, 426, 501}},
		{"http-1.0", "RFC 6455 §4.2.1", "over HTTP/1.0", proto("HTTP/1.0"), NonStrict, []int{400, 426, 505}},
		{"http-0.9", "RFC 6455 §4.2.1", "in the manner of HTTP/0.9", proto(""), Fail, []int{400, 505}},
		{"http-2.0", "RFC 6455 §4.2.1", "that calls itself HTTP/2.0", proto("HTTP/2.0"), NonStrict, []int{505, 400, 426}},
		{"http-lower", "RFC 9112 §2.3", "with http/1.1 in lower case", proto("http/1.1"), Fail, []int{400, 505}},
		{"host-missing", "RFC 6455 §4.2.1", "without Host", remove("Host"), Fail, []int{400}},
		{"host-twice", "RFC 9112 §3.2", "with two Host fields", add("Host", "other.example"), Fail, []int{400}},
		{"host-bad", "RFC 9112 §3.2", "with a Host that is no host", set("Host", "exa mple/<>"), NonStrict, []int{400, 403, 404, 421}},
		{"upgrade-missing", "RFC 6455 §4.2.1", "without Upgrade", remove("Upgrade"), Fail, []int{426, 400, 200, 404, 405}},
		{"upgrade-other", "RFC 6455 §4.2.1", "to upgrade to something else", set("Upgrade", "h2c"), Fail, []int{426, 400, 200, 404, 405}},
		{"upgrade-longer", "RFC 6455 §4.2.1", "to upgrade to what only begins with websocket", set("Upgrade", "websocket2"), Fail, []int{426, 400, 200, 404, 405}},
		{"upgrade-empty", "RFC 6455 §4.2.1", "with an empty Upgrade", set("Upgrade", ""), Fail, []int{426, 400, 200, 404, 405}},
		{"connection-missing", "RFC 6455 §4.2.1", "without Connection", remove("Connection"), Fail, []int{426, 400, 200, 404, 405}},
		{"connection-close", "RFC 6455 §4.2.1", "with Connection: close", set("Connection", "close"), Fail, []int{426, 400, 200, 404, 405}},
		{"connection-keep-alive", "RFC 6455 §4.2.1", "with Connection: keep-alive, as a proxy may have made of it", set("Connection", "keep-alive"), Fail, []int{426, 400, 200, 404, 405}},
		{"connection-longer", "RFC 6455 §4.2.1", "with a Connection that only contains the letters of Upgrade", set("Connection", "Upgraded"), Fail, []int{426, 400, 200, 404, 405}},
		{"key-missing", "RFC 6455 §4.2.1", "without Sec-WebSocket-Key", remove("Sec-WebSocket-Key"), Fail, []int{400, 426}},
		{"key-empty", "RFC 6455 §4.2.1", "with an empty key", set("Sec-WebSocket-Key", ""), Fail, []int{400, 426}},
		{"key-short", "RFC 6455 §4.2.1", "with a key of 15 bytes", set("Sec-WebSocket-Key", key(15)), NonStrict, []int{400, 426}},
		{"key-long", "RFC 6455 §4.2.1", "with a key of 17 bytes", set("Sec-WebSocket-Key", key(17)), NonStrict, []int{400, 426}},
		{"key-1-KiB", "RFC 6455 §4.2.1", "with a key of 1 KiB", set("Sec-WebSocket-Key", key(1024)), NonStrict, []int{400, 426, 431}},
		{"key-not-base64", "RFC 6455 §4.2.1", "with a key that is not base64", set("Sec-WebSocket-Key", "!!!!!!!!!!!!!!!!!!!!!!=="), NonStrict, []int{400, 426}},
		{"key-url-base64", "RFC 6455 §4.2.1", "with a key in the alphabet for URLs", set("Sec-WebSocket-Key", "-_-_-_-_-_-_-_-_-_-_-w=="), NonStrict, []int{400, 426}},
		{"key-unpadded", "RFC 6455 §4.2.1", "with a key without padding", set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ"), NonStrict, []int{400, 426}},
		{"key-space", "RFC 6455 §4.2.1", "with a space in its key", set("Sec-WebSocket-Key", "dGhlIHNhbXBs ZSBub25jZQ=="), NonStrict, []int{400, 426}},
		{"key-twice", "RFC 6455 §11.3.1", "with two keys", add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), NonStrict, []int{400, 426}},
		{"key-list", "RFC 6455 §11.3.1", "with a list of keys", set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==, AAAAAAAAAAAAAAAAAAAAAA=="), NonStrict, []int{400, 426}},
		{"content", "RFC 9110 §7.8", "with content, which would stand where frames are expected", func(_ *session, o *opening) {
			o.add("Content-Length", "5")
			o.rest = "hello"
		}, Informational, []int{400, 413, 426}},
		{"content-chunked", "RFC 9110 §7.8", "with chunked content, which would stand where frames are expected", func(_ *session, o *opening) {
			o.add("Transfer-Encoding", "chunked")
			o.rest = "5\r\nhello\r\n0\r\n\r\n"
		}, Informational, []int{400, 413, 426, 501}},
		{"content-both", "RFC 9112 §6.1", "with Content-Length and Transfer-Encoding, which smugglers send", func(_ *session, o *opening) {
			o.add("Content-Length", "5")
			o.add("Transfer-Encoding", "chunked")
			o.rest = "0\r\n\r\n"
		}, NonStrict, []int{400, 413, 426, 501}},
		{"line-space-before-colon", "RFC 9112 §5.1", "with a space before a colon", line("X-Field : value"), Fail, []int{400}},
		{"line-no-colon", "RFC 9112 §5", "with a line that has no colon", line("no colon here"), Fail, []int{400}},
		{"line-no-name", "RFC 9112 §5", "with a field that has no name", line(": value"), Fail, []int{400}},
		{"line-nul", "RFC 9110 §5.5", "with a NUL in a field", line("X-Field: a\x00b"), Fail, []int{400}},
		{"line-bare-cr", "RFC 9112 §2.2", "with a carriage return in a field", line("X-Field: a\rSec-WebSocket-Protocol: b"), NonStrict, []int{400}},
		{"line-folded", "RFC 9112 §5.2", "with a folded line, which has long been obsolete", line("X-Field: a\r\n b"), Informational, []int{400}},
		{"extension-bad-separator", "RFC 6455 §9.1", "with a malformed extension", add("Sec-WebSocket-Extensions", "foo=;;=bar"), Informational, []int{400}},
		{"extension-bad-quote", "RFC 6455 §9.1", "with an extension whose quotes do not close", add("Sec-WebSocket-Extensions", `foo; a="b`), Informational, []int{400}},
		{"extension-bad-quoted", "RFC 6455 §9.1", "with an extension whose quoted value is no token", add("Sec-WebSocket-Extensions", `foo; a="b c"`), Informational, []int{400}},
		{"extension-bad-nothing", "RFC 6455 §9.1", "with an empty list of extensions", add("Sec-WebSocket-Extensions", ""), Informational, []int{400}},
	} {
		list = append(list, Case{ID: "bad-" + c.id, Section: c.section, roles: Server,
			Checks: "a request " + c.what + " is not accepted", play: refusedRequest(c.edit, c.accepted, c.statuses...)})
	}
	// Versions 0, 7 and 8 are drafts, which a server may still speak.
	for _, v := range []struct {
		name, value string
		accepted    Verdict
	}{
		{"empty", "", Fail}, {"0", "0", Informational}, {"7", "7", Informational}, {"8", "8", Informational}, {"12", "12", Fail}, {"14", "14", Fail},
		{"25", "25", Fail}, {"99", "99", Fail}, {"255", "255", Fail}, {"1300", "1300", Fail}, {"zero-first", "013", NonStrict},
		{"plus", "+13", NonStrict}, {"minus", "-13", Fail}, {"fraction", "13.0", NonStrict}, {"letter", "13a", NonStrict}, {"word", "x", Fail},
		{"hex", "0x0d", NonStrict}, {"list", "13, 8", NonStrict},
	} {
		list = append(list, Case{ID: "bad-version-" + v.name, Section: "RFC 6455 §4.2.2", roles: Server,
			Checks: fmt.Sprintf("a request for version %q is refused with the version that is spoken", v.value), play: otherVersion(set("Sec-WebSocket-Version", v.value), v.accepted, NonStrict)})
	}
	// Nobody has asked for a version then, so there need be no answer to that.
	list = append(list, Case{ID: "bad-version-missing", Section: "RFC 6455 §4.2.1", roles: Server,
		Checks: "a request without a version is refused", play: otherVersion(remove("Sec-WebSocket-Version"), Fail, Informational)})
	for _, c := range []struct {
		id, what string
		edit     edit
	}{
		{"fields-5000", "5000 fields", func(_ *session, o *opening) {
			for i := range 5000 {
				o.add(fmt.Sprint("X-Field-", i), "value")
			}
		}},
		{"field-2-MiB", "a field of 2 MiB", add("X-Field", strings.Repeat("x", 2<<20))},
		{"target-2-MiB", "a target of 2 MiB", func(_ *session, o *opening) {
			o.first = strings.Replace(o.first, " HTTP/", "?"+strings.Repeat("x", 2<<20)+" HTTP/", 1)
		}},
		{"extensions-64-KiB-spaces", "64 KiB of spaces in its extensions", add("Sec-WebSocket-Extensions", "foo;"+strings.Repeat(" ", 64<<10)+"a")},
		{"extensions-10000", "10,000 extensions", add("Sec-WebSocket-Extensions", strings.Repeat("a;b=c,", 10_000)+"d")},
		{"subprotocols-10000", "10,000 subprotocols", add("Sec-WebSocket-Protocol", strings.Join(numbered("p", 10_000), ", "))},
	} {
		list = append(list, Case{ID: "flood-" + c.id, Section: "RFC 6455 §10.4", roles: Server,
			Checks: "a request with " + c.what + " is refused, or accepted, in time", play: flooded(c.edit)})
	}
	return list
}

// otherVersion wants a refusal that says which version is spoken. accepted is the
// verdict if there is none, and untold the one if it does not say so.
func otherVersion(edit func(*session, *opening), accepted, untold Verdict) func(*session) {
	return func(s *session) {
		h, err := s.ask(func(o *opening) { edit(s, o) })
		if s.over {
			return
		}
		if h != nil && isSwitching(h) {
			s.judge(accepted, "the server accepts it")
			return
		}
		s.refused(h, err, 426, 400)
		if h == nil || s.over {
			return
		}
		if h.get("Sec-WebSocket-Version") == "" {
			s.judge(untold, "the response does not say in Sec-WebSocket-Version which version is spoken")
		}
	}
}

// flooded accepts whatever answer comes in time.
func flooded(edit func(*session, *opening)) func(*session) {
	return func(s *session) {
		h, err := s.ask(func(o *opening) { edit(s, o) })
		switch {
		case s.over:
		case s.ctx.Err() != nil:
			s.fail("no answer came in time")
		case h == nil:
			s.inform("the connection ended without a response (%s)", describeEnd(err))
		case isSwitching(h):
			s.inform("the server accepts it")
		}
	}
}

// afterRefusal is about what happens to a connection whose upgrade was refused.
// HTTP lets it go on (RFC 9110 §7.8), for another try as well. But what a client
// sent behind its request may be frames with bytes of somebody else's choice,
// and a server that ends the connection need not care.
func afterRefusal() []Case {
	var list []Case
	for _, c := range []struct {
		id, what string
		edit     func(*opening)
	}{
		{"version", "of another version", func(o *opening) { o.set("Sec-WebSocket-Version", "12") }},
		{"key", "without a key", func(o *opening) { o.remove("Sec-WebSocket-Key") }},
		{"origin", "from a page elsewhere", func(o *opening) { o.set("Origin", "https://elsewhere.example") }},
	} {
		list = append(list, Case{ID: "refused-then-smuggled-" + c.id, Section: "RFC 6455 §10.3", roles: Server,
			Checks: "whether what follows a request " + c.what + " that was refused is taken for another request is for the server to say",
			play: func(s *session) {
				o := func(o *opening) {
					c.edit(o)
					o.rest = "GET /smuggled HTTP/1.1\r\nHost: " + s.suite.target.host + "\r\n\r\n"
				}
				h, _ := s.ask(o)
				if s.over || h == nil {
					return
				}
				if isSwitching(h) {
					s.unsupported("the server accepts such a request")
					return
				}
				rest := readRest(s)
				if strings.Contains(rest, "HTTP/1.1 ") {
					s.inform("a second response followed: the connection goes on after an upgrade that was refused")
				}
			}})
	}
	return list
}

// readRest reads what comes after a response until the end, for a while.
func readRest(s *session) string {
	s.listenRaw()
	var b strings.Builder
	for b.Len() < headBytesMax {
		p := make([]byte, 4096)
		n, err := s.br.Read(p)
		b.Write(p[:n])
		if err != nil {
			s.log.got("%s", showHead(b.String()))
			s.log.got("%s", describeEnd(err))
			break
		}
	}
	return b.String()
}

// acceptOf is the answer to a key.
func acceptOf(key string) string { return handshake.AcceptKey(key) }
