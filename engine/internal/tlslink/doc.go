// Package tlslink lets crypto/tls work for an event loop, which does its I/O.
package tlslink
