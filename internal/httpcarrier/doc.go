// Package httpcarrier serves a request, or a WebSocket, on an event loop or on
// goroutines, as one thing: protocols that have sessions of their own (Engine.IO, SockJS)
// are written once, in callbacks that never wait, and run on both.
//
//	net/http ── ServeHTTP, AcceptHTTP ──┐
//	                                    ├── Responder, Handler
//	engine ──── Route, Admit ───────────┘
package httpcarrier
