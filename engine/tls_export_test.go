package engine

// OnLoop reports whether a loop does c's I/O.
func (c *Conn) OnLoop() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fd >= 0
}
