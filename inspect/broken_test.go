package inspect

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// page answers with a status and a body.
func page(status, body string, fields ...string) func(*peer) {
	return func(p *peer) {
		p.say("HTTP/1.1 " + status + "\r\nConnection: close\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n" + body)
	}
}

// switching answers 101 with exactly these fields; KEY and ACCEPT stand for the key
// and what answers it.
func switching(lines ...string) func(*peer) {
	return func(p *peer) {
		text := strings.Join(append(lines, "", ""), "\r\n")
		p.say(strings.NewReplacer("ACCEPT", handshake.AcceptKey(p.key()), "KEY", p.key()).Replace(text))
		p.idle()
	}
}

// frames opens and sends bytes.
func frames(b string) func(*peer) {
	return func(p *peer) {
		p.open()
		p.say(b)
		p.behave()
	}
}

// onlyIf opens if the request satisfies ok, and refuses otherwise.
func onlyIf(ok func(p *peer) bool) func(*peer) {
	return func(p *peer) {
		if ok(p) {
			p.open()
			p.behave()
			return
		}
		page("403 Forbidden", "no")(p)
	}
}

const (
	switchLine = "HTTP/1.1 101 Switching Protocols"
	upgrade    = "Upgrade: websocket"
	connection = "Connection: Upgrade"
	accept     = "Sec-WebSocket-Accept: ACCEPT"
)

func closeFrame(code int, reason string) string {
	return string(wire.AppendFrame(nil, true, wire.Close, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)))
}

const problemType = "Content-Type: application/problem+json"

// godwitProblem is a problem document of godwit serve.
func godwitProblem(name, title, detail string) string {
	return `{"type":"https://godwit.io/problems/` + name + `","title":"` + title + `","detail":"` + detail + `"}`
}

// A server that breaks in one way gives the finding for it.
func TestBrokenServers(t *testing.T) {
	t.Parallel()
	const guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
	for _, c := range []struct {
		name   string
		raw    bool // the server does not read a request
		waits  bool // a timeout is reached, in virtual time
		serve  func(*peer)
		option func(*Options)
		want   string // IDs
		says   string // in the first of them
		not    string // an ID that must not be there
	}{
		{name: "page", serve: page("200 OK", "<html>", "Content-Type: text/html", "Server: nginx/1.24.0"), want: "status-2xx upgrade-ignored", says: "(text/html)"},
		{name: "bad request", serve: page("400 Bad Request", "x"), want: "status-400", says: "calls the request bad"},
		{name: "gorilla behind a proxy", serve: page("400 Bad Request", "Bad Request: websocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header"),
			want: "status-400 software-known", says: "does not see the upgrade"},
		{name: "godwit behind nginx without HTTP/1.1", serve: page("400 Bad Request", "a WebSocket needs HTTP/1.1, and the request is HTTP/1.0; a proxy in between may", "Server: nginx/1.22.1"),
			want: "status-400 software-known upgrade-ignored", says: "Let nginx, and every other proxy"},
		{name: "socket.io", serve: page("400 Bad Request", `{"code":0,"message":"Transport unknown"}`), want: "software-known", says: "Socket.IO"},
		{name: "godwit serve, a problem", serve: page("400 Bad Request", godwitProblem("bad-position", "Bad position", `since=\"x\": it has no colon`), problemType),
			want: "status-400 software-known", says: `It says: Bad position: since="x": it has no colon.`, not: "upgrade-ignored"},
		{name: "godwit serve, nothing there", serve: page("404 Not Found", godwitProblem("not-found", "Not found", "nothing is served at /x"), problemType),
			want: "status-404 software-known", says: "It says: Not found: nothing is served at /x.", not: "upgrade-ignored"},
		{name: "godwit serve, an origin", serve: page("403 Forbidden", godwitProblem("origin-not-allowed", "Origin not allowed", "pages of origin x may not connect to y: it is another origin, and the server does not list it"), problemType),
			option: func(o *Options) { o.Origin = "https://app.example" }, want: "software-known status-403", says: "--origin"},
		{name: "godwit serve, a host", serve: page("421 Misdirected Request", godwitProblem("unknown-host", "Unknown host", "it is not called that"), problemType),
			want: "software-known status-421", says: "by a name it knows"},
		{name: "godwit serve behind a proxy", serve: page("426 Upgrade Required", godwitProblem("upgrade-required", "WebSocket upgrade required", "a proxy in between must be told to pass on both"), problemType, "Server: nginx"),
			want: "software-known status-426", says: "did not get"},
		{name: "godwit's welcome page", serve: page("200 OK", "<!doctype html><title>Godwit: a channel is a URL</title>", "Content-Type: text/html"),
			want: "software-known status-2xx", says: "/channels/"},
		{name: "godwit's library, an origin", serve: page("403 Forbidden", "pages of origin \"x\" may not connect to \"y\": it is another origin, and the server does not list it\n", "Content-Type: text/plain; charset=utf-8"),
			want: "software-known status-403", says: "AcceptOptions.Origins"},
		{name: "godwit's library, middleware", serve: page("500 Internal Server Error", "this connection cannot be upgraded to WebSocket\n", "Content-Type: text/plain; charset=utf-8"),
			want: "software-known status-500", says: "Unwrap"},
		{name: "a problem of others", serve: page("403 Forbidden", `{"type":"about:blank","title":"No","detail":"quota\u001b exceeded"}`, problemType),
			want: "status-403", says: `It says: No: quota\x1b exceeded.`},
		{name: "a problem without words", serve: page("403 Forbidden", `{"type":"https://godwit.io/problems/"}`, problemType), want: "status-403", says: "because of the Origin"},
		{name: "no problem", serve: page("403 Forbidden", `{"title":`, problemType), want: "status-403", says: "because of the Origin"},
		{name: "a reason in a line", serve: page("400 Bad Request", "the room is full\n", "Content-Type: text/plain"), want: "status-400", says: `It says: the room is full.`},
		{name: "a reason in a page", serve: page("400 Bad Request", "the room\nis full\n", "Content-Type: text/plain"), want: "status-400", says: "calls the request bad"},
		{name: "unauthorised", serve: page("401 Unauthorized", "", "WWW-Authenticate: Bearer"), want: "status-401", says: "credentials"},
		{name: "forbidden", serve: page("403 Forbidden", "no"), want: "status-403"},
		{name: "not found", serve: page("404 Not Found", "404 page not found\n"), want: "status-404 software-known"},
		{name: "method", serve: page("405 Method Not Allowed", "", "Allow: POST"), want: "status-405"},
		{name: "misdirected", serve: page("421 Misdirected Request", ""), want: "status-421"},
		{name: "upgrade lost", serve: page("426 Upgrade Required", "", "Upgrade: websocket", "Server: nginx"), want: "status-426", says: "removed Upgrade"},
		{name: "upgrade to h2c", serve: page("426 Upgrade Required", "", "Upgrade: h2c"), want: "status-426", says: `it offers "h2c"`},
		{name: "old version", serve: page("426 Upgrade Required", "", "Sec-WebSocket-Version: 8, 7"), want: "version-unspoken", says: `"8", "7"`},
		{name: "too many requests", serve: page("429 Too Many Requests", "", "Retry-After: 30"), want: "status-429"},
		{name: "header too long", serve: page("431 Request Header Fields Too Large", ""), want: "status-431"},
		{name: "crash", serve: page("500 Internal Server Error", ""), want: "status-500"},
		{name: "not implemented", serve: page("501 Not Implemented", ""), want: "status-501"},
		{name: "bad gateway", serve: page("502 Bad Gateway", "", "Server: openresty"), want: "status-502"},
		{name: "unavailable", serve: page("503 Service Unavailable", "", "Retry-After: 5"), want: "status-503"},
		{name: "gateway timeout", serve: page("504 Gateway Timeout", ""), want: "status-504"},
		{name: "cloudflare", serve: page("521 Web Server Is Down", "", "Server: cloudflare"), want: "status-502", says: "Cloudflare"},
		{name: "teapot", serve: page("418 I'm a teapot", ""), want: "status-other"},
		{name: "interim", serve: page("103 Early Hints\r\n\r\nHTTP/1.1 404 Not Found", ""), want: "status-404"},

		{name: "origin wanted", serve: onlyIf(func(p *peer) bool { return strings.HasPrefix(p.header.Get("Origin"), "http://127.") }), want: "origin-decides", says: "without Origin"},
		{name: "origin not listed", serve: onlyIf(func(p *peer) bool { return p.header.Get("Origin") == "" }), option: func(o *Options) { o.Origin = "https://app.example" }, want: "origin-decides", says: "https://app.example"},
		{name: "extensions break it", serve: onlyIf(func(p *peer) bool { return p.header.Get("Sec-WebSocket-Extensions") == "" }), want: "extensions-break"},
		{name: "subprotocols break it", serve: onlyIf(func(p *peer) bool { return p.header.Get("Sec-WebSocket-Protocol") == "" }), option: func(o *Options) { o.Subprotocols = []string{"v9"} }, want: "subprotocol-breaks"},

		{name: "no answer", serve: func(*peer) {}, want: "response-none"},
		{name: "silence", waits: true, serve: func(p *peer) { p.idle() }, want: "response-timeout"},
		{name: "half a head", serve: func(p *peer) { p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs") }, want: "response-incomplete", says: "ended the connection"},
		{name: "head that stops", waits: true, serve: func(p *peer) { p.say("HTTP/1.1 101 Switching"); p.idle() }, want: "response-incomplete", says: "nothing more"},
		{name: "drip", waits: true, serve: func(p *peer) {
			p.say("HTTP/1.1 200 OK\r\n")
			for { // a line whenever the client had time to wait for it
				if _, err := p.Write([]byte("X-A: b\r\n")); err != nil {
					return
				}
				p.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
				if _, err := p.br.ReadByte(); errorKind(err) != timedOut {
					return
				}
			}
		}, want: "response-incomplete"},
		{name: "endless head", serve: func(p *peer) { p.say("HTTP/1.1 101 X\r\n" + strings.Repeat("X-A: b\r\n", 9000)); p.idle() }, want: "response-too-long"},
		{name: "ssh", raw: true, serve: func(p *peer) { p.say("SSH-2.0-OpenSSH_9.6\r\n"); p.idle() }, want: "response-not-http", says: "SSH"},
		{name: "redis", serve: func(p *peer) { p.say("-ERR wrong number of arguments\r\n") }, want: "response-not-http", says: "Redis"},
		{name: "frames without a handshake", raw: true, serve: func(p *peer) { p.say("\x81\x02hi"); p.idle() }, want: "response-not-http", says: "without a handshake"},
		{name: "escapes", raw: true, serve: func(p *peer) { p.say("\x1b[2J\x1b]0;owned\a\r\n") }, want: "response-not-http"},
		{name: "status without digits", serve: func(p *peer) { p.say("HTTP/1.1 OK\r\n\r\n") }, want: "response-not-http"},
		{name: "http2", raw: true, serve: func(p *peer) { p.say("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80"); p.idle() }, want: "response-http2"},
		{name: "lf alone", serve: func(p *peer) {
			p.say("HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Accept: " + handshake.AcceptKey(p.key()) + "\n\n")
			p.behave()
		}, want: "response-malformed handshake-ok", says: "LF alone"},
		{name: "space before a colon", serve: page("404 Not Found", "", "X-A : b", "no colon", " folded"), want: "response-malformed", says: "no colon"},

		{name: "hixie-76", serve: switching("HTTP/1.1 101 WebSocket Protocol Handshake", upgrade, connection, "Sec-WebSocket-Origin: null", "Sec-WebSocket-Location: ws://x/"), want: "draft-old"},
		{name: "http/1.0", serve: switching("HTTP/1.0 101 Switching Protocols", upgrade, connection, accept), want: "http-version"},
		{name: "no upgrade", serve: switching(switchLine, connection, accept), want: "upgrade-missing"},
		{name: "other upgrade", serve: switching(switchLine, "Upgrade: h2c", connection, accept), want: "upgrade-wrong"},
		{name: "no connection", serve: switching(switchLine, upgrade, accept), want: "connection-missing"},
		{name: "connection close", serve: switching(switchLine, upgrade, "Connection: close", accept), want: "connection-wrong"},
		{name: "no accept", serve: switching(switchLine, upgrade, connection), want: "accept-missing"},
		{name: "two accepts", serve: switching(switchLine, upgrade, connection, accept, accept), want: "accept-repeated"},
		{name: "accept is the key", serve: switching(switchLine, upgrade, connection, "Sec-WebSocket-Accept: KEY"), want: "accept-wrong", says: "the key itself"},
		{name: "accept of the RFC", serve: switching(switchLine, upgrade, connection, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), want: "accept-wrong", says: "example in RFC 6455"},
		{name: "accept in hexadecimal", serve: func(p *peer) {
			sum := sha1.Sum([]byte(p.key() + guid))
			switching(switchLine, upgrade, connection, "Sec-WebSocket-Accept: "+hex.EncodeToString(sum[:]))(p)
		}, want: "accept-wrong", says: "hexadecimal"},
		{name: "accept of another key", serve: func(p *peer) {
			switching(switchLine, upgrade, connection, "Sec-WebSocket-Accept: "+handshake.AcceptKey("AAAAAAAAAAAAAAAAAAAAAA=="))(p)
		}, want: "accept-wrong", says: "must be"},
		{name: "everything wrong", serve: switching(switchLine), want: "upgrade-missing connection-missing accept-missing"},

		{name: "subprotocol unasked", serve: switching(switchLine, upgrade, connection, accept, "Sec-WebSocket-Protocol: chat"), want: "subprotocol-unasked"},
		{name: "subprotocol not offered", serve: switching(switchLine, upgrade, connection, accept, "Sec-WebSocket-Protocol: chat"), option: func(o *Options) { o.Subprotocols = []string{"Chat"} }, want: "subprotocol-unasked", says: "letter by letter"},
		{name: "subprotocols repeated", serve: switching(switchLine, upgrade, connection, accept, "Sec-WebSocket-Protocol: a, b"), option: func(o *Options) { o.Subprotocols = []string{"a", "b"} }, want: "subprotocol-repeated"},
		{name: "no subprotocol", serve: frames(""), option: func(o *Options) { o.Subprotocols = []string{"a"} }, want: "subprotocol-none"},
		{name: "extension unasked", serve: switching(switchLine, upgrade, connection, accept, "Sec-WebSocket-Extensions: x-mux"), want: "extension-unasked"},
		{name: "extension malformed", serve: switching(switchLine, upgrade, connection, accept, `Sec-WebSocket-Extensions: permessage-deflate; a="`), want: "extension-malformed"},
		{name: "window of 99", serve: switching(switchLine, upgrade, connection, accept, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=99"), want: "extension-parameters"},
		{name: "content in 101", serve: func(p *peer) { p.open("Content-Length: 5"); p.behave() }, want: "content-in-101"},

		{name: "masked frame", serve: frames("\x81\x82\x00\x00\x00\x00hi"), want: "frame-masked"},
		{name: "reserved bit", serve: frames("\xc1\x02hi"), want: "frame-reserved-bits"},
		{name: "reserved opcode", serve: frames("\x83\x00"), want: "frame-opcode"},
		{name: "fragmented ping", serve: frames("\x09\x00"), want: "frame-control"},
		{name: "length of 5 in 16 bits", serve: frames("\x81\x7e\x00\x05hello"), want: "frame-length", says: "shortest"},
		{name: "length of 2^63", serve: frames("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), want: "frame-length", says: "impossible"},
		{name: "stray continuation", serve: frames("\x80\x00"), want: "frame-fragments"},
		{name: "message in a message", serve: frames("\x01\x01a\x81\x01b"), want: "frame-fragments"},
		{name: "not UTF-8", serve: frames("\x81\x02\xc3\x28"), want: "frame-utf8"},
		{name: "close code 1005", serve: frames(closeFrame(1005, "")), want: "frame-close"},
		{name: "closes at once", serve: frames(closeFrame(4401, "token \x1b[31mmissing")), want: "session-closed", says: "4401"},
		{name: "policy", serve: frames(closeFrame(1008, "")), want: "session-closed", says: "1008"},
		{name: "drops at once", serve: func(p *peer) { p.open() }, want: "session-dropped"},
		{name: "corrupt deflate", serve: func(p *peer) {
			p.open("Sec-WebSocket-Extensions: permessage-deflate")
			p.say("\xc1\x03\xff\xff\xff")
			p.behave()
		}, want: "compression-broken"},

		{name: "no pongs", waits: true, serve: func(p *peer) {
			p.open()
			for {
				op, payload, ok := p.next()
				if !ok {
					return
				}
				if op == wire.Close {
					p.frame(wire.Close, string(payload))
					return
				}
			}
		}, want: "pings-unanswered close-ok"},
		{name: "wrong pongs", waits: true, serve: func(p *peer) {
			p.open()
			for {
				op, payload, ok := p.next()
				if !ok {
					return
				}
				if op == wire.Close {
					p.frame(wire.Close, string(payload))
					return
				}
				p.frame(wire.Pong, "")
			}
		}, want: "pong-wrong"},
		{name: "every second pong", waits: true, serve: func(p *peer) {
			p.open()
			for n := 0; ; n++ {
				op, payload, ok := p.next()
				if !ok {
					return
				}
				if op == wire.Close {
					p.frame(wire.Close, string(payload))
					return
				}
				if n%2 == 0 {
					p.frame(wire.Pong, string(payload))
				}
			}
		}, want: "pings-lost"},
		{name: "dies of a ping", serve: func(p *peer) { p.open(); p.next() }, want: "session-dropped", says: "after 1 ping"},
		{name: "close unanswered", waits: true, serve: func(p *peer) { p.open(); p.idle() }, option: func(o *Options) { o.Pings = NoPings }, want: "close-unanswered"},
		{name: "close answered by the end", serve: func(p *peer) { p.open(); p.next() }, option: func(o *Options) { o.Pings = NoPings }, want: "close-unanswered", says: "without answering"},
		{name: "another code", serve: func(p *peer) { p.open(); p.next(); p.say(closeFrame(1001, "")) }, option: func(o *Options) { o.Pings = NoPings }, want: "close-code-changed", says: "1001"},
		{name: "no code", serve: func(p *peer) { p.open(); p.next(); p.frame(wire.Close, "") }, option: func(o *Options) { o.Pings = NoPings }, want: "close-code-changed", says: "1005"},
		{name: "TCP stays open", waits: true, serve: func(p *peer) {
			p.open()
			p.next()
			p.say(closeFrame(1000, ""))
			p.idle()
		}, option: func(o *Options) { o.Pings = NoPings }, want: "close-tcp-open"},

		{name: "ends with a reset", serve: func(p *peer) {
			p.open()
			p.say(closeFrame(1000, "done"))
			p.next() // so the client has the close frame
			_ = p.Conn.(*net.TCPConn).SetLinger(0)
			p.Close()
		}, want: "close-reset session-closed"},

		{name: "speaks first", serve: func(p *peer) {
			p.open("Set-Cookie: sid=secret; SameSite=None")
			p.frame(wire.Ping, "x")
			p.frame(wire.Text, strings.Repeat(`{"price":1}`, 100))
			p.behave()
		}, want: "session-sends session-pings compression-benefit origin-open compression-declined", says: "1100 bytes"},
		{name: "agreed and unused", serve: func(p *peer) {
			p.open("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover")
			p.frame(wire.Text, strings.Repeat(`{"price":1}`, 100))
			p.behave()
		}, want: "compression-unused compression-no-takeover compression-ok"},
		{name: "no compression", serve: frames(""), want: "compression-declined", says: "turn compression on at the server"},
		{name: "godwit serve declines compression", serve: func(p *peer) {
			if o := p.header.Get("Origin"); o != "" && !strings.HasPrefix(o, "http://127.") {
				page("403 Forbidden", godwitProblem("origin-not-allowed", "Origin not allowed", "no"), problemType)(p)
				return
			}
			p.open()
			p.frame(wire.Text, strings.Repeat(`{"price":1}`, 100))
			p.behave()
		}, want: "compression-declined compression-benefit", says: "Take compression: false out", not: "compression-ok"},
		{name: "hijack", serve: frames(""), option: func(o *Options) { o.Header = map[string][]string{"Cookie": {"sid=secret"}} }, want: "origin-hijack"},
		{name: "null origin", serve: onlyIf(func(p *peer) bool { o := p.header.Get("Origin"); return o == "" || o == "null" }), want: "origin-null origin-own-refused"},
		{name: "foreign origins get no answer", serve: func(p *peer) {
			if p.header.Get("Origin") == "" {
				p.open()
				p.behave()
			}
		}, want: "origin-unknown"},
		{name: "no echo", waits: true, serve: frames(""), option: func(o *Options) { o.Sample = true }, want: "sample-unanswered"},

		{name: "redirect nowhere", serve: page("302 Found", ""), want: "redirect-nowhere"},
		{name: "redirect to mail", serve: page("302 Found", "", "Location: mailto:a@b"), want: "redirect-nowhere"},
		{name: "redirect to itself", serve: page("301 Moved Permanently", "", "Location: /"), want: "redirect-loop"},
		{name: "redirects without end", serve: func(p *peer) {
			page("302 Found", "", "Location: "+strings.Fields(p.request)[1]+"x")(p)
		}, want: "redirect-limit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.waits {
				t.Parallel()
			}
			o := direct()
			if c.option != nil {
				c.option(o)
			}
			var r *Report
			if c.waits {
				synctest.Test(t, func(t *testing.T) { r = look(t, "ws://example.test", virtual(o, c.raw, c.serve)) })
			} else {
				r = look(t, "ws://"+listen(t, nil, c.raw, c.serve), o)
			}
			ids := strings.Fields(c.want)
			wants(t, r, ids...)
			if c.not != "" && finding(r, c.not).ID != "" {
				t.Errorf("%s: %q", c.not, finding(r, c.not).Means)
			}
			if f := finding(r, ids[0]); !strings.Contains(f.Means+f.Do, c.says) {
				t.Errorf("%q %q does not say %q", f.Means, f.Do, c.says)
			}
			if grade := finding(r, ids[0]).Grade; grade == Error && r.Works || grade == OK {
				t.Errorf("graded %v, and works is %v: %s", grade, r.Works, r.Summary)
			}
			var text strings.Builder
			_ = Print(&text, r, PrintOptions{})
			if strings.Contains(text.String(), "secret") {
				t.Errorf("a credential is shown:\n%s", text.String())
			}
		})
	}
}
