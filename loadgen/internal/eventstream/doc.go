// Package eventstream takes Server-Sent Events apart, from bytes as they arrive (HTML §9.2.6).
//
// A Parser copies nothing of an event that comes in one piece with one line of
// data, as most do. It performs no I/O.
package eventstream
