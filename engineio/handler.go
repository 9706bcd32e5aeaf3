package engineio

// Handler is the application. The calls for one Socket come one after another, from
// whatever goroutine or event loop has something for it; those for different sockets may
// come at the same time. None of them may block: other sessions would wait. To do
// something that takes time, start a goroutine and return; Socket.Wake brings its outcome
// back in turn.
//
// A call that panics ends the session with ReasonPanic and no other.
type Handler interface {
	// OnOpen is called once, before everything else. Its messages are sent together with
	// the handshake.
	OnOpen(s *Socket)

	// OnMessage is called with each message, in order. data is valid until it returns:
	// copy it to keep it.
	OnMessage(s *Socket, typ MessageType, data []byte)

	// OnWake is called soon after Socket.Wake, and at the time of Socket.WakeAt.
	OnWake(s *Socket)

	// OnDrain is called when everything that had to wait has left, see Socket.Buffered.
	OnDrain(s *Socket)

	// OnClose is called once, last. If OnOpen was called, it will be.
	OnClose(s *Socket, reason Reason)
}

// NopHandler does nothing. Embed it to write only the callbacks that matter.
type NopHandler struct{}

// OnOpen does nothing.
func (NopHandler) OnOpen(*Socket) {}

// OnMessage does nothing.
func (NopHandler) OnMessage(*Socket, MessageType, []byte) {}

// OnWake does nothing.
func (NopHandler) OnWake(*Socket) {}

// OnDrain does nothing.
func (NopHandler) OnDrain(*Socket) {}

// OnClose does nothing.
func (NopHandler) OnClose(*Socket, Reason) {}
