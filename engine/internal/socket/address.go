package socket

import (
	"net"
	"net/netip"
)

// Address is an IP address and port in few bytes; the zero value is none.
type Address struct {
	ip   [16]byte
	port uint16
	kind addressKind
}

type addressKind uint8

const (
	noAddress addressKind = iota
	ip4Address
	ip6Address
)

// AddressOf returns a as an Address, the zero value if it is none.
func AddressOf(a netip.AddrPort) Address {
	switch ip := a.Addr(); {
	case ip.Is4() || ip.Is4In6():
		return Address{ip: ip.As16(), port: a.Port(), kind: ip4Address}
	case ip.Is6():
		return Address{ip: ip.As16(), port: a.Port(), kind: ip6Address}
	}
	return Address{}
}

// AddrPort returns the address, the zero value if there is none.
func (a *Address) AddrPort() netip.AddrPort {
	ip := netip.AddrFrom16(a.ip)
	switch a.kind {
	case noAddress:
		return netip.AddrPort{}
	case ip4Address:
		ip = ip.Unmap()
	}
	return netip.AddrPortFrom(ip, a.port)
}

// NetAddr returns the address in the form of package net.
func (a *Address) NetAddr() net.Addr {
	if a.kind == noAddress {
		return &net.UnixAddr{Net: "unix"} // sockets of one machine; the peer has no name
	}
	return net.TCPAddrFromAddrPort(a.AddrPort())
}
