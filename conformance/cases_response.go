package conformance

import (
	"fmt"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// requestOfClient judges the request of a client.
func requestOfClient() []Case {
	var list []Case
	add := func(id, section, checks string, judge func(*session)) {
		list = append(list, Case{ID: "request-" + id, Section: section, Checks: checks, roles: Client, play: func(s *session) {
			judge(s)
			if !s.over {
				s.open()
				s.take(echoes(text("open")))
				s.goodbye()
			}
		}})
	}
	add("valid", "RFC 6455 §4.1", "the request has what a server asks for: GET, HTTP/1.1, Host, Upgrade, Connection, a key of 16 bytes, version 13",
		func(*session) {}) // checked before any case
	add("host", "RFC 9112 §3.2", "the request has one Host field, with the port if it is not the default", func(s *session) {
		hosts := s.request.fields["Host"]
		if want := s.conn.LocalAddr().String(); len(hosts) != 1 || !strings.HasSuffix(want, hosts[0][strings.LastIndexByte(hosts[0], ':')+1:]) || !strings.Contains(hosts[0], ":") {
			s.fail("Host is %q, on %s", hosts, want)
		}
	})
	add("target", "RFC 6455 §4.1", "the request names path and query and no fragment", func(s *session) {
		words := strings.Split(s.request.start, " ")
		if len(words) != 3 || !strings.HasPrefix(words[1], "/") || strings.Contains(words[1], "#") {
			s.fail("the first line is %s", quoted(s.request.start))
		}
	})
	add("once", "RFC 6455 §11.3", "key and version are given once", func(s *session) {
		for _, name := range []string{"Sec-Websocket-Key", "Sec-Websocket-Version"} {
			if n := len(s.request.fields[name]); n != 1 {
				s.fail("%s is given %d times", name, n)
			}
		}
	})
	add("no-content", "RFC 9110 §8.6", "the request announces no content", func(s *session) {
		for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
			if v := s.request.get(name); v != "" && v != "0" {
				s.nonStrict("the request has %s: %s", name, quoted(v))
			}
		}
	})
	add("key-fresh", "RFC 6455 §4.1", "the key is drawn anew for every connection", func(s *session) {
		seen, different := s.suite.fresh.handshakeKeys()
		if seen-different > 1 {
			s.fail("of %d connections %d had the key of another", seen, seen-different)
		}
		if seen < 10 {
			s.inform("only %d connections were seen before", seen)
		}
	})
	add("mask-fresh", "RFC 6455 §5.3", "the first mask of a connection is not the same on every connection", func(s *session) {
		seen, different := s.suite.fresh.firstMasks()
		if seen-different > 2 {
			s.fail("of %d connections %d began with the mask of another", seen, seen-different)
		}
		if seen < 10 {
			s.inform("only %d connections were seen before", seen)
		}
	})
	list = append(list, Case{ID: "request-patient", Section: "RFC 6455 §4.1", roles: Client,
		Checks: "a client sends no frame before the server has answered", play: func(s *session) {
			s.conn.SetReadDeadline(time.Now().Add(probeAfter))
			if b, _ := s.br.Peek(1); len(b) > 0 {
				s.fail("the client sent % x before the response", b)
				return
			}
			s.conn.SetReadDeadline(time.Time{})
			s.open()
			s.take(echoes(text("open")))
			s.goodbye()
		}})
	return list
}

// responseCases answer a client, right and wrong.
func responseCases() []Case {
	type edit = func(*session, *opening)
	var list []Case
	for _, c := range []struct {
		id, section, checks string
		edit                edit
	}{
		{"upgrade-case", "RFC 6455 §4.1", "Upgrade is compared without regard to case", func(_ *session, o *opening) { o.set("Upgrade", "WebSocket") }},
		{"connection-case", "RFC 6455 §4.1", "Connection is compared without regard to case", func(_ *session, o *opening) { o.set("Connection", "upgrade") }},
		{"connection-list", "RFC 6455 §4.1", "Upgrade is found among other tokens in Connection", func(_ *session, o *opening) { o.set("Connection", "keep-alive, Upgrade") }},
		{"names-lower", "RFC 9110 §5.1", "the names of fields may be in lower case", func(_ *session, o *opening) {
			for i := range o.fields {
				o.fields[i].name = strings.ToLower(o.fields[i].name)
			}
		}},
		{"spaces", "RFC 9110 §5.5", "whitespace around the values of fields is not part of them", func(_ *session, o *opening) {
			for i := range o.fields {
				o.fields[i].value = " \t " + o.fields[i].value + " \t"
			}
		}},
		{"reason-other", "RFC 9112 §4", "the reason in the first line may be anything", func(_ *session, o *opening) { o.first = "HTTP/1.1 101 Web Socket Protocol Handshake" }},
		{"reason-empty", "RFC 9112 §4", "the reason in the first line may be empty", func(_ *session, o *opening) { o.first = "HTTP/1.1 101 " }},
		{"unknown-fields", "RFC 6455 §4.1", "fields that a client does not know do not matter", func(_ *session, o *opening) {
			o.add("Server", "example/1.0")
			o.add("Date", "Sat, 21 Nov 2026 09:30:00 GMT")
			o.add("X-Empty", "")
		}},
		{"cookies", "RFC 6455 §4.1", "the response may set cookies", func(_ *session, o *opening) {
			o.add("Set-Cookie", "a=b; Path=/; HttpOnly")
			o.add("Set-Cookie", "c=d")
		}},
		{"fields-50", "RFC 6455 §4.1", "a response with 50 more fields is accepted", func(_ *session, o *opening) {
			for i := range 50 {
				o.add(fmt.Sprint("X-Field-", i), pattern(20))
			}
		}},
	} {
		list = append(list, Case{ID: "response-" + c.id, Section: c.section, Checks: c.checks, roles: Client, play: func(s *session) {
			o := s.newResponse()
			c.edit(s, o)
			s.respond(o, terms{})
			if c.id == "spaces" { // as in a request: right, and so rare that to refuse it does no harm
				s.take(opensOrEnds())
			} else {
				s.take(echoes(text("open")))
			}
			s.goodbye()
		}})
	}

	set := func(name, value string) edit { return func(_ *session, o *opening) { o.set(name, value) } }
	remove := func(name string) edit { return func(_ *session, o *opening) { o.remove(name) } }
	line := func(raw string) edit {
		return func(_ *session, o *opening) { o.fields = append(o.fields, field{"", raw}) }
	}
	status := func(first string) edit {
		return func(_ *session, o *opening) {
			o.first = "HTTP/1.1 " + first
			// A response that is no 101 is an answer like any other in HTTP, after which a client
			// may use the connection for its next request, which the suite does not serve.
			o.set("Connection", "Upgrade, close")
			if !strings.HasPrefix(first, "204") && !strings.HasPrefix(first, "304") { // they have none by definition
				o.add("Content-Length", "0")
			}
		}
	}
	bad := []struct {
		id, section, what string
		edit              edit
	}{
		{"upgrade-missing", "RFC 6455 §4.1", "has no Upgrade", remove("Upgrade")},
		{"upgrade-other", "RFC 6455 §4.1", "upgrades to something else", set("Upgrade", "h2c")},
		{"upgrade-empty", "RFC 6455 §4.1", "has an empty Upgrade", set("Upgrade", "")},
		{"connection-missing", "RFC 6455 §4.1", "has no Connection", remove("Connection")},
		{"connection-close", "RFC 6455 §4.1", "has Connection: close", set("Connection", "close")},
		{"connection-longer", "RFC 6455 §4.1", "has a Connection that only contains the letters of Upgrade", set("Connection", "Upgraded")},
		{"accept-missing", "RFC 6455 §4.1", "has no Sec-WebSocket-Accept", remove("Sec-WebSocket-Accept")},
		{"accept-empty", "RFC 6455 §4.1", "has an empty Sec-WebSocket-Accept", set("Sec-WebSocket-Accept", "")},
		{"accept-other", "RFC 6455 §4.1", "answers another key", set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")},
		{"accept-key", "RFC 6455 §4.1", "sends the key back", func(s *session, o *opening) { o.set("Sec-WebSocket-Accept", s.key) }},
		{"accept-case", "RFC 6455 §4.1", "has the right Sec-WebSocket-Accept in other case", func(s *session, o *opening) {
			o.set("Sec-WebSocket-Accept", swapCase(acceptOf(s.key)))
		}},
		{"accept-longer", "RFC 6455 §4.1", "has the right Sec-WebSocket-Accept and more", func(s *session, o *opening) {
			o.set("Sec-WebSocket-Accept", acceptOf(s.key)+"=")
		}},
		{"accept-shorter", "RFC 6455 §4.1", "has the right Sec-WebSocket-Accept but for its padding", func(s *session, o *opening) {
			o.set("Sec-WebSocket-Accept", strings.TrimSuffix(acceptOf(s.key), "="))
		}},
		{"accept-split", "RFC 6455 §4.1", "ends its head before Sec-WebSocket-Accept, as a header injected with CR LF does", func(s *session, o *opening) {
			o.remove("Sec-WebSocket-Accept")
			o.add("X-Injected", "a\r\n\r\nSec-WebSocket-Accept: "+acceptOf(s.key))
		}},
		{"accept-in-other", "RFC 6455 §4.1", "has Sec-WebSocket-Accept only inside another field", func(s *session, o *opening) {
			o.remove("Sec-WebSocket-Accept")
			o.add("X-Field", "Sec-WebSocket-Accept: "+acceptOf(s.key))
		}},
		{"line-no-colon", "RFC 9112 §5", "has a line without a colon", line("no colon here")},
		{"extension-unoffered", "RFC 6455 §4.1", "accepts an extension that was not offered", set("Sec-WebSocket-Extensions", "x-nobody-offered-this")},
		{"extension-malformed", "RFC 6455 §9.1", "has a malformed extension", set("Sec-WebSocket-Extensions", "permessage-deflate; =;")},
	}
	for _, s := range []string{"200 OK", "201 Created", "204 No Content", "206 Partial Content", "300 Multiple Choices", "304 Not Modified", "400 Bad Request",
		"401 Unauthorized", "403 Forbidden", "404 Not Found", "426 Upgrade Required", "429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"} {
		bad = append(bad, struct {
			id, section, what string
			edit              edit
		}{"status-" + s[:3], "RFC 6455 §4.1", "is " + s + ", with everything else right", status(s)})
	}
	for _, c := range bad {
		list = append(list, Case{ID: "response-bad-" + c.id, Section: c.section, roles: Client,
			Checks: "a client fails the connection when the response " + c.what, play: refusedByClient(c.edit)})
	}
	for _, c := range []struct {
		id, section, what string
		lenient           Verdict
		edit              edit
	}{
		{"http-1.0", "RFC 9110 §15.2", "is HTTP/1.0", NonStrict, func(_ *session, o *opening) { o.first = "HTTP/1.0 101 Switching Protocols" }},
		{"accept-twice", "RFC 6455 §11.3.3", "has two Sec-WebSocket-Accept fields, the first of them right", NonStrict, func(_ *session, o *opening) {
			o.add("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
		}},
		{"upgrade-list", "RFC 6455 §4.1", "upgrades to two protocols", NonStrict, set("Upgrade", "websocket, foo")},
		{"line-space-before-colon", "RFC 9112 §5.1", "has a space before the colon of Sec-WebSocket-Accept", NonStrict, func(s *session, o *opening) {
			o.remove("Sec-WebSocket-Accept")
			o.fields = append(o.fields, field{"", "Sec-WebSocket-Accept : " + acceptOf(s.key)})
		}},
		{"line-nul", "RFC 9110 §5.5", "has a NUL in a field", NonStrict, line("X-Field: a\x00b")},
	} {
		list = append(list, Case{ID: "response-bad-" + c.id, Section: c.section, roles: Client,
			Checks: "a client fails the connection when the response " + c.what, play: refusedByClientOr(c.lenient, c.edit)})
	}
	for _, c := range []struct{ id, what, raw string }{
		{"garbage", "is not HTTP", "this is not HTTP\r\n\r\n"},
		{"frame", "is a frame", "\x81\x05hello"},
		{"nothing", "is empty", ""},
		{"cut", "ends in the middle", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs"},
		{"binary", "is bytes", "\x00\x01\x02\x03\x04\x05\r\n\r\n"},
	} {
		list = append(list, Case{ID: "response-raw-" + c.id, Section: "RFC 6455 §4.1", roles: Client,
			Checks: "a client fails the connection when the response " + c.what, play: func(s *session) {
				s.log.sent("%s", orEmpty(showHead(c.raw)))
				s.write([]byte(c.raw), 0)
				s.shutdown()
				s.listen()
				s.take(endsSomehow())
			}})
	}
	return append(list, Case{ID: "response-endless", Section: "RFC 6455 §10.4", roles: Client, slow: true,
		Checks: "a client gives up on a response whose head never ends", play: func(s *session) {
			s.write([]byte("HTTP/1.1 101 Switching Protocols\r\n"), 0)
			s.listen()
			block := strings.Repeat("X-Field: "+strings.Repeat("x", 1000)+"\r\n", 64)
			for i := range 256 { // 16 MiB
				if _, err := s.conn.Write([]byte(block)); err != nil {
					s.log.remark("the client ended the connection after about %d KiB", i*64)
					return
				}
			}
			s.nonStrict("the client read 16 MiB of head")
		}})
}

// opensOrEnds is echoes for a response that a client should accept, and ends the
// connection upon at worst.
func opensOrEnds() step {
	return func(s *session) {
		s.send(text("open"))
		for !s.over {
			switch a := s.next(0); a.kind {
			case aPing, aPong:
				continue
			case aMessage:
				if string(a.payload) != "open" {
					s.fail("%s came back", &a)
				}
			case aClose, anEnd:
				s.nonStrict("the client does not accept the response: %s came", &a)
			case aSilence:
				s.fail("nothing came in time")
			}
			return
		}
	}
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, s)
}

// refusedByClient sends a response that must not open a WebSocket.
func refusedByClient(edit func(*session, *opening)) func(*session) {
	return refusedByClientOr(Fail, edit)
}

// refusedByClientOr is refusedByClient with the verdict for a client that
// accepts the response.
func refusedByClientOr(accepted Verdict, edit func(*session, *opening)) func(*session) {
	return func(s *session) {
		o := s.newResponse()
		edit(s, o)
		s.respond(o, terms{early: []frame{ping(probe), text(probe)}})
		limit := patience
		for !s.over {
			switch a := s.next(limit); a.kind {
			case anEnd, aMistake:
				return
			case aPing:
				continue
			case aClose:
				if a.code == wire.CloseProtocolError || a.code == wire.CloseMandatoryExtension {
					s.nonStrict("the client opened the WebSocket and then failed it with %s", describeCode(a.code))
					return
				}
				s.judge(accepted, "the client accepted the response, and closed with %s", describeCode(a.code))
				return
			case aSilence:
				if limit > 0 {
					// It may be waiting for the body of what it takes for a refusal.
					limit = 0
					s.shutdown()
					continue
				}
				s.nonStrict("the client left the connection open")
				return
			default:
				s.judge(accepted, "the client accepted the response: %s came", &a)
				return
			}
		}
	}
}
