package hops_test

import (
	"iter"
	"net/netip"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/godwit-io/godwit/internal/hops"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var trusted = &hops.Trusted{Unix: true, Prefixes: []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("127.0.0.1/32"),
}}

// fields makes those of lines.
func fields(lines ...string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, line := range lines {
			name, value, _ := strings.Cut(line, ": ")
			if !yield(name, value) {
				return
			}
		}
	}
}

func TestResolve(t *testing.T) {
	for _, tt := range []struct {
		peer, fields string // fields are separated by |
		addr         string // empty: none
		proto, host  string
	}{
		{"192.0.2.9", "", "192.0.2.9", "", ""},
		{"::ffff:192.0.2.9", "", "192.0.2.9", "", ""},
		{"fe80::1%eth0", "", "fe80::1", "", ""},
		// A peer that is not trusted is the client, whatever it says.
		{"192.0.2.9", "X-Forwarded-For: 198.51.100.1|Forwarded: for=198.51.100.1;proto=https|X-Forwarded-Proto: https|X-Forwarded-Host: evil", "192.0.2.9", "", ""},
		{"10.0.0.1", "", "10.0.0.1", "", ""},
		{"", "", "", "", ""},
		{"", "X-Forwarded-For: 198.51.100.1", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 198.51.100.1", "198.51.100.1", "", ""},
		{"::ffff:10.0.0.1", "x-forwarded-for: 198.51.100.1", "198.51.100.1", "", ""},
		// The last that is not trusted; what stands before it, the client may have made up.
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.1, 10.0.0.2", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 10.0.0.9, 198.51.100.1", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1|X-Forwarded-For: 198.51.100.1|X-Forwarded-For: 10.0.0.2", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 10.0.0.3, 10.0.0.2", "10.0.0.3", "", ""},
		{"10.0.0.1", "X-Forwarded-For: , 198.51.100.1 ,,", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 198.51.100.1:4711", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 2001:db8::1", "2001:db8::1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: ::ffff:198.51.100.1", "198.51.100.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1, unknown", "", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.300", "", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 198.51.100.1|X-Forwarded-Proto: https|X-Forwarded-Host: a.example", "198.51.100.1", "https", "a.example"},
		{"10.0.0.1", "X-Forwarded-Proto: HTTPS", "10.0.0.1", "https", ""},
		{"10.0.0.1", "X-Forwarded-Proto: gopher", "10.0.0.1", "", ""},
		{"10.0.0.1", "X-Forwarded-For: 1.1.1.1, 198.51.100.1|X-Forwarded-Proto: http, https", "198.51.100.1", "https", ""},
		{"10.0.0.1", "X-Forwarded-For: 198.51.100.1, 10.0.0.2|X-Forwarded-Proto: https, http", "198.51.100.1", "https", ""},
		// A Forwarded that a proxy has passed on unseen does not count.
		{"10.0.0.1", "Forwarded: for=1.1.1.1;proto=https|X-Forwarded-For: 198.51.100.1", "198.51.100.1", "", ""},
		{"10.0.0.1", "Forwarded: for=198.51.100.1;proto=https;host=a.example", "198.51.100.1", "https", "a.example"},
		{"10.0.0.1", `Forwarded: For="[2001:db8::1]:4711" ; Proto=http`, "2001:db8::1", "http", ""},
		{"10.0.0.1", "Forwarded: for=1.1.1.1, for=198.51.100.1;proto=https, for=10.0.0.2;proto=http", "198.51.100.1", "https", ""},
		{"10.0.0.1", "Forwarded: for=1.1.1.1|Forwarded: for=198.51.100.1", "198.51.100.1", "", ""},
		{"10.0.0.1", "Forwarded: for=_hidden", "", "", ""},
		{"10.0.0.1", "Forwarded: for=1.1.1.1, for=unknown", "", "", ""},
		{"10.0.0.1", "Forwarded: by=10.0.0.1", "10.0.0.1", "", ""},
		{"10.0.0.1", "Forwarded: for=198.51.100.1:_port", "198.51.100.1", "", ""},
		{"10.0.0.1", `Forwarded: for="1.1.1.1`, "10.0.0.1", "", ""},
		{"10.0.0.1", "Forwarded: for=1.1.1.1;for=2.2.2.2", "10.0.0.1", "", ""},
		{"10.0.0.1", "Forwarded: for=1.1.1.1|Forwarded: nonsense", "10.0.0.1", "", ""},
		{"10.0.0.1", `Forwarded: for="198.51.100\.1"`, "198.51.100.1", "", ""},
	} {
		var peer netip.Addr
		if tt.peer != "" {
			peer = netip.MustParseAddr(tt.peer)
		}
		c := hops.Resolve(peer, fields(strings.Split(tt.fields, "|")...), trusted)
		addr := ""
		if c.Addr.IsValid() {
			addr = c.Addr.String()
		}
		if addr != tt.addr || c.Proto != tt.proto || c.Host != tt.host {
			t.Errorf("%s, %s: %q %q %q, want %q %q %q", tt.peer, tt.fields, addr, c.Proto, c.Host, tt.addr, tt.proto, tt.host)
		}
	}
	if c := hops.Resolve(netip.MustParseAddr("10.0.0.1"), fields("X-Forwarded-For: 1.1.1.1, "+strings.Repeat("10.0.0.2, ", 100)+"10.0.0.3"), trusted); c.Addr.String() != "10.0.0.2" {
		t.Error(c)
	}
}

func TestTrusted(t *testing.T) {
	for _, nobody := range []*hops.Trusted{{}, {Prefixes: []netip.Prefix{}}} {
		if nobody.Has(netip.Addr{}) || nobody.Has(netip.MustParseAddr("127.0.0.1")) {
			t.Error(nobody)
		}
	}
}

// Nothing that is sent makes a trusted hop of one that is not, and nothing an untrusted
// peer sends has any effect.
func FuzzResolve(f *testing.F) {
	for _, s := range []string{"198.51.100.1, 10.0.0.2", "[2001:db8::1]:80", "unknown", "for=1.1.1.1;proto=https;host=a", `for="[::1]:_x", by=z`, `for="\`} {
		f.Add(s, s, s)
	}
	f.Fuzz(func(t *testing.T, forwarded, xff, proto string) {
		all := func(yield func(string, string) bool) {
			_ = (forwarded == "" || yield("Forwarded", forwarded)) && yield("X-Forwarded-For", xff) && yield("X-Forwarded-Proto", proto)
		}
		stranger := netip.MustParseAddr("192.0.2.9")
		if c := hops.Resolve(stranger, all, trusted); c != (hops.Client{Addr: stranger}) {
			t.Fatal(c)
		}
		c := hops.Resolve(netip.MustParseAddr("10.0.0.1"), all, trusted)
		if c.Addr.Is4In6() || c.Addr.Zone() != "" || c.Proto != "" && c.Proto != "http" && c.Proto != "https" {
			t.Fatal(c)
		}
	})
}

func FuzzParseForwarded(f *testing.F) {
	for _, s := range []string{"", "for=1.1.1.1", `for="a\"b";by=c,;host=d`, "for=[::1]:80 , proto=x", `="`, "for=é"} {
		f.Add(s, "for=x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		both, err := hops.ParseForwarded([]string{a, b})
		if err != nil {
			if both != nil {
				t.Fatal(both)
			}
			return
		}
		first, err := hops.ParseForwarded([]string{a})
		second, err2 := hops.ParseForwarded([]string{b})
		if err != nil || err2 != nil || len(first)+len(second) != len(both) {
			t.Fatal(first, second, both)
		}
		// A list in one field is the same as in two.
		if joined, err := hops.ParseForwarded([]string{a + "," + b}); err != nil || len(joined) != len(both) {
			t.Fatal(joined, both, err)
		}
	})
}
