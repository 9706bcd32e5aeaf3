// Package transport binds WebSocket, Server-Sent Events, HTTP streaming and long polling to sessions of a hub.
//
// A channel is a URL, and a Transport serves every way the web has of talking to it,
// as an http.Handler or, by Route and Admit, on the loops of an engine.Server:
//
//	GET  /channels/NAME  Upgrade: websocket            raw WebSocket
//	GET  /channels/NAME  Accept: text/event-stream     Server-Sent Events
//	GET  /channels/NAME  Accept: application/x-ndjson  one envelope a line
//	GET  /channels/NAME  Accept: application/json      a page of history
//	     … and           Prefer: wait=N                a long poll
//	POST /channels/NAME                                publish the body
//	GET  /presence/NAME                                the subscribers
//
// Requests are judged in handler.go and websocket.go, for net/http and loops alike
// (asked.go); answers are made in response.go. The meaning of the bytes is package
// dialect's, a conversation binds a dialect to the hub, and the files carrier_*.go
// move the bytes. A new way to read a channel is a dialect, and a line in
// readDialect.
//
// NAME is everything after /channels/, split at "/" and percent-decoded segment
// by segment. A segment may not be "." or "..", which no browser can address,
// nor hold an encoded slash, which proxies disagree about.
//
// The reads take ?since=POSITION or ?last=N to replay first, and continue live
// with nothing missing and nothing repeated between the two. Parameters that are
// not known are ignored, so that a cache buster or a tag does no harm; a known
// parameter that is given twice or cannot be understood is an error, so that a
// requested replay is never left out in silence.
//
// Every error is an RFC 9457 problem document out of one table, see problem.go.
package transport
