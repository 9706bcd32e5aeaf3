// Package piesocket maps PieSocket, versions 3 and 4, to channels.
//
// A Protocol serves the WebSockets of its clients at /v3/CHANNEL and /v4/CHANNEL, on the
// carriers of package transport, and an API the requests of back ends. A Socket is one
// connection: a dialect without I/O.
//
//	client ⇄ carrier ──frames──► Socket ──commands──► session ⇄ broker
//	                 ◄──frames──        ◄──pushes────
//
// The channel that a client of an app calls CHANNEL is PREFIX+CHANNEL.
package piesocket
