// Package hops finds the client of a request that came through proxies: what trusted
// proxies say in Forwarded (RFC 7239) and X-Forwarded-For, -Proto and -Host.
package hops
