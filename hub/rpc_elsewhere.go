package hub

// Elsewhere answers methods that have no answerer here: by sessions on other nodes.
type Elsewhere interface {
	// Registered is told of registrations of sessions here for a pattern: 1 that has begun, or
	// -1 that has ended. It must not block. The order in which those of one pattern are told may be another one.
	Registered(pattern string, n int)

	// Call is like the function given to HandleAsync. The error is ErrNoMethod if the method
	// has no answerer elsewhere either.
	Call(c *IncomingCall, done func(Answer, error)) (cancel func())
}

// SetElsewhere says where methods are answered that neither a handler nor a session here
// answers. It is called at most once, before there are sessions.
func (h *Hub) SetElsewhere(e Elsewhere) { h.exchange.elsewhere = e }

// tellElsewhere tells of registrations; mu is not held.
func (x *exchange) tellElsewhere(n int, patterns ...string) {
	if x.elsewhere == nil {
		return
	}
	for _, pattern := range patterns {
		x.elsewhere.Registered(pattern, n)
	}
}

// askElsewhere has a call answered on another node. It returns false if it may not be.
func (x *exchange) askElsewhere(c *openCall) bool {
	if x.elsewhere == nil || c.incoming.OnlyHere {
		return false
	}
	c.by = HandlerAnswerer
	x.hand(&handler{begin: x.elsewhere.Call}, c)
	return true
}
