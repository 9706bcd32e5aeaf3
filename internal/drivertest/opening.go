package drivertest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/handshake"
	"github.com/godwit-io/godwit/ws/wire"
)

// request is an opening handshake that differs from one in order.
type request struct {
	name        string
	old, new    string // what is replaced in it
	status      int
	subprotocol string // agreed on
	extensions  string
}

// field adds one to the request.
func field(name, f string, status int, subprotocol, extensions string) request {
	return request{name, "Upgrade: websocket\r\n", "Upgrade: websocket\r\n" + f + "\r\n", status, subprotocol, extensions}
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n"

// requests are made to a server of the subprotocols b and a, in this order, that
// compresses, and whose pages are its own and those of https://*.partner.example.
var requests = []request{
	{"in order", "", "", 101, "", ""},
	{"fields in other cases", "Upgrade: websocket\r\nConnection: Upgrade", "upgrade: WebSocket\r\ncOnNeCtIoN: keep-alive, uPgRaDe", 101, "", ""},
	{"no upgrade", "Upgrade: websocket\r\nConnection: Upgrade\r\n", "", 426, "", ""},
	{"upgrade to something else", "Upgrade: websocket", "Upgrade: h2c", 426, "", ""},
	{"version 8", "Version: 13", "Version: 8", 426, "", ""},
	{"no version", "Sec-WebSocket-Version: 13\r\n", "", 426, "", ""},
	{"no key", "Sec-WebSocket-Key: " + sampleKey + "\r\n", "", 400, "", ""},
	{"a key of 15 bytes", sampleKey, "AAAAAAAAAAAAAAAAAAAA", 400, "", ""},
	{"a key that is no base64", sampleKey, "dGhlIHNhbXBsZSBub25j!Q==", 400, "", ""},
	{"two keys", "Sec-WebSocket-Key: ", "Sec-WebSocket-Key: " + sampleKey + "\r\nSec-WebSocket-Key: ", 400, "", ""},
	{"POST", "GET", "POST", 405, "", ""},
	{"content", "Upgrade: websocket", fmt.Sprintf("Content-Length: %d\r\nUpgrade: websocket", len(smuggled)), 400, "", ""},
	{"chunked content", "Upgrade: websocket", "Transfer-Encoding: chunked\r\nUpgrade: websocket", 400, "", ""},
	{"HTTP/1.0", "HTTP/1.1", "HTTP/1.0", 400, "", ""},

	field("a subprotocol", "Sec-WebSocket-Protocol: a", 101, "a", ""),
	field("the server's preference", "Sec-WebSocket-Protocol: a, b", 101, "b", ""),
	field("subprotocols in two lines", "Sec-WebSocket-Protocol: other\r\nSec-WebSocket-Protocol: a", 101, "a", ""),
	field("no subprotocol in common", "Sec-WebSocket-Protocol: other", 101, "", ""),
	field("a subprotocol of another case", "Sec-WebSocket-Protocol: A", 101, "", ""),
	field("a quoted subprotocol", `Sec-WebSocket-Protocol: "a"`, 400, "", ""),
	field("a subprotocol twice", "Sec-WebSocket-Protocol: a, a", 400, "", ""),
	field("a subprotocol with a space", "Sec-WebSocket-Protocol: a b", 400, "", ""),
	field("too many subprotocols", "Sec-WebSocket-Protocol: a"+strings.Repeat(",b", 100), 431, "", ""),

	field("an extension nobody knows", "Sec-WebSocket-Extensions: x-unknown; a=b; c", 101, "", ""),
	field("a parameter nobody knows", "Sec-WebSocket-Extensions: permessage-deflate; x-unknown", 101, "", ""),
	field("a fallback behind it", "Sec-WebSocket-Extensions: permessage-deflate; x-unknown, permessage-deflate", 101, "", "permessage-deflate"),
	field("a parameter twice", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; client_max_window_bits", 101, "", ""),
	field("an offer twice", "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate", 101, "", "permessage-deflate"),
	field("offers in two lines", "Sec-WebSocket-Extensions: x-unknown\r\nSec-WebSocket-Extensions: permessage-deflate", 101, "", "permessage-deflate"),
	field("a quoted parameter", `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="1\0"`, 101, "", "permessage-deflate; server_max_window_bits=10"),
	field("no takeover by the server", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover", 101, "", "permessage-deflate; server_no_context_takeover"),
	field("no takeover by the client", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover", 101, "", "permessage-deflate; client_no_context_takeover"),
	field("an open quote", `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="10`, 400, "", ""),
	field("an empty quoted value", `Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=""`, 400, "", ""),
	field("an empty value", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=", 400, "", ""),
	field("an empty parameter", "Sec-WebSocket-Extensions: permessage-deflate;", 400, "", ""),
	field("an extension without a name", "Sec-WebSocket-Extensions: ; a", 400, "", ""),
	field("a slash in an extension", "Sec-WebSocket-Extensions: a/b", 400, "", ""),
	field("an extension past ASCII", "Sec-WebSocket-Extensions: caf\xe9", 400, "", ""),
	field("too many parameters", "Sec-WebSocket-Extensions: a"+strings.Repeat(";b", 100), 431, "", ""),
}

// Cross-site hijacking: the origins that a server takes for its own, or has listed.
// OWN is the scheme of the connection and PORT that scheme's port.
var origins = map[int][]string{
	101: {"OWN://app.example", "OWN://app.example:PORT", "OWN://APP.example", "OWNWS://app.example", "https://a.partner.example", "https://a.b.partner.example"},
	400: {"OWN://app.example\r\nOrigin: OWN://app.example", "OWN://app.example\r\nOrigin: OWN://evil.example"},
	403: {
		"OWN://evil.example", "OWN://app.example.evil.net", "OWN://evilapp.example", "OWN://app.exampl", "OWN://app.example.",
		"OWN://www.app.example", "OWN://example", "OWN://app.example:8443", "https://partner.example", "https://evilpartner.example",
		"https://a.partner.example.evil.net", "http://a.partner.example", "https://a.partner.example:8443", "https://*.partner.example",
		"https://.partner.example", "https://a.partner.example@evil.net", "https://evil.net#.partner.example", "https://evil.net/.partner.example",
		`https://evil.net\.partner.example`, "https://evil.net?.partner.example", "null", "NULL", "", "*", "app.example", "//app.example",
		"file://app.example", "file://", "OWNWS://evil.example", "OWNWS://app.example:8443", "chrome-extension://app.example", "OWN://app.example:", "OWN://app.example:080",
		"OWN://app.example:65616", "OWN://user@app.example", "OWN://app.example@evil.net", "OWN://app.example/",
		"OWN://app.example, OWN://evil.net", "OWN://evil.net OWN://app.example", "OWN://app%2eexample", "OWN://127.0.0.1", "OWN://[::1]", "OWN://2130706433",
	},
}

// windowBits are none (RFC 7692 §7.1.2): such an offer can only be declined.
var windowBits = []string{"99", "08", "7", "16", "0", "-8", "8.0", "0x8", "1e1", "9a", "18446744073709551624"}

func openingRows() []row {
	table := func(requests func(s *scene) []request) func(s *scene) {
		return func(s *scene) {
			partners, err := handshake.ParseOrigins([]string{"https://*.partner.example"})
			if err != nil {
				s.Fatal(err)
			}
			s.options = Options{Origins: partners, Subprotocols: []string{"b", "a"}, Compression: &deflate.Options{}}
			s.message = s.echo
			for _, r := range requests(s) {
				s.asks(&r)
			}
		}
	}
	return []row{
		{"opening/requests", server, table(func(*scene) []request { return requests })},
		{"opening/origins", server, table(func(s *scene) (all []request) {
			own := strings.NewReplacer("OWNWS", "ws", "OWN", "http", "PORT", "80")
			if s.d.Secure {
				own = strings.NewReplacer("OWNWS", "wss", "OWN", "https", "PORT", "443")
			}
			for status, list := range origins {
				for _, origin := range list {
					all = append(all, field(fmt.Sprintf("origin %q", origin), "Origin: "+own.Replace(origin), status, "", ""))
				}
			}
			return all
		})},
		{"opening/window bits that are none", server, table(func(*scene) (all []request) {
			for _, name := range []string{"server_max_window_bits", "client_max_window_bits"} {
				for _, bits := range windowBits {
					all = append(all, field(name+"="+bits, "Sec-WebSocket-Extensions: permessage-deflate; "+name+"="+bits, 101, "", ""))
				}
			}
			return all
		})},
		{"opening/byte by byte", server, opensByteByByte},
		{"opening/a page's own origin alone", server, opensForItsOwnPages},
		{"opening/frames behind it", 0, opensWithFramesBehind},
		{"opening/what the application writes at once", 0, opensWithWords},
		{"opening/one that is never finished", 0, opensNever},
	}
}

// asks makes a request. A refused one is the last thing on its connection:
// what comes behind it is not served.
func (s *scene) asks(r *request) {
	s.Helper()
	nc := s.dial()
	defer nc.Close()
	b := opening()
	if r.old != "" {
		if !strings.Contains(b, r.old) {
			s.Fatalf("%s: there is no %q in the request", r.name, r.old)
		}
		b = strings.Replace(b, r.old, r.new, 1)
	}
	behind := smuggled
	if r.status == http.StatusSwitchingProtocols {
		behind = string(says("early").encode(true))
	}
	if _, err := io.WriteString(nc, b+behind); err != nil {
		s.Fatal(r.name, err)
	}
	br := bufio.NewReader(nc)
	response, err := http.ReadResponse(br, nil)
	if err != nil {
		s.Fatal(r.name, err)
	}
	if response.StatusCode != r.status {
		s.Fatalf("%s: %s, want %d", r.name, response.Status, r.status)
	}
	if r.status == http.StatusSwitchingProtocols {
		c := next(s, s.opened)
		h := response.Header
		if got := h.Get("Sec-WebSocket-Protocol"); got != r.subprotocol || c.Subprotocol() != r.subprotocol || len(h["Sec-Websocket-Protocol"]) > 1 {
			s.Errorf("%s: subprotocol %q and %q, want %q", r.name, got, c.Subprotocol(), r.subprotocol)
		}
		if got := strings.Join(h["Sec-Websocket-Extensions"], "|"); got != r.extensions {
			s.Errorf("%s: extensions %q, want %q", r.name, got, r.extensions)
		}
		p := s.newPeer(nc, br)
		p.Want(`text "early"`)
		if r.extensions == "" { // so a compressed message is none
			p.Raw(marked(wire.RSV1, true, wire.Text, "x").encode(true))
			p.wantCode(1002)
			p.Hangup()
			s.ends(1006, 1002)
			return
		}
		p.leave()
		return
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil || !response.Close {
		s.Errorf("%s: %v, closed %v; want a whole answer that is the last", r.name, err, response.Close)
	}
	if r.status == http.StatusUpgradeRequired && response.Header.Get("Sec-WebSocket-Version") != "13" {
		s.Errorf("%s: the answer does not name the version: %v", r.name, response.Header)
	}
	// A reset is as good an end as any, if only nothing more was said.
	if rest, err := io.ReadAll(br); len(rest) > 0 || errors.Is(err, io.ErrUnexpectedEOF) {
		s.Errorf("%s: then came %q, %v", r.name, rest, err)
	}
	if len(s.opened) > 0 {
		s.Fatalf("%s: the application was told of a connection", r.name)
	}
}

func opensByteByByte(s *scene) {
	nc := s.dial()
	for _, b := range append([]byte(opening()), says("slow").encode(true)...) {
		if _, err := nc.Write([]byte{b}); err != nil {
			s.Fatal(err)
		}
		s.settle()
	}
	r := bufio.NewReader(nc)
	if response, err := http.ReadResponse(r, nil); err != nil || response.StatusCode != 101 {
		s.Fatal(response, err)
	}
	s.hears(`text "slow"`)
	s.newPeer(nc, r).leave()
}

// Without a list, other pages are refused. TLS may have ended in front of the
// server, but over TLS a page of http is another one.
func opensForItsOwnPages(s *scene) {
	s.message = s.echo
	for origin, status := range map[string]int{
		"http://app.example": 101, "https://app.example": 101, "https://a.partner.example": 403, "https://evil.example": 403, "null": 403,
	} {
		if origin == "http://app.example" && s.d.Secure {
			status = 403
		}
		r := field(origin, "Origin: "+origin, status, "", "")
		s.asks(&r)
	}
}

// Input right behind the opening handshake is not lost, however much it is.
func opensWithFramesBehind(s *scene) {
	for _, size := range []int{0, 1, 125, 3000, 4096, 5000, 70_000} {
		long := strings.Repeat("e", size)
		mask := !s.d.Client
		behind := append(says(long).encode(mask), says("second").encode(mask)...)
		third := says("third").encode(mask)
		p := s.upgrade(append(behind, third[:3]...))
		next(s, s.opened)
		p.Raw(third[3:])
		s.hears(quoted("text", long), `text "second"`, `text "third"`)
		p.leave()
	}
}

func opensWithWords(s *scene) {
	s.open = func(c Conn) {
		if err := c.Write(text("welcome")); err != nil {
			s.Error(err)
		}
	}
	p, _ := s.meet()
	p.Want(`text "welcome"`)
	p.leave()
}

// A peer that does not finish the opening handshake is cut off.
func opensNever(s *scene) {
	s.options.HandshakeTimeout = 2 * s.unit
	head := opening()
	if s.d.Client {
		head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	}
	for _, beginning := range []string{"", head[:len(head)-2]} {
		began := time.Now()
		nc := s.dial()
		if _, err := io.WriteString(nc, beginning); err != nil {
			s.Fatal(err)
		}
		if b, err := io.ReadAll(nc); err != nil || len(b) > 0 && !s.d.Client {
			s.Errorf("%q: got %q, %v", beginning, b, err)
		}
		s.due(began, s.options.HandshakeTimeout)
		nc.Close()
	}
	if len(s.opened) > 0 {
		s.Error("the application was told of a connection")
	}
}
