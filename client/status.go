package client

// opener waits for the session to be open.
type opener struct{ opened chan<- error }

// addOpener has w be told when the session is open or never will be. It returns false if w
// has been told at once.
func (c *Client) addOpener(w *opener) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tellOpener(w) {
		return false
	}
	if c.openers == nil {
		c.openers = make(map[*opener]struct{})
	}
	c.openers[w] = struct{}{}
	return true
}

func (c *Client) dropOpener(w *opener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.openers, w)
}

// tellOpener tells w how it is, if it is what w waits for; c.mu is held.
func (c *Client) tellOpener(w *opener) bool {
	switch c.machine.State() {
	case Open:
		w.opened <- nil // it has room
	case Ended:
		w.opened <- c.machine.Err()
	default:
		return false
	}
	return true
}

// tellStatus tells the waiting openers and OnStatus of a new status.
func (c *Client) tellStatus() {
	c.mu.Lock()
	for w := range c.openers {
		if c.tellOpener(w) {
			delete(c.openers, w)
		}
	}
	hasNews := c.options.OnStatus != nil && c.status().differs(&c.told)
	c.mu.Unlock()
	if !hasNews || !c.telling.TryLock() {
		return // the goroutine that tells now looks again
	}
	for {
		c.mu.Lock()
		status := c.status()
		isNew := status.differs(&c.told)
		c.told = status
		if !isNew {
			c.telling.Unlock()
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		c.options.OnStatus(status)
	}
}

// differs reports whether s says something else than told. Each failure has another time
// of the next attempt, so errors need not be compared.
func (s Status) differs(told *Status) bool {
	return s.State != told.State || s.RetryAt != told.RetryAt || s.Transport != told.Transport || s.User != told.User || s.Session != told.Session
}
