// Package transport binds WebSocket, Server-Sent Events, HTTP streaming and long polling to sessions of a hub.
//
// A channel is a URL, and one handler serves every way the web has of talking
// to it:
//
//	GET  /channels/NAME  Upgrade: websocket            raw WebSocket, see websocket.go
//	GET  /channels/NAME  Accept: text/event-stream     Server-Sent Events, see sse.go
//	GET  /channels/NAME  Accept: application/x-ndjson  one envelope a line, see ndjson.go
//	GET  /channels/NAME  Accept: application/json      a page of history, see page.go
//	     … and           Prefer: wait=N                a long poll
//	POST /channels/NAME                                publish the body, see publish.go
//	GET  /presence/NAME                                who is there, see presence.go
//
// NAME is everything after /channels/, split at "/" and percent-decoded segment
// by segment. A segment may not be "." or "..", which no browser can address,
// nor hold an encoded slash, which proxies disagree about.
//
// The reads take ?since=POSITION or ?last=N to replay first, and continue live
// with nothing missing and nothing repeated between the two. Parameters that are
// not known are ignored, so that a cache buster or a tag does no harm; a known
// one that is given twice or cannot be understood is an error, so that a replay
// that was asked for is never left out in silence.
//
// Every error is an RFC 9457 problem document out of one table, see problem.go.
package transport
