// Package dialect gives meaning to the bytes between a client and a channel, as state machines
// without I/O.
//
// A carrier moves frames and knows no channel; a session of the hub has channels
// and knows no frames. A Dialect is between them: frames and time go in, commands
// come out; pushes go in, frames come out. It does no I/O, reads no clock, takes
// no lock and starts no goroutine, so a dialogue is tested by reading it.
//
//	client ⇄ carrier ──frames──► Dialect ──commands──► session ⇄ broker
//	                 ◄──frames──         ◄──pushes────
//
// The dialects here are those of a channel's URL: a WebSocket that is bare or in
// envelopes, Server-Sent Events, lines of JSON, a page that may wait, and a
// publication.
package dialect
