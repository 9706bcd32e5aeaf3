// Package engineio serves Engine.IO, the transport of Socket.IO: sessions that begin with
// HTTP requests and move to a WebSocket when one can be had.
//
// It speaks version 4 of the protocol, and version 3 if it is allowed.
package engineio
