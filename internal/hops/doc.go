// Package hops finds out who a request that came through proxies is from: what trusted
// proxies say in Forwarded (RFC 7239) and X-Forwarded-For, -Proto and -Host.
package hops
