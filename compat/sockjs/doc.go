// Package sockjs makes base URLs of SockJS the channels of a hub: unmodified clients of
// SockJS and everybody else hear each other.
//
//	new SockJS("/sockjs/chat/room/7")   the channel chat/room/7
//	?last=10&envelope=1                 the parameters of a channel's WebSocket
//	sock.send("hello")                  a publication, Text
//	sock.onmessage                      each publication; bytes as base64
//	/sockjs/chat/room/7/websocket       the channel's own WebSocket
//
// A session of SockJS is one of the hub, which begins before the client is told that its
// session is open: a client that may not is told so by a close code, and does not try its
// other transports.
package sockjs
