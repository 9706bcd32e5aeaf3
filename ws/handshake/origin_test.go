package handshake_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func mustOrigins(t testing.TB, patterns ...string) *handshake.Origins {
	t.Helper()
	o, err := handshake.ParseOrigins(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Cross-site hijacking: what pages send, and what attackers wish a server to
// take for its own page. Without patterns only the same origin passes.
func TestSameOrigin(t *testing.T) {
	const plain, tls = false, true
	tests := []struct {
		origin, host string
		secure       bool
		want         bool
	}{
		// The same origin, in every spelling a browser and a Host header have.
		{"http://example.com", "example.com", plain, true},
		{"https://example.com", "example.com", tls, true},
		{"https://example.com", "example.com", plain, true}, // a proxy ended TLS
		{"http://example.com", "example.com:80", plain, true},
		{"https://example.com", "example.com:443", tls, true},
		{"http://example.com:80", "example.com", plain, true},
		{"http://example.com:8000", "example.com:8000", plain, true},
		{"https://example.com:8443", "example.com:8443", tls, true},
		{"HTTP://Example.COM", "eXAMPLE.com", plain, true},
		{"http://localhost:8000", "localhost:8000", plain, true},
		{"http://127.0.0.1:8000", "127.0.0.1:8000", plain, true},
		{"http://[::1]:8000", "[::1]:8000", plain, true},
		{"http://[::1]", "[0:0:0:0:0:0:0:1]:80", plain, true},
		{"http://[2001:DB8::A]", "[2001:db8::a]", plain, true},
		{"https://example.com.", "example.com.", tls, true},
		{"https://xn--bcher-kva.example", "xn--bcher-kva.example", tls, true},
		{"http://my_service:8080", "my_service:8080", plain, true},
		// Clients that make an Origin of the URL they connect to; no page has these schemes.
		{"ws://example.com", "example.com", plain, true},
		{"ws://example.com:80", "example.com", plain, true},
		{"ws://example.com:8000", "example.com:8000", plain, true},
		{"wss://example.com", "example.com", plain, true}, // a proxy ended TLS
		{"wss://example.com", "example.com:443", tls, true},
		{"WSS://Example.com:8443", "example.com:8443", tls, true},
		{"ws://[::1]:8000", "[::1]:8000", plain, true},

		{"", "example.com", plain, true}, // not a browser
		{"", "", tls, true},

		// Scheme downgrade, and schemes that are no page of a web server.
		{"http://example.com", "example.com", tls, false},
		{"http://example.com:443", "example.com:443", tls, false},
		{"HTTP://example.com", "example.com", tls, false},
		{"ws://example.com", "example.com", tls, false},
		{"ws://example.com:443", "example.com:443", tls, false},
		{"ws://evil.net", "example.com", plain, false},
		{"wss://evil.net", "example.com", tls, false},
		{"ws://example.com:8001", "example.com:8000", plain, false},
		{"wss://example.com", "example.com:80", plain, false},
		{"wss://example.com.evil.net", "example.com", tls, false},
		{"wss://example.com@evil.net", "example.com", tls, false},
		{"wss://example.com/", "example.com", tls, false},
		{"wss://", "", tls, false},
		{"wsx://example.com", "example.com", plain, false},
		{"ftp://example.com", "example.com", plain, false},
		{"chrome-extension://example.com", "example.com", plain, false},
		{"file://example.com", "example.com", plain, false},
		{"file://", "example.com", plain, false},
		{"file://", "", plain, false},
		{"app://.", ".", plain, false},
		{"tauri://localhost", "localhost", plain, false},
		{"javascript://example.com", "example.com", plain, false},
		{"data:text/html,x", "example.com", plain, false},
		{"about:blank", "example.com", plain, false},
		{"null", "example.com", plain, false},
		{"null", "null", plain, false},
		{"NULL", "example.com", plain, false},

		// Suffixes, prefixes, neighbours.
		{"http://evilexample.com", "example.com", plain, false},
		{"http://example.com.evil.net", "example.com", plain, false},
		{"http://example.co", "example.com", plain, false},
		{"http://example.comm", "example.com", plain, false},
		{"http://www.example.com", "example.com", plain, false},
		{"http://example.com", "www.example.com", plain, false},
		{"http://example.com.", "example.com", plain, false},
		{"http://example.com", "example.com.", plain, false},
		{"http://example-com", "example.com", plain, false},

		// Ports.
		{"http://example.com:8001", "example.com:8000", plain, false},
		{"http://example.com", "example.com:8000", plain, false},
		{"http://example.com:8000", "example.com", plain, false},
		{"https://example.com", "example.com:80", plain, false},
		{"http://example.com", "example.com:443", plain, false},
		{"http://example.com:", "example.com", plain, false},
		{"http://example.com:080", "example.com", plain, false},
		{"http://example.com:0", "example.com:0", plain, false},
		{"http://example.com:65616", "example.com:80", plain, false}, // 80 modulo 65536
		{"http://example.com:65536", "example.com:65536", plain, false},
		{"http://example.com:4294967376", "example.com", plain, false},
		{"http://example.com:-80", "example.com", plain, false},
		{"http://example.com:+80", "example.com", plain, false},
		{"http://example.com:8 0", "example.com", plain, false},
		{"http://example.com:80:80", "example.com", plain, false},
		{"http://example.com:http", "example.com", plain, false},
		{"http://example.com:*", "example.com", plain, false},
		{"http://example.com", "example.com:", plain, false},

		// Parts an origin does not have.
		{"http://example.com/", "example.com", plain, false},
		{"http://example.com/x", "example.com", plain, false},
		{"http://example.com?x", "example.com", plain, false},
		{"http://example.com#x", "example.com", plain, false},
		{"http://evil.net/example.com", "example.com", plain, false},
		{"http://evil.net#example.com", "example.com", plain, false},
		{"http://evil.net?example.com", "example.com", plain, false},
		{"http://user@example.com", "example.com", plain, false},
		{"http://example.com@evil.net", "example.com", plain, false},
		{"http://example.com:80@evil.net", "example.com", plain, false},
		{"http://@example.com", "example.com", plain, false},
		{"http://evil.net\\example.com", "example.com", plain, false},
		{"http://example.com\\", "example.com", plain, false},
		{"http:\\\\example.com", "example.com", plain, false},

		// Not one serialised origin.
		{"example.com", "example.com", plain, false},
		{"//example.com", "example.com", plain, false},
		{"://example.com", "example.com", plain, false},
		{"http:example.com", "example.com", plain, false},
		{"http:/example.com", "example.com", plain, false},
		{"http:///example.com", "example.com", plain, false},
		{"http://", "example.com", plain, false},
		{"http://", "", plain, false},
		{"http://:80", ":80", plain, false},
		{" ", "example.com", plain, false},
		{" http://example.com", "example.com", plain, false},
		{"http://example.com ", "example.com", plain, false},
		{"http:// example.com", "example.com", plain, false},
		{"http://exam ple.com", "exam ple.com", plain, false},
		{"http://example.com\t", "example.com", plain, false},
		{"http://example.com\r\n", "example.com", plain, false},
		{"http://example.com\x00", "example.com", plain, false},
		{"http://example.com\x00.evil.net", "example.com", plain, false},
		{"http://example.com http://evil.net", "example.com", plain, false},
		{"http://evil.net http://example.com", "example.com", plain, false},
		{"http://example.com, http://evil.net", "example.com", plain, false},
		{"http://example.com,null", "example.com", plain, false},
		{"*", "example.com", plain, false},
		{"http://*", "*", plain, false},

		// Encodings, and letters that fold to ASCII.
		{"http://%65xample.com", "example.com", plain, false},
		{"http://%65xample.com", "%65xample.com", plain, false},
		{"http://example%2ecom", "example.com", plain, false},
		{"http://ex\u0430mple.com", "example.com", plain, false},
		{"http://ex\u0430mple.com", "ex\u0430mple.com", plain, false},
		{"http://\u212aelvin.com", "kelvin.com", plain, false},
		{"http://example\u3002com", "example.com", plain, false},
		{"http\u017f://example.com", "example.com", tls, false},
		{"http://example.com\xff", "example.com", plain, false},

		// Labels.
		{"http://.example.com", ".example.com", plain, false},
		{"http://example..com", "example..com", plain, false},
		{"http://example.com..", "example.com..", plain, false},
		{"http://.", ".", plain, false},

		// IP addresses in other spellings, which only a parser that repairs would equate.
		{"http://127.1", "127.0.0.1", plain, false},
		{"http://127.1", "127.1", plain, false},
		{"http://0x7f.1", "127.0.0.1", plain, false},
		{"http://0x7f000001", "0x7f000001", plain, false},
		{"http://0x", "0x", plain, false},
		{"http://2130706433", "127.0.0.1", plain, false},
		{"http://0177.0.0.1", "127.0.0.1", plain, false},
		{"http://127.0.0.01", "127.0.0.1", plain, false},
		{"http://127.0.0.1.", "127.0.0.1", plain, false},
		{"http://127.0.0.256", "127.0.0.256", plain, false},
		{"http://127.0.0.1.5", "127.0.0.1.5", plain, false},
		{"http://a.1", "a.1", plain, false},
		{"http://[::ffff:127.0.0.1]", "127.0.0.1", plain, false},
		{"http://[::1%25lo]", "[::1%25lo]", plain, false},
		{"http://[fe80::1%eth0]", "[fe80::1%eth0]", plain, false},
		{"http://::1", "::1", plain, false},
		{"http://[::1", "[::1", plain, false},
		{"http://[::1]x", "[::1]x", plain, false},
		{"http://[127.0.0.1]", "127.0.0.1", plain, false},
		{"http://[example.com]", "example.com", plain, false},
		{"http://[]", "[]", plain, false},
		{"http://localhost:8000", "127.0.0.1:8000", plain, false},
		{"http://localhost:8000", "[::1]:8000", plain, false},

		// A Host header that is none.
		{"http://example.com", "", plain, false},
		{"http://example.com", "example.com/", plain, false},
		{"http://example.com", "user@example.com", plain, false},
		{"http://example.com", "example.com, evil.net", plain, false},
		{"http://example.com", " example.com", plain, false},
	}
	var policies = map[string]*handshake.Origins{"nil": nil, "empty": mustOrigins(t)}
	for name, o := range policies {
		for _, tt := range tests {
			if got := o.Allow(tt.origin, tt.host, tt.secure); got != tt.want {
				t.Errorf("%s: Allow(%q, %q, secure %v) = %v", name, tt.origin, tt.host, tt.secure, got)
			}
		}
	}
	// A pattern for somebody else changes nothing about them.
	o := mustOrigins(t, "https://unrelated.example.org", "https://*.unrelated.example.org:*")
	for _, tt := range tests {
		if got := o.Allow(tt.origin, tt.host, tt.secure); got != tt.want {
			t.Errorf("with a pattern: Allow(%q, %q, secure %v) = %v", tt.origin, tt.host, tt.secure, got)
		}
	}
}

func TestOriginPatterns(t *testing.T) {
	tests := []struct {
		pattern string
		allowed []string
		refused []string
	}{
		{
			"https://app.example.com",
			[]string{"https://app.example.com", "https://APP.example.com", "https://app.example.com:443"},
			[]string{"http://app.example.com", "https://app.example.com:8443", "https://example.com", "https://x.app.example.com",
				"https://app.example.com.evil.net", "https://evilapp.example.com", "https://app.example.com.", "null"},
		},
		{
			"HTTPS://App.Example.com:8443",
			[]string{"https://app.example.com:8443"},
			[]string{"https://app.example.com", "https://app.example.com:443", "http://app.example.com:8443"},
		},
		{
			"https://*.example.com",
			[]string{"https://a.example.com", "https://a.b.example.com", "https://A.EXAMPLE.com", "https://a.example.com:443"},
			[]string{"https://example.com", "https://.example.com", "https://evilexample.com", "https://a.example.com:8443",
				"http://a.example.com", "https://a.example.com.evil.net", "https://a.example.comm", "https://a.example.com.",
				"https://*.example.com", "https://a..example.com", "https://a@b.example.com", "https://evil.net/.example.com",
				"https://evil.net#.example.com", "https://a.example.com/"},
		},
		{
			"example.com",
			[]string{"http://example.com", "https://example.com", "http://example.com:80", "https://example.com:443"},
			[]string{"http://example.com:443", "https://example.com:80", "ftp://example.com", "capacitor://example.com", "https://a.example.com"},
		},
		{
			"*.example.com:*",
			[]string{"http://a.example.com:1", "https://a.example.com", "ws://a.example.com"},
			[]string{"http://example.com:1", "ws://example.com:1", "app://a.example.com"},
		},
		{
			"http://localhost:*",
			[]string{"http://localhost", "http://localhost:3000", "http://localhost:65535", "http://LOCALHOST:1"},
			[]string{"https://localhost:3000", "http://localhost:0", "http://localhost:65536", "http://localhost:", "http://localhost:*",
				"http://localhost.evil.net:3000", "http://127.0.0.1:3000", "http://localhost:3000/"},
		},
		{"localhost:3000", []string{"http://localhost:3000", "https://localhost:3000"}, []string{"http://localhost"}},
		{"*.localhost", []string{"http://a.localhost"}, []string{"http://localhost"}},
		{"*.example.com.", []string{"https://a.example.com."}, []string{"https://a.example.com"}},
		{"http://127.0.0.1:*", []string{"http://127.0.0.1:9"}, []string{"http://127.1:9", "http://1.127.0.0.1:9", "http://2130706433:9"}},
		{
			"http://[0::1]:3000",
			[]string{"http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"},
			[]string{"http://[::2]:3000", "http://[::1]", "http://::1:3000"},
		},
		// ws and wss mean http and https, in a pattern and in what clients send.
		{"https://app.example.com", []string{"wss://app.example.com", "wss://app.example.com:443"}, []string{"ws://app.example.com", "wss://app.example.com:8443"}},
		{"wss://app.example.com", []string{"wss://app.example.com", "https://app.example.com"}, []string{"ws://app.example.com", "http://app.example.com"}},
		{"WS://app.example.com:8000", []string{"ws://app.example.com:8000", "http://app.example.com:8000"}, []string{"wss://app.example.com:8000", "ws://app.example.com"}},

		// Schemes of applications and browser extensions, which no page of the web has.
		{"file://", []string{"file://", "FILE://"}, []string{"null", "file:///", "file://localhost", "file:", "file:/", "files://", "https://"}},
		{"file:///", []string{"file:///"}, []string{"file://"}}, // exactly what was seen
		{"file://*", []string{"file://", "file:///", "file://host"}, []string{"null", "file:", "https://file", "file:// ", "file://a,b", "file://a\r\n", "file://\x00", "file://\xff"}},
		{"qrc://", []string{"qrc://"}, []string{"qrc://x"}},
		{"app://.", []string{"app://."}, []string{"app://", "app://..", "app://x"}},
		{"app://-", []string{"app://-"}, []string{"app://", "app://x"}},
		{"app://obsidian.md", []string{"app://obsidian.md"}, []string{"app://obsidian.md.evil.net", "https://obsidian.md", "app://obsidian.md/", "app://x@obsidian.md"}},
		{"app://1", []string{"app://1"}, []string{"app://0.0.0.1", "app://01"}},
		{"tauri://localhost", []string{"tauri://localhost"}, []string{"tauri://localhost:1", "https://localhost"}},
		{"ionic://localhost", []string{"ionic://localhost"}, []string{"capacitor://localhost"}},
		{"moz-extension://0b1c9a8e-7d6f-4e5a-9b3c-2d1e0f9a8b7c", []string{"moz-extension://0b1c9a8e-7d6f-4e5a-9b3c-2d1e0f9a8b7c"}, []string{"moz-extension://0b1c9a8e-7d6f-4e5a-9b3c-2d1e0f9a8b7d"}},
		{"moz-extension://*", []string{"moz-extension://0b1c9a8e-7d6f-4e5a-9b3c-2d1e0f9a8b7c", "moz-extension://x"}, []string{"chrome-extension://x", "https://moz-extension", "null", "moz-extension://a b", "moz-extension:x"}},
		{"Chrome-Extension://*", []string{"chrome-extension://abcdefgh", "chrome-extension://"}, []string{"chrome-extension2://abcdefgh", "http://chrome-extension", "chrome-extension://a,http://evil.net"}},
		{"vscode-webview://*", []string{"vscode-webview://b421f05c-bc2d-4615-afaa-2a4df3cbdfb1"}, []string{"http://vscode-webview.evil.net"}},
		{"app://localhost:*", []string{"app://localhost", "app://localhost:3000"}, []string{"app://localhost:x"}},
		{"capacitor://localhost", []string{"capacitor://localhost"}, []string{"http://localhost", "ionic://localhost", "capacitor://localhost:80"}},
		{"chrome-extension://abcdefgh", []string{"chrome-extension://abcdefgh"}, []string{"chrome-extension://abcdefg", "https://abcdefgh"}},
		{"null", []string{"null"}, []string{"NULL", "http://null", "file://", "https://app.example.com"}},
		{"*", []string{"null", "https://anything.example", "chrome-extension://abc", "http://evil.net"}, nil},
	}
	for _, tt := range tests {
		o := mustOrigins(t, tt.pattern)
		for _, secure := range []bool{false, true} {
			for _, origin := range tt.allowed {
				if !o.Allow(origin, "server.example.net", secure) {
					t.Errorf("%q refuses %q", tt.pattern, origin)
				}
			}
			for _, origin := range tt.refused {
				if o.Allow(origin, "server.example.net", secure) {
					t.Errorf("%q allows %q", tt.pattern, origin)
				}
			}
			if !o.Allow("https://server.example.net", "server.example.net", secure) {
				t.Errorf("%q refuses the same origin", tt.pattern)
			}
			if !o.Allow("", "server.example.net", secure) {
				t.Errorf("%q refuses a request without origin", tt.pattern)
			}
		}
	}
}

func TestOriginsTogether(t *testing.T) {
	o := mustOrigins(t, "https://a.example", "null", "http://localhost:*")
	for origin, want := range map[string]bool{
		"https://a.example": true, "null": true, "http://localhost:1": true, "https://b.example": false,
	} {
		if got := o.Allow(origin, "c.example", true); got != want {
			t.Errorf("Allow(%q) = %v", origin, got)
		}
	}
}

func TestParseOriginsRefuses(t *testing.T) {
	tests := []struct{ pattern, reason string }{
		{"", "a host is expected"},
		{" ", "several patterns"},
		{"https://", "a host is expected"},
		{"https://*", "* may stand for"},
		{"https://*:443", "* may stand for"},
		{"*:*", "* may stand for"},
		{"**", "* may stand for"},
		{"*com", "* may stand for"},
		{"https://*example.com", "* may stand for"},
		{"https://a.*.example.com", "* may stand for"},
		{"https://*.*.example.com", "* may stand for"},
		{"https://example.*", "* may stand for"},
		{"https://example.com:8*", "* may stand for"},
		{"*://example.com", "a scheme is expected"},
		{"://example.com", "a scheme is expected"},
		{"1https://example.com", "a scheme is expected"},
		{"*.", "a host is expected"},
		{"*.com", "*.example.com"},
		{"https://*.com:*", "top-level domain"},
		{"*.127.0.0.1", "no subdomains"},
		{"*.[::1]", "no subdomains"},
		{"ws://*", "* may stand for"},
		{"wss://*", "* may stand for"},
		{"http://*", "* may stand for"},
		{"HTTPS://*", "* may stand for"},
		{"wss://", "a host is expected"},
		{"wss://example.com/chat", `remove "/chat"`},
		{"data://", "write null"},
		{"blob://x", "write null"},
		{"about://blank", "write null"},
		{"JavaScript://x", "write null"},
		{"file://**", "file://*"},
		{"app://*x", "app://*"},
		{"app://x*", "app://*"},
		{"app://*/x", `remove "/x"`},
		{"capacitor://localhost/", `remove "/"`},
		{"capacitor://user@localhost", "no user"},
		{"file:", "a port from 1"},
		{"app://a,b", "several patterns"},
		{"app://\x00", "visible ASCII"},
		{"app://b\u00fccher", "visible ASCII"},
		{"Null", "lower case"},
		{"https://example.com/", `remove "/"`},
		{"https://example.com/app", `remove "/app"`},
		{"https://example.com?x", `remove "?x"`},
		{"https://example.com#x", `remove "#x"`},
		{"https://user@example.com", "no user"},
		{"https://example.com:", "a port from 1 to 65535"},
		{"https://example.com:0", "a port from 1 to 65535"},
		{"https://example.com:65536", "a port from 1 to 65535"},
		{"https://example.com:0443", "a port from 1 to 65535"},
		{"https://example.com:https", "a port from 1 to 65535"},
		{"https://example.com:80:*", "two ports"},
		{"https://::1", "brackets"},
		{"https://[::1", "closing ]"},
		{"https://[::1]3000", "only a port may follow"},
		{"https://[fe80::1%eth0]", "without a zone"},
		{"https://[127.0.0.1]", "IPv6"},
		{"https://127.1", "four decimal numbers"},
		{"https://0x7f.0.0.1", "four decimal numbers"},
		{"https://b\u00fccher.example", "xn--"},
		{"https://exam%70le.com", "a character that no name has"},
		{"https://example.com https://example.org", "several patterns"},
		{"https://example.com,https://example.org", "several patterns"},
		{"https://a..example.com", "empty label"},
		{"https://.example.com", "empty label"},
		{"https://" + strings.Repeat("a", 64) + ".com", "63 bytes"},
		{"https://" + strings.Repeat("a.", 127) + "abc", "longer than a DNS name"},
		{"https://example.com\\", "a character that no name has"},
		{"https://example.com\r\nX", "a character that no name has"},
		{"https://example.com:\r\n1", "a port from 1 to 65535"},
	}
	for _, tt := range tests {
		o, err := handshake.ParseOrigins([]string{"https://fine.example", tt.pattern})
		var origin *handshake.OriginError
		if o != nil || !errors.As(err, &origin) {
			t.Errorf("%q: %v, %v", tt.pattern, o, err)
			continue
		}
		if origin.Pattern != tt.pattern || !strings.Contains(origin.Reason, tt.reason) {
			t.Errorf("%q: %v, which does not say %q", tt.pattern, err, tt.reason)
		}
		if strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("%q: the error is not one line: %q", tt.pattern, err)
		}
	}
	// The longest names there are.
	longest := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." + strings.Repeat("d", 61)
	mustOrigins(t, longest, longest+".")
}

func TestAllowHost(t *testing.T) {
	tests := []struct {
		patterns []string
		host     string
		want     bool
	}{
		{[]string{"https://app.example.com"}, "app.example.com", true},
		{[]string{"https://app.example.com"}, "APP.example.com:8000", true}, // whatever the port
		{[]string{"app.example.com:1"}, "app.example.com:2", true},
		{[]string{"https://app.example.com"}, "example.com", false},
		{[]string{"https://app.example.com"}, "app.example.com.evil.net", false},
		{[]string{"https://app.example.com"}, "evil.net", false},
		{[]string{"https://app.example.com"}, "", false},
		{[]string{"https://app.example.com"}, "app.example.com/x", false},
		{[]string{"https://app.example.com"}, "x@app.example.com", false},
		{[]string{"https://app.example.com"}, "app.example.com:x", false},
		{[]string{"*.example.com"}, "a.example.com:1", true},
		{[]string{"*.example.com"}, "example.com", false},
		{[]string{"http://[::1]:1"}, "[0::1]:2", true},
		{[]string{"http://127.0.0.1"}, "127.0.0.1:2", true},
		{[]string{"http://127.0.0.1"}, "127.1", false},
		{[]string{"null"}, "null", false},
		{[]string{"wss://a.example"}, "a.example", true},
		// The host of an application is not that of a server.
		{[]string{"capacitor://localhost"}, "localhost", false},
		{[]string{"app://a.example"}, "a.example", false},
		{[]string{"app://*"}, "a.example", false},
		{[]string{"app://*"}, "", false},
		{[]string{"file://"}, "", false},
		{[]string{"a.example", "b.example"}, "b.example", true},
		{[]string{"*"}, "evil.net", true},
		{nil, "localhost", false},
	}
	for _, tt := range tests {
		if got := mustOrigins(t, tt.patterns...).AllowHost(tt.host); got != tt.want {
			t.Errorf("%q: AllowHost(%q) = %v", tt.patterns, tt.host, got)
		}
	}
	var none *handshake.Origins
	if none.AllowHost("localhost") {
		t.Error("nil names a host")
	}
}

func TestOriginsString(t *testing.T) {
	var none *handshake.Origins
	tests := []struct {
		origins *handshake.Origins
		want    string
		any     bool
	}{
		{none, "same origin", false},
		{mustOrigins(t), "same origin", false},
		{mustOrigins(t, "https://a.example", "null"), "same origin, https://a.example, null", false},
		{mustOrigins(t, "https://a.example", "*"), "every origin", true},
	}
	for _, tt := range tests {
		if got := tt.origins.String(); got != tt.want || tt.origins.Any() != tt.any {
			t.Errorf("%q, any %v, want %q, %v", got, tt.origins.Any(), tt.want, tt.any)
		}
	}
}

// Only an origin that is listed by itself is known by itself.
func TestOriginsLists(t *testing.T) {
	for _, c := range []struct {
		patterns []string
		origin   string
		want     bool
	}{
		{[]string{"https://app.example.com"}, "https://app.example.com", true},
		{[]string{"https://app.example.com"}, "https://APP.example.com:443", true},
		{[]string{"https://app.example.com:8443", "http://localhost:5173"}, "http://localhost:5173", true},
		{[]string{"capacitor://localhost"}, "capacitor://localhost", true},
		{[]string{"https://app.example.com"}, "http://app.example.com", false},
		{[]string{"https://app.example.com"}, "https://app.example.com:8443", false},
		{[]string{"https://app.example.com"}, "https://other.example.com", false},
		{[]string{"https://*.example.com"}, "https://app.example.com", false},
		{[]string{"https://*.example.com", "https://app.example.com"}, "https://app.example.com", true},
		{[]string{"http://localhost:*"}, "http://localhost:5173", false},
		{[]string{"app.example.com"}, "https://app.example.com", false},
		{[]string{"chrome-extension://*"}, "chrome-extension://abc", false},
		{[]string{"file://"}, "file://", false},
		{[]string{"null"}, "null", false},
		{[]string{"*"}, "https://app.example.com", false},
		{[]string{"*", "https://app.example.com"}, "https://app.example.com", true},
		{nil, "https://app.example.com", false},
		{[]string{"https://app.example.com"}, "", false},
		{[]string{"https://app.example.com"}, "https://app.example.com/", false},
	} {
		o, err := handshake.ParseOrigins(c.patterns)
		if err != nil {
			t.Fatal(err)
		}
		if got := o.Lists(c.origin); got != c.want {
			t.Errorf("%q lists %q: %v", c.patterns, c.origin, got)
		}
	}
	if (*handshake.Origins)(nil).Lists("https://app.example.com") {
		t.Error("nil lists an origin")
	}
}
