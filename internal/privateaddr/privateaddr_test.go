package privateaddr

import (
	"net/netip"
	"testing"
)

func TestPrivateAddresses(t *testing.T) {
	for _, a := range []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.1", "168.63.129.16",
		"169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
		"203.0.113.9", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "fe80::1", "fe80::1%eth0", "fec0::1",
		"fc00::1", "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::1", "2002:a00:1::", "3fff::1", "4000::1",
	} {
		if What(netip.MustParseAddr(a)) == "" {
			t.Errorf("%s is not private", a)
		}
	}
	for _, a := range []string{
		"1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "168.63.129.17", "169.253.255.255",
		"172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1", "223.255.255.255",
		"::ffff:8.8.8.8", "64:ff9b::808:808", "2606:4700:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
	} {
		if what := What(netip.MustParseAddr(a)); what != "" {
			t.Errorf("%s is %s", a, what)
		}
	}
}

// An IPv4 address is as private in every form in which IPv6 can hold it, and what
// the standard library calls private is.
func FuzzPrivateAddresses(f *testing.F) {
	for _, a := range []string{"127.0.0.1", "8.8.8.8", "::1", "fe80::1", "2606:4700::1"} {
		f.Add(netip.MustParseAddr(a).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		what := What(a)
		if a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsUnspecified() {
			if what == "" {
				t.Fatalf("%s is not private", a)
			}
		}
		if a.Is4() {
			mapped := netip.AddrFrom16(a.As16())
			wrapped := nat64.Addr().As16()
			copy(wrapped[12:], b)
			if What(mapped) != what || What(netip.AddrFrom16(wrapped)) != what {
				t.Fatalf("%s is %q, and another as %s", a, what, mapped)
			}
		}
		if err := Guard(t.Context(), "tcp", netip.AddrPortFrom(a, 443).String(), nil); (err != nil) != (what != "") {
			t.Fatalf("%s: %v", a, err)
		}
	})
}
