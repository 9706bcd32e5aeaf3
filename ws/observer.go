package ws

import "github.com/godwit-io/godwit/ws/wire"

// Observer is told what happens on connections, to count, trace or log it. See
// Options.Observer.
//
// For one connection its methods are called one after another, OnOpen first and
// OnClose last, by the goroutines that read and write, which wait for it; no lock
// is held, so it may use the connection. For several connections they are called
// at the same time.
type Observer interface {
	// OnOpen is called when the opening handshake is done.
	OnOpen(c *Conn)

	// OnFrame is called for each frame that has begun to arrive and is in order,
	// and for each that is about to be sent. In a browser, where a program sees no
	// frames, every message is one.
	OnFrame(c *Conn, f Frame)

	// OnClose is called when the connection has ended. e is what Err returns.
	OnClose(c *Conn, e *CloseError)
}

// Frame is what an Observer learns of a frame.
type Frame struct {
	Sent       bool // by this side
	Opcode     wire.Opcode
	Fin        bool  // its message ends with it
	Compressed bool  // it begins a compressed message (RFC 7692 §6)
	Bytes      int64 // of its payload, as it is on the wire
}
