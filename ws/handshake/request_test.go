package handshake_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

// sampleKey and sampleAccept are the ones of RFC 6455 §1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// chromeRequest is what Chrome sends from a page of the same origin.
func chromeRequest() *handshake.Request {
	return &handshake.Request{
		Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: "app.example.com:8000",
		Header: handshake.Header{
			"Connection":               {"Upgrade"},
			"Pragma":                   {"no-cache"},
			"Cache-Control":            {"no-cache"},
			"User-Agent":               {"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"},
			"Upgrade":                  {"websocket"},
			"Origin":                   {"http://app.example.com:8000"},
			"Sec-Websocket-Version":    {"13"},
			"Accept-Encoding":          {"gzip, deflate"},
			"Accept-Language":          {"en-GB,en;q=0.9"},
			"Sec-Websocket-Key":        {sampleKey},
			"Sec-Websocket-Extensions": {"permessage-deflate; client_max_window_bits"},
		},
	}
}

// set returns a change to a request that gives a field these values, or removes it.
func set(name string, values ...string) func(*handshake.Request) {
	return func(r *handshake.Request) {
		if values == nil {
			delete(r.Header, name)
		} else {
			r.Header[name] = values
		}
	}
}

func numbered(n int, separator string) string {
	elements := make([]string, n)
	for i := range elements {
		elements[i] = "t" + strings.Repeat("x", i)
	}
	return strings.Join(elements, separator)
}

func TestCheckRefuses(t *testing.T) {
	type change = func(*handshake.Request)
	tests := []struct {
		name   string
		change change
		status int
		rule   handshake.Rule
		reason string // a part of it
	}{
		{"HTTP/1.0", func(r *handshake.Request) { r.ProtoMinor = 0 }, 400, handshake.RuleHTTPVersion, "HTTP/1.0"},
		{"HTTP/0.9", func(r *handshake.Request) { r.ProtoMajor, r.ProtoMinor = 0, 9 }, 400, handshake.RuleHTTPVersion, "HTTP/0.9"},
		{"HTTP/2", func(r *handshake.Request) { r.ProtoMajor, r.ProtoMinor = 2, 0 }, 505, handshake.RuleHTTPVersion, "HTTP/2"},
		{"POST", func(r *handshake.Request) { r.Method = "POST" }, 405, handshake.RuleMethod, `not "POST"`},
		{"get in lower case", func(r *handshake.Request) { r.Method = "get" }, 405, handshake.RuleMethod, `not "get"`},
		{"CONNECT over HTTP/1.1", func(r *handshake.Request) { r.Method = "CONNECT" }, 405, handshake.RuleMethod, "CONNECT"},
		{"no host", func(r *handshake.Request) { r.Host = "" }, 400, handshake.RuleHost, "host:port"},
		{"host with userinfo", func(r *handshake.Request) { r.Host = "a@b" }, 400, handshake.RuleHost, "a@b"},
		{"host with path", func(r *handshake.Request) { r.Host = "a/b" }, 400, handshake.RuleHost, "a/b"},
		{"two hosts", func(r *handshake.Request) { r.Host = "a, b" }, 400, handshake.RuleHost, "a, b"},
		{"only a port", func(r *handshake.Request) { r.Host = ":80" }, 400, handshake.RuleHost, ":80"},

		{"an ordinary GET", func(r *handshake.Request) { r.Header = nil }, 426, handshake.RuleUpgrade, "only WebSocket"},
		{"upgrade lost", set("Upgrade"), 426, handshake.RuleUpgrade, "proxy"},
		{"upgrade to h2c", set("Upgrade", "h2c"), 426, handshake.RuleUpgrade, "proxy"},
		{"upgrade to a longer name", set("Upgrade", "websockets"), 426, handshake.RuleUpgrade, "proxy"},
		{"upgrade with a version", set("Upgrade", "websocket/13"), 426, handshake.RuleUpgrade, "proxy"},
		{"upgrade quoted", set("Upgrade", `"websocket"`), 426, handshake.RuleUpgrade, "proxy"},
		{"upgrade folded beyond ASCII", set("Upgrade", "web\u017foc\u212aet"), 426, handshake.RuleUpgrade, "proxy"},
		{"connection lost", set("Connection"), 426, handshake.RuleUpgrade, "not Connection: Upgrade"},
		{"connection keep-alive", set("Connection", "keep-alive"), 426, handshake.RuleUpgrade, "not Connection: Upgrade"},
		{"connection without a comma", set("Connection", "keep-alive Upgrade"), 426, handshake.RuleUpgrade, "not Connection: Upgrade"},

		{"content", func(r *handshake.Request) { r.Content = true }, 400, handshake.RuleContent, "no content"},
		{"content length", set("Content-Length", "5"), 400, handshake.RuleContent, "no content"},
		{"two content lengths", set("Content-Length", "0", "5"), 400, handshake.RuleContent, "no content"},
		{"chunked", set("Transfer-Encoding", "chunked"), 400, handshake.RuleContent, "no content"},

		{"no version", set("Sec-Websocket-Version"), 426, handshake.RuleVersion, "lacks"},
		{"version 8", set("Sec-Websocket-Version", "8"), 426, handshake.RuleVersion, `"8"`},
		{"version 013", set("Sec-Websocket-Version", "013"), 426, handshake.RuleVersion, `"013"`},
		{"version list", set("Sec-Websocket-Version", "8, 13"), 426, handshake.RuleVersion, `"8, 13"`},
		{"version empty", set("Sec-Websocket-Version", ""), 426, handshake.RuleVersion, `""`},
		{"version twice", set("Sec-Websocket-Version", "13", "13"), 400, handshake.RuleVersion, "once"},
		{"wrong version and no key", func(r *handshake.Request) {
			set("Sec-Websocket-Version", "14")(r)
			set("Sec-Websocket-Key")(r)
		}, 426, handshake.RuleVersion, `"14"`},

		{"no key", set("Sec-Websocket-Key"), 400, handshake.RuleKey, "lacks"},
		{"key twice", set("Sec-Websocket-Key", sampleKey, sampleKey), 400, handshake.RuleKey, "once"},
		{"key empty", set("Sec-Websocket-Key", ""), 400, handshake.RuleKey, "16 bytes"},
		{"key of 15 bytes", set("Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAA"), 400, handshake.RuleKey, "16 bytes"},
		{"key of 17 bytes", set("Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAAAAA="), 400, handshake.RuleKey, "16 bytes"},
		{"key of 18 bytes", set("Sec-Websocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA"), 400, handshake.RuleKey, "16 bytes"},
		{"key unpadded", set("Sec-Websocket-Key", sampleKey[:22]), 400, handshake.RuleKey, "16 bytes"},
		{"key with spare bits", set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZR=="), 400, handshake.RuleKey, "16 bytes"},
		{"key in the URL alphabet", set("Sec-Websocket-Key", "-_hlIHNhbXBsZSBub25jZQ=="), 400, handshake.RuleKey, "16 bytes"},
		{"key with a line end", set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==\r\n"), 400, handshake.RuleKey, `\r\n`},
		{"key with a line end inside", set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25\nZQ=="), 400, handshake.RuleKey, `\n`},

		{"another origin", set("Origin", "http://evil.example"), 403, handshake.RuleOrigin, "http://evil.example"},
		{"origin null", set("Origin", "null"), 403, handshake.RuleOrigin, "null"},
		{"origin empty", set("Origin", ""), 403, handshake.RuleOrigin, `""`},
		{"origin twice", set("Origin", "http://app.example.com:8000", "http://app.example.com:8000"), 400, handshake.RuleOrigin, "once"},
		{"origin http over TLS", func(r *handshake.Request) { r.Secure = true }, 403, handshake.RuleOrigin, "http://app.example.com:8000"},

		{"subprotocol with a space", set("Sec-Websocket-Protocol", "a b"), 400, handshake.RuleSubprotocol, `at byte 2: "b"`},
		{"subprotocol quoted", set("Sec-Websocket-Protocol", `"a"`), 400, handshake.RuleSubprotocol, "token"},
		{"subprotocol not ASCII", set("Sec-Websocket-Protocol", "caf\u00e9"), 400, handshake.RuleSubprotocol, `\u00e9`},
		{"subprotocol twice", set("Sec-Websocket-Protocol", "a, b, a"), 400, handshake.RuleSubprotocol, "repeats number 3"},
		{"subprotocol twice in two lines", set("Sec-Websocket-Protocol", "a", "a"), 400, handshake.RuleSubprotocol, "repeats number 2"},
		{"too many subprotocols", set("Sec-Websocket-Protocol", numbered(handshake.TokensMax+1, ",")), 431, handshake.RuleSubprotocol, "at most 64"},

		{"extension without a name", set("Sec-Websocket-Extensions", "; a"), 400, handshake.RuleExtension, "name of an extension"},
		{"extension with an open quote", set("Sec-Websocket-Extensions", `a; b="c`), 400, handshake.RuleExtension, "closing quote"},
		{"too many extensions", set("Sec-Websocket-Extensions", numbered(handshake.ExtensionsMax+1, ",")), 431, handshake.RuleExtension, "at most 16"},
		{"too many parameters", set("Sec-Websocket-Extensions", numbered(handshake.ParamsMax+2, ";")), 431, handshake.RuleExtension, "at most 16"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := chromeRequest()
			tt.change(r)
			a, f := handshake.Check(r, nil)
			if f == nil {
				t.Fatalf("accepted as %+v", a)
			}
			if f.Status != tt.status || f.Rule != tt.rule {
				t.Errorf("got %d %s, want %d %s (%s)", f.Status, f.Rule, tt.status, tt.rule, f.Reason)
			}
			if !strings.Contains(f.Reason, tt.reason) {
				t.Errorf("reason %q does not say %q", f.Reason, tt.reason)
			}
			if !reflect.DeepEqual(a, handshake.Accepted{}) {
				t.Errorf("a refused request gave %+v", a)
			}
			checkFaultHeader(t, f)
		})
	}
}

// checkFaultHeader holds a fault against what its status must carry.
func checkFaultHeader(t *testing.T, f *handshake.Fault) {
	t.Helper()
	want := handshake.Header{"Connection": {"close"}}
	switch f.Status {
	case 405:
		want["Allow"] = []string{"GET"}
	case 426:
		want["Connection"] = []string{"close", "Upgrade"}
		want["Upgrade"] = []string{"websocket"}
		want["Sec-Websocket-Version"] = []string{"13"}
	case 505:
		want = handshake.Header{} // HTTP/2 has no Connection field
	}
	if !reflect.DeepEqual(f.Header, want) {
		t.Errorf("header %v, want %v", f.Header, want)
	}
	for i := range len(f.Reason) {
		if f.Reason[i] < ' ' || f.Reason[i] >= 0x7f {
			t.Fatalf("reason is not printable ASCII: %q", f.Reason)
		}
	}
	if len(f.Reason) > 600 {
		t.Errorf("reason of %d bytes", len(f.Reason))
	}
}

func TestCheckAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*handshake.Request)
	}{
		{"as Chrome sends it", func(*handshake.Request) {}},
		{"as Firefox sends it", set("Connection", "keep-alive, Upgrade")},
		{"HTTP/1.2", func(r *handshake.Request) { r.ProtoMinor = 2 }},
		{"upgrade in another case", set("Upgrade", "WebSocket")},
		{"upgrade among others", set("Upgrade", "h2c, websocket")},
		{"upgrade in the second line", set("Upgrade", "h2c", "websocket")},
		{"connection in another case", set("Connection", "UPGRADE")},
		{"connection in the second line", set("Connection", "keep-alive", "upgrade")},
		{"connection amid blanks and empty elements", set("Connection", ",\t, upgrade ,,")},
		{"connection amid malformed elements", set("Connection", `"x, upgrade, @`)},
		{"no origin", set("Origin")},
		{"content of no bytes", set("Content-Length", "0")},
		{"no extensions", set("Sec-Websocket-Extensions")},
		{"an empty extension field", set("Sec-Websocket-Extensions", "")},
		{"an empty subprotocol field", set("Sec-Websocket-Protocol", "")},
		{"most subprotocols", set("Sec-Websocket-Protocol", numbered(handshake.TokensMax, ","))},
		{"most extensions", set("Sec-Websocket-Extensions", numbered(handshake.ExtensionsMax, ","))},
		{"most parameters", set("Sec-Websocket-Extensions", numbered(handshake.ParamsMax+1, ";"))},
		{"an IPv4 host in a short form", func(r *handshake.Request) {
			r.Host = "127.1:8000"
			delete(r.Header, "Origin")
		}},
		{"a host with an underscore", func(r *handshake.Request) {
			r.Host = "my_service"
			r.Header["Origin"] = []string{"https://my_service"}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := chromeRequest()
			tt.change(r)
			before := maps.Clone(r.Header)
			a, f := handshake.Check(r, nil)
			if f != nil {
				t.Fatal(f)
			}
			if a.Key != sampleKey || a.Subprotocol != "" {
				t.Errorf("got %+v", a)
			}
			if !reflect.DeepEqual(r.Header, before) {
				t.Error("Check modified the header")
			}
		})
	}
}

func TestCheckResult(t *testing.T) {
	r := chromeRequest()
	r.Header["Sec-Websocket-Protocol"] = []string{"godwit.v1, godwit.v2", "json"}
	a, f := handshake.Check(r, &handshake.Policy{Subprotocols: []string{"json", "godwit.v1"}})
	if f != nil {
		t.Fatal(f)
	}
	want := handshake.Accepted{
		Key:         sampleKey,
		Subprotocol: "json",
		Offered:     []string{"godwit.v1", "godwit.v2", "json"},
		Extensions: []handshake.Extension{
			{Name: "permessage-deflate", Params: []handshake.Param{{Name: "client_max_window_bits"}}},
		},
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("got  %+v\nwant %+v", a, want)
	}
}

func TestCheckSubprotocol(t *testing.T) {
	last := func(offered []string) string { return offered[len(offered)-1] }
	tests := []struct {
		name    string
		offered string
		policy  *handshake.Policy
		want    string
	}{
		{"no policy", "a, b", nil, ""},
		{"the server's order counts", "a, b", &handshake.Policy{Subprotocols: []string{"b", "a"}}, "b"},
		{"none in common", "a, b", &handshake.Policy{Subprotocols: []string{"c"}}, ""},
		{"case counts", "A", &handshake.Policy{Subprotocols: []string{"a"}}, ""},
		{"nothing offered", "", &handshake.Policy{Subprotocols: []string{"a"}}, ""},
		{"select", "a, b", &handshake.Policy{Select: last, Subprotocols: []string{"a"}}, "b"},
		{"select none", "a", &handshake.Policy{Select: func([]string) string { return "" }, Subprotocols: []string{"a"}}, ""},
		{"select is not asked about nothing", "", &handshake.Policy{Select: last}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := chromeRequest()
			if tt.offered != "" {
				r.Header["Sec-Websocket-Protocol"] = []string{tt.offered}
			}
			a, f := handshake.Check(r, tt.policy)
			if f != nil {
				t.Fatal(f)
			}
			if a.Subprotocol != tt.want {
				t.Errorf("chose %q, want %q", a.Subprotocol, tt.want)
			}
		})
	}

	t.Run("select invents", func(t *testing.T) {
		r := chromeRequest()
		r.Header["Sec-Websocket-Protocol"] = []string{"a"}
		_, f := handshake.Check(r, &handshake.Policy{Select: func([]string) string { return "b" }})
		if f == nil || f.Status != 500 || f.Rule != handshake.RuleSelect {
			t.Fatalf("got %v, want 500", f)
		}
		checkFaultHeader(t, f)
	})
}

func TestCheckOrigins(t *testing.T) {
	o, err := handshake.ParseOrigins([]string{"https://*.example.org"})
	if err != nil {
		t.Fatal(err)
	}
	r := chromeRequest()
	r.Header["Origin"] = []string{"https://a.example.org"}
	if _, f := handshake.Check(r, &handshake.Policy{Origins: o}); f != nil {
		t.Error(f)
	}
	r.Header["Origin"] = []string{"https://a.example.net"}
	if _, f := handshake.Check(r, &handshake.Policy{Origins: o}); f == nil || f.Status != 403 {
		t.Errorf("got %v, want 403", f)
	}
}

// A peer chooses the text of many faults; it must stay one short line of ASCII.
func TestFaultQuotes(t *testing.T) {
	hostile := strings.Repeat("\r\nSet-Cookie: a=b\x00\x1b[31m\xff", 4000)
	for _, field := range []string{"Sec-Websocket-Version", "Sec-Websocket-Key", "Origin",
		"Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Upgrade", "Connection"} {
		r := chromeRequest()
		r.Header[field] = []string{hostile}
		_, f := handshake.Check(r, nil)
		if f == nil {
			t.Fatalf("%s: accepted", field)
		}
		checkFaultHeader(t, f)
	}
	for _, change := range []func(*handshake.Request){
		func(r *handshake.Request) { r.Method = hostile },
		func(r *handshake.Request) { r.Host = hostile },
	} {
		r := chromeRequest()
		change(r)
		_, f := handshake.Check(r, nil)
		if f == nil {
			t.Fatal("accepted")
		}
		checkFaultHeader(t, f)
	}
	f := &handshake.Fault{Status: 403, Reason: "no"}
	if got, want := f.Error(), "handshake: no (403)"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestIsUpgrade(t *testing.T) {
	tests := []struct {
		name   string
		header handshake.Header
		want   bool
	}{
		{"nothing", nil, false},
		{"a browser", chromeRequest().Header, true},
		{"Upgrade alone", handshake.Header{"Upgrade": {"h2c, WebSocket"}}, true},
		{"Upgrade lost on the way", handshake.Header{"Sec-Websocket-Key": {sampleKey}}, true},
		{"another protocol", handshake.Header{"Upgrade": {"h2c"}, "Connection": {"Upgrade"}}, false},
		{"an event stream", handshake.Header{"Accept": {"text/event-stream"}}, false},
	}
	for _, tt := range tests {
		if got := handshake.IsUpgrade(tt.header); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Requests share one Policy and one Origins; -race watches.
func TestCheckConcurrently(t *testing.T) {
	o, err := handshake.ParseOrigins([]string{"https://*.example.org", "null"})
	if err != nil {
		t.Fatal(err)
	}
	p := &handshake.Policy{Origins: o, Subprotocols: []string{"b", "a"}}
	done := make(chan string)
	for range 8 {
		go func() {
			r := chromeRequest()
			r.Header["Origin"] = []string{"null"}
			r.Header["Sec-Websocket-Protocol"] = []string{"a, b"}
			a, _ := handshake.Check(r, p)
			done <- a.Subprotocol
		}()
	}
	var got []string
	for range 8 {
		got = append(got, <-done)
	}
	if len(slices.Compact(got)) != 1 || got[0] != "b" {
		t.Errorf("got %q", got)
	}
}
