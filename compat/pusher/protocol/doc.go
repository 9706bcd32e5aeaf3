// Package protocol is the server's side of the Pusher Channels protocol, version 7, without I/O.
//
// A Socket is the dialect of one connection: messages of the client and time go in,
// commands to a session of the hub come out; what the session is owed goes in, frames
// come out. Beside it is what the HTTP API and the webhooks share with it: the names of
// channels, the IDs of sockets, and signatures.
//
//	client ⇄ carrier ──frames──► Socket ──commands──► session ⇄ broker
//	                 ◄──frames──        ◄──pushes────
//
// A channel C of an app is the channel PREFIX+C of the hub, a user ID the user
// PREFIX+ID, and messages to a user go through the channel of that user.
package protocol
