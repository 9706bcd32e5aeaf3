package privateaddr

import (
	"context"
	"fmt"
	"net/netip"
	"syscall"
)

// Error says that a request would have gone where none goes.
type Error struct {
	Addr netip.Addr
	What string // what is there
}

// Error names the address and what is there.
func (e *Error) Error() string {
	return fmt.Sprintf("%s is %s; requests go there only with allow_private", e.Addr, e.What)
}

// special are the parts of the internet's addresses that are not for everybody
// (IANA's registries of special-purpose addresses, RFC 6890), and addresses in
// public space at which clouds tell machines their secrets.
var special = []struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this machine or network"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private address"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a shared private address"}, // also a cloud's metadata
	{netip.MustParsePrefix("127.0.0.0/8"), "a loopback address"},
	{netip.MustParsePrefix("168.63.129.16/32"), "a cloud's metadata address"},
	{netip.MustParsePrefix("169.254.0.0/16"), "a link-local address"}, // also clouds' metadata
	{netip.MustParsePrefix("172.16.0.0/12"), "a private address"},
	{netip.MustParsePrefix("192.0.0.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.0.2.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a reserved address"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private address"},
	{netip.MustParsePrefix("198.18.0.0/15"), "an address for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "an address for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "a multicast address"},
	{netip.MustParsePrefix("240.0.0.0/4"), "a reserved address"},

	{netip.MustParsePrefix("::/128"), "this machine"},
	{netip.MustParsePrefix("::1/128"), "a loopback address"},
	{netip.MustParsePrefix("fc00::/7"), "a private address"}, // also a cloud's metadata
	{netip.MustParsePrefix("fe80::/10"), "a link-local address"},
	{netip.MustParsePrefix("ff00::/8"), "a multicast address"},
	{netip.MustParsePrefix("2001::/23"), "a reserved address"}, // Teredo among them, which wraps any IPv4 address
	{netip.MustParsePrefix("2001:db8::/32"), "an address for documentation"},
	{netip.MustParsePrefix("2002::/16"), "a 6to4 address"}, // which wraps any IPv4 address
	{netip.MustParsePrefix("3fff::/20"), "an address for documentation"},
}

var (
	global6 = netip.MustParsePrefix("2000::/3")     // all of IPv6 that is assigned to be public
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last four bytes are an IPv4 address
)

// What says what is at an address that is not of the public internet, and "" of one that
// is.
func What(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if nat64.Contains(a) {
		b := a.As16()
		return What(netip.AddrFrom4([4]byte(b[12:])))
	}
	for _, s := range special {
		if s.prefix.Contains(a) {
			return s.what
		}
	}
	if !a.Is4() && !global6.Contains(a) {
		return "a reserved address"
	}
	return ""
}

// Guard refuses to connect to private addresses, with an *Error: it is the ControlContext
// of a net.Dialer. It is called between resolution and connection, for the very address
// that is connected to, so that a name that resolves differently the second time gains
// nothing.
func Guard(_ context.Context, _, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%q is not an address", address)
	}
	if what := What(ap.Addr()); what != "" {
		return &Error{ap.Addr(), what}
	}
	return nil
}
