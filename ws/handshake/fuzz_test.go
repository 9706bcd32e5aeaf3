package handshake_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

var tokenPattern = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")

// Whatever net/http reads as a request: Check never panics, a refusal says how
// to answer, and an acceptance satisfies each rule as checked here by other means.
func FuzzCheck(f *testing.F) {
	const get = "GET / HTTP/1.1\r\nHost: a.example\r\n"
	const upgrade = get + "Connection: Upgrade\r\nUpgrade: websocket\r\n"
	const minimal = upgrade + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + sampleKey + "\r\n"
	for _, seed := range []string{
		get, upgrade, minimal,
		minimal + "Origin: https://a.example\r\nSec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n",
		minimal + "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=\"15\", x; y\r\n",
		minimal + "Origin: null\r\n", minimal + "Content-Length: 3\r\n",
		minimal + "Sec-WebSocket-Key: " + sampleKey + "\r\n",
		strings.Replace(minimal, "HTTP/1.1", "HTTP/1.0", 1), strings.Replace(minimal, "GET", "POST", 1),
		strings.Replace(minimal, "Upgrade\r\n", "keep-alive, UPGRADE\r\n", 1),
		strings.Replace(minimal, "13", "8", 1), strings.Replace(minimal, "ZQ==", "ZR==", 1),
	} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, head string, secure bool) {
		hr, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n")))
		if err != nil {
			return
		}
		r := &handshake.Request{
			Method: hr.Method, ProtoMajor: hr.ProtoMajor, ProtoMinor: hr.ProtoMinor, Host: hr.Host,
			Secure: secure, Content: hr.ContentLength != 0, Header: hr.Header,
		}
		a, fault := handshake.Check(r, &handshake.Policy{Subprotocols: []string{"b", "a"}})
		if fault != nil {
			if fault.Status < 400 || fault.Rule == "" || fault.Reason == "" || !reflect.DeepEqual(a, handshake.Accepted{}) {
				t.Fatalf("fault %+v with %+v", fault, a)
			}
			checkFaultHeader(t, fault)
			return
		}
		h := hr.Header
		one := func(name string) string {
			if len(h[name]) != 1 {
				t.Fatalf("accepted with %d of %s", len(h[name]), name)
			}
			return h[name][0]
		}
		if hr.Method != "GET" || !hr.ProtoAtLeast(1, 1) || hr.ProtoMajor > 1 || hr.Host == "" || hr.ContentLength != 0 {
			t.Fatalf("accepted %s %s of %q", hr.Method, hr.Proto, hr.Host)
		}
		if !listed(h["Upgrade"], "websocket") || !listed(h["Connection"], "upgrade") {
			t.Fatalf("accepted Upgrade %q, Connection %q", h["Upgrade"], h["Connection"])
		}
		if one("Sec-Websocket-Version") != "13" {
			t.Fatal("accepted another version")
		}
		key := one("Sec-Websocket-Key")
		if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 || base64.StdEncoding.EncodeToString(raw) != key {
			t.Fatalf("accepted key %q", key)
		}
		if a.Key != key {
			t.Fatalf("key %q became %q", key, a.Key)
		}
		if len(h["Origin"]) > 0 {
			checkSameOrigin(t, one("Origin"), hr.Host, secure)
		}
		seen := map[string]bool{}
		for _, s := range a.Offered {
			if seen[s] || !tokenPattern.MatchString(s) || !slices.ContainsFunc(h["Sec-Websocket-Protocol"], func(v string) bool { return strings.Contains(v, s) }) {
				t.Fatalf("offered %q of %q", a.Offered, h["Sec-Websocket-Protocol"])
			}
			seen[s] = true
		}
		if want := map[bool]string{true: "b"}[seen["b"]]; want != "" && a.Subprotocol != want || a.Subprotocol != "" && !seen[a.Subprotocol] {
			t.Fatalf("chose %q of %q", a.Subprotocol, a.Offered)
		}
		checkExtensionList(t, a.Extensions)

		// An accepted request can be answered, and a client that asked for it agrees.
		response, err := handshake.AppendResponse(nil, &a, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(response)), hr)
		if err != nil {
			t.Fatal(err)
		}
		result, err := handshake.CheckResponse(res.StatusCode, res.ProtoMajor, res.ProtoMinor, res.Header,
			&handshake.Offer{Key: key, Subprotocols: a.Offered})
		if err != nil || result.Subprotocol != a.Subprotocol {
			t.Fatalf("the client got %+v, %v", result, err)
		}
	})
}

// listed looks for a token in a list field, by splitting.
func listed(values []string, token string) bool {
	for _, element := range strings.Split(strings.Join(values, ","), ",") {
		if strings.ToLower(strings.Trim(element, " \t")) == token {
			return true
		}
	}
	return false
}

func checkExtensionList(t *testing.T, list []handshake.Extension) {
	t.Helper()
	if len(list) > handshake.ExtensionsMax {
		t.Fatalf("%d extensions", len(list))
	}
	for _, e := range list {
		if !tokenPattern.MatchString(e.Name) || len(e.Params) > handshake.ParamsMax {
			t.Fatalf("extension %+v", e)
		}
		for _, p := range e.Params {
			if !tokenPattern.MatchString(p.Name) || p.HasValue != (p.Value != "") || p.HasValue && !tokenPattern.MatchString(p.Value) {
				t.Fatalf("parameter %+v", p)
			}
		}
	}
}

// A parsed list can be written, and the written list parses to the same.
func FuzzParseExtensions(f *testing.F) {
	for _, seed := range []string{
		"", ",", "foo", "foo, bar; baz=2", `a; b="c"; d, e`, `a;b="\c\d"`, "\ta ; b\t= c ", `a;b="`, `a;b="\`, "a;;b", "a=b",
		"permessage-deflate; client_max_window_bits; server_max_window_bits=15, permessage-deflate",
	} {
		f.Add(seed, "x")
		f.Add("", seed)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		list, err := handshake.ParseExtensions([]string{a, b})
		tokens, tokensErr := handshake.ParseTokens([]string{a, b})
		if tokensErr == nil && len(tokens) <= handshake.ExtensionsMax {
			// A list of tokens is a list of extensions without parameters.
			if err != nil || len(list) != len(tokens) {
				t.Fatalf("%d tokens, but %d extensions, %v", len(tokens), len(list), err)
			}
		}
		if tokensErr != nil && tokens != nil || err != nil && list != nil {
			t.Fatal("an error came with a result")
		}
		if err != nil {
			return
		}
		checkExtensionList(t, list)
		var text []byte
		for i, e := range list {
			if i > 0 {
				text = append(text, ", "...)
			}
			if text, err = handshake.AppendExtension(text, e); err != nil {
				t.Fatal(err)
			}
		}
		again, err := handshake.ParseExtensions([]string{string(text)})
		if err != nil || !reflect.DeepEqual(again, list) {
			t.Fatalf("%q became %q, which is %+v, %v", []string{a, b}, text, again, err)
		}
	})
}

// Without patterns, the allowed origin is the same host as net/url sees it.
func FuzzOrigin(f *testing.F) {
	for _, seed := range [][2]string{
		{"http://example.com", "example.com"}, {"https://example.com:8443", "example.com:8443"}, {"https://example.com", "example.com:443"},
		{"http://[::1]:80", "[0::1]"}, {"http://127.0.0.1", "127.0.0.1"}, {"null", "null"}, {"http://a@b", "b"}, {"http://a/b", "a"},
		{"http://127.1", "127.1"}, {"http://a%2eb", "a.b"}, {"http://a:", "a"}, {"http://A.b.", "a.B."}, {"http://a\\b", "a"}, {"x://a", "a"},
		{"ws://a:1", "a:1"}, {"wss://a", "a:443"}, {"file://", ""}, {"file:///", ""}, {"app://.", "."}, {"app://1", "1"},
	} {
		f.Add(seed[0], seed[1], false)
		f.Add(seed[0], seed[1], true)
	}
	pattern := mustOrigins(f, "https://*.example.com:*")
	apps := mustOrigins(f, "moz-extension://*", "file://", "app://a.example")
	f.Fuzz(func(t *testing.T, origin, host string, secure bool) {
		var none *handshake.Origins
		same := none.Allow(origin, host, secure)
		if same && origin != "" {
			checkSameOrigin(t, origin, host, secure)
		}
		if pattern.Allow(origin, host, secure) && !same {
			u, err := url.Parse(origin)
			if err != nil || u.Scheme != "https" && u.Scheme != "wss" || !strings.HasSuffix(strings.ToLower(u.Hostname()), ".example.com") {
				t.Fatalf("the pattern allows %q", origin)
			}
		}
		if apps.Allow(origin, host, secure) && !same {
			lower := strings.ToLower(origin)
			if lower != "file://" && lower != "app://a.example" && !strings.HasPrefix(lower, "moz-extension://") || strings.ContainsAny(lower, " ,\r\n\x00") {
				t.Fatalf("the patterns of applications allow %q", origin)
			}
		}
		if apps.AllowHost(host) {
			t.Fatalf("the patterns of applications name %q", host)
		}
		if pattern.AllowHost(host) {
			u, err := url.Parse("http://" + host)
			if err != nil || u.User != nil || !strings.HasSuffix(strings.ToLower(u.Hostname()), ".example.com") {
				t.Fatalf("the pattern names %q", host)
			}
		}
		// A pattern admits what it was written for.
		if o, err := handshake.ParseOrigins([]string{origin}); err == nil && !strings.Contains(origin, "*") && strings.Contains(origin, "://") {
			if !o.Allow(origin, "elsewhere.example", true) {
				t.Fatalf("pattern %q does not allow itself", origin)
			}
		}
	})
}

func checkSameOrigin(t *testing.T, origin, host string, secure bool) {
	t.Helper()
	page, err := url.Parse(origin)
	if err != nil {
		t.Fatalf("allowed %q: %v", origin, err)
	}
	// No page has the other two schemes; clients that are none mean these by them.
	if web := map[string]string{"ws": "http", "wss": "https"}[page.Scheme]; web != "" {
		page.Scheme = web
	}
	server, err := url.Parse(page.Scheme + "://" + host)
	if err != nil {
		t.Fatalf("allowed host %q: %v", host, err)
	}
	if page.Scheme != "https" && (secure || page.Scheme != "http") {
		t.Fatalf("allowed scheme %q, secure %v", page.Scheme, secure)
	}
	for _, u := range []*url.URL{page, server} {
		if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" || u.ForceQuery {
			t.Fatalf("allowed %q at %q", origin, host)
		}
		if u.Port() == "" {
			u.Host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
		}
	}
	same := strings.EqualFold(page.Host, server.Host)
	if !same && strings.Contains(page.Host, "[") { // spellings of one IPv6 address
		same = canonical(t, page.Hostname()) == canonical(t, server.Hostname()) && page.Port() == server.Port()
	}
	if !same {
		t.Fatalf("allowed %q at %q", origin, host)
	}
}

// Whatever net/http reads as a response: no panic, and a connection is opened
// only if each rule holds as checked here by other means.
func FuzzCheckResponse(f *testing.F) {
	const minimal = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + sampleAccept + "\r\n"
	for _, seed := range []string{
		minimal, strings.Replace(minimal, "1.1", "1.0", 1), minimal + "Sec-WebSocket-Protocol: chat\r\n", minimal + "Sec-WebSocket-Extensions: x; y=1, permessage-deflate\r\n",
		minimal + "Sec-WebSocket-Protocol: other\r\n", minimal + "Upgrade: h2c\r\n", minimal + "Sec-WebSocket-Accept: x\r\n",
		"HTTP/1.1 302 Found\r\nLocation: /\r\n", "HTTP/1.0 101 X\r\n", "HTTP/1.1 426 X\r\nSec-WebSocket-Version: 8\r\n",
		strings.Replace(minimal, "websocket", "WebSocket", 1), strings.Replace(minimal, " 101", " 200", 1),
	} {
		f.Add(seed)
	}
	sum := sha1.Sum([]byte(sampleKey + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	accept := base64.StdEncoding.EncodeToString(sum[:])
	offer := sampleOffer()
	offer.Subprotocols = []string{"chat", "superchat"}
	offer.Extensions = "permessage-deflate, x"
	f.Fuzz(func(t *testing.T, head string) {
		res, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head+"\r\n")), nil)
		if err != nil {
			return
		}
		res.Body.Close()
		result, err := handshake.CheckResponse(res.StatusCode, res.ProtoMajor, res.ProtoMinor, res.Header, offer)
		if err != nil {
			checkRefusal(t, result, err, res.StatusCode, "")
			return
		}
		h := res.Header
		if res.StatusCode != 101 || !res.ProtoAtLeast(1, 1) || !listed(h["Upgrade"], "websocket") || !listed(h["Connection"], "upgrade") ||
			len(h["Sec-Websocket-Accept"]) != 1 || h.Get("Sec-Websocket-Accept") != accept {
			t.Fatalf("opened by %q", head)
		}
		if got := h["Sec-Websocket-Protocol"]; len(got) > 1 || h.Get("Sec-Websocket-Protocol") != result.Subprotocol ||
			len(got) == 1 && !slices.Contains(offer.Subprotocols, got[0]) {
			t.Fatalf("subprotocol %q of %q", result.Subprotocol, got)
		}
		checkExtensionList(t, result.Extensions)
		for _, e := range result.Extensions {
			if e.Name != "permessage-deflate" && e.Name != "x" {
				t.Fatalf("extension %+v", e)
			}
		}
	})
}

// Whatever a caller puts into an offer either is refused or arrives as it was meant.
func FuzzAppendRequest(f *testing.F) {
	f.Add("a.example", "/chat?x", "https://a.example", "chat", "x; y=1", "X-A", "v")
	f.Add("[::1]:80", "/", "", "a\r\nb", "", "Cookie", "a\r\nX: y")
	f.Add("a", "/ b", "null", "", "", "Sec-Websocket-Key", "")
	f.Fuzz(func(t *testing.T, host, uri, origin, subprotocol, extensions, name, value string) {
		o := &handshake.Offer{Host: host, RequestURI: uri, Origin: origin, Key: sampleKey,
			Subprotocols: []string{subprotocol, "last"}, Extensions: extensions, Header: handshake.Header{name: {value}}}
		head, err := handshake.AppendRequest(nil, o)
		if err != nil {
			return
		}
		// Request line, six fields of the handshake, the caller's one, the empty line.
		lines := 9
		if origin != "" {
			lines++
		}
		if extensions != "" {
			lines++
		}
		if got := bytes.Count(head, []byte("\n")); got != lines || bytes.Count(head, []byte("\r\n")) != lines {
			t.Fatalf("%d lines in %q, want %d", got, head, lines)
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			if _, uriErr := url.ParseRequestURI(uri); uriErr != nil {
				return // visible ASCII, but a percent sign or an authority that net/url does not like
			}
			if _, hostErr := url.Parse("http://" + host); hostErr != nil {
				return
			}
			t.Fatalf("net/http refuses %q: %v", head, err)
		}
		if r.Host != host || r.RequestURI != uri {
			t.Fatalf("%q at %q became %q at %q", uri, host, r.RequestURI, r.Host)
		}
		offered, err := handshake.ParseTokens(r.Header["Sec-Websocket-Protocol"])
		if err != nil || !slices.Equal(offered, o.Subprotocols) {
			t.Fatalf("offered %q, %v", offered, err)
		}
	})
}

func canonical(t *testing.T, address string) string {
	t.Helper()
	a, err := netip.ParseAddr(address)
	if err != nil {
		t.Fatalf("allowed address %q: %v", address, err)
	}
	return a.String()
}
