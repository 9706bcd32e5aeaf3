package ratelimit

import "net/netip"

// addressBits are those of an IPv6 address that say whose it is. A customer has
// at least a /64 and can take any address in it, a new one for each connection.
const addressBits = 64

// AddressKey is the key of an address in a Table or Counts: the address itself
// with IPv4, also if it is written as IPv6, and the first address of its /64 with
// IPv6. Zones are left out. Of the zero Addr it is the zero Addr. It does not
// allocate.
func AddressKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	network, err := a.Prefix(addressBits)
	if err != nil {
		return a // there is none for the zero Addr, which is not Is6
	}
	return network.Addr()
}
