package engine

// OnLoop reports whether a loop does c's I/O.
func (c *Conn) OnLoop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd >= 0
}

// HandshakesWaiting returns how many handshakes of TLS wait for their turn.
func (s *Server) HandshakesWaiting() int {
	s.handshakes.mu.Lock()
	defer s.handshakes.mu.Unlock()
	if n := len(s.handshakes.places); n == s.handshakes.queue.Len() {
		return n
	}
	panic("the queue and its places differ")
}
