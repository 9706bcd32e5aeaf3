package server

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/godwit-io/godwit/internal/hops"
)

// Nobody is taken for a program of this machine, for which no rate holds, because of what
// fields say: neither of a client nor of a proxy.
func TestNobodyBecomesLocalByFields(t *testing.T) {
	e := &edge{trusted: hops.Trusted{Prefixes: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}, Unix: true}}
	for _, row := range []struct {
		peer, name, value string
		want              string // "" for a program of this machine without an address
	}{
		{"127.0.0.1", "", "", "127.0.0.1"},
		{"", "", "", "invalid IP"},
		{"127.0.0.1", "X-Forwarded-For", "192.0.2.1", "192.0.2.1"},
		{"127.0.0.1", "X-Forwarded-For", "127.0.0.1, 192.0.2.1", "192.0.2.1"},
		{"127.0.0.1", "X-Forwarded-For", "unknown, 192.0.2.1", "192.0.2.1"},
		{"127.0.0.1", "X-Forwarded-For", "127.0.0.1", "0.0.0.0"},
		{"127.0.0.1", "X-Forwarded-For", "::ffff:127.0.0.1", "0.0.0.0"},
		{"127.0.0.1", "X-Forwarded-For", "unknown", "0.0.0.0"},
		{"127.0.0.1", "X-Forwarded-For", "", "0.0.0.0"},
		{"127.0.0.1", "Forwarded", `for="`, "0.0.0.0"},
		{"127.0.0.1", "Forwarded", "for=_hidden", "0.0.0.0"},
		{"127.0.0.1", "Forwarded", `for="[::1]"`, "0.0.0.0"},
		{"", "X-Forwarded-For", "unknown", "0.0.0.0"},
		{"", "X-Forwarded-For", "192.0.2.1", "192.0.2.1"},
		{"10.0.0.1", "X-Forwarded-For", "127.0.0.1", "0.0.0.0"},
		{"192.0.2.9", "X-Forwarded-For", "127.0.0.1", "192.0.2.9"},
		{"192.0.2.9", "Forwarded", "for=127.0.0.1", "192.0.2.9"},
		{"::ffff:192.0.2.9", "X-Forwarded-For", "127.0.0.1", "192.0.2.9"},
	} {
		h := http.Header{}
		if row.name != "" {
			h[row.name] = []string{row.value}
		}
		peer, _ := netip.ParseAddr(row.peer)
		if got := e.clientAddress(peer, fieldsOf(h)).String(); got != row.want {
			t.Errorf("from %q with %s: %q it is %s, want %s", row.peer, row.name, row.value, got, row.want)
		}
	}
	e.proxyProtocol = true // the peer is what a header has said, or the proxy if it said nothing
	for peer, want := range map[string]string{"127.0.0.1": "0.0.0.0", "": "0.0.0.0", "10.0.0.1": "10.0.0.1", "192.0.2.1": "192.0.2.1"} {
		addr, _ := netip.ParseAddr(peer)
		if got := e.clientAddress(addr, fieldsOf(nil)).String(); got != want {
			t.Errorf("with the PROXY protocol from %q it is %s, want %s", peer, got, want)
		}
	}
}
