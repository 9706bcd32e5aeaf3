// Package pusher serves unmodified clients of Pusher Channels, and the back ends that publish to them, on the channels of the hub.
//
// A client connects to /app/KEY, as a WebSocket or, where there is none, over HTTP below
// /pusher/app/KEY. A back end uses the HTTP API below /apps/ID, and is told by webhooks
// what happens. The meaning of the messages is in package protocol.
//
//	client ─── /app/KEY ───────── transport ─── protocol.Socket ──┐
//	client ─── /pusher/app/KEY ── sockjs ────── protocol.Socket ──┤
//	back end ─ /apps/ID/… ─────── api ────────────────────────────┼── hub
//	back end ◄ webhooks ───────── tellings ◄──── Subscribed, … ───┘
package pusher
