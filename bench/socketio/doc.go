// Command socketio compares package socketio with the reference server of Socket.IO, which
// runs on Node, on this machine. It needs Linux, node and npm.
//
//	go run ./socketio                        # about two minutes
//	go run ./socketio -rounds 1 -seconds 1
//
// Each server is a process of its own, on one processor and with GOMAXPROCS=1; the
// generator is another, on another processor. Servers take turns. Clients speak over
// WebSocket. With a window of 1 each has one event under way, and a server makes two system
// calls for each event: most of what it costs is the kernel's. With a window of 16 a server
// may take and send several at once.
//
// What counts is the time on the processor that a message costs the server, because it does
// not depend on how fast the generator is.
package main
