// Package socketio makes namespaces of Socket.IO channels of a hub: unmodified clients of
// Socket.IO and everybody else hear each other.
//
//	Socket.IO                              channels
//	namespace /chat, /a/b, /               chat, a/b, main
//	room R of namespace /chat              chat/R
//	socket.emit("said", "hello")           a publication with the event "said"
//	socket.emit("said", …, callback)       the callback is called when the broker has it
//	socket.id                              the session's ID
//
// Each namespace of a client is a conversation of its own, with its own session of the
// hub; all of them share one session of Engine.IO. What a publication is to clients of
// Socket.IO is encoded once for all of them.
package socketio
