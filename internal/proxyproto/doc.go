// Package proxyproto reads the header that a proxy sends in front of a connection to
// say whose it is: the PROXY protocol, versions 1 and 2.
//
// https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt is its specification.
package proxyproto
