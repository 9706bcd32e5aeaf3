package engine

// holding is what a connection has whose input waits: because the application wants
// that, or because a read had more messages in it than a turn should deliver.
//
//	read ─► 64 messages ─► what they led to is sent ─► 64 messages ─► …
//
// Receivers have queues that are bounded, in messages too; a read of 64 KiB can hold
// ten thousand, and all of them at once would not fit.
type holding struct {
	rest      *assembly // was read and not decoded; nil if nothing was
	from      int       // what of it was decoded
	long      bool      // the application paused it, so time has passed
	unread    bool      // the poller was told that nothing is to be read
	unwatched bool      // the poller does not know the descriptor any more
}

// PauseReading stops reading and decoding until ResumeReading: for an application
// whose commands wait for something. Messages that have been decoded are handed on;
// what the peer sends from then on waits, first with the connection, 64 KiB of it at
// most, and then with the peer. Control frames wait, too, so a ping of the peer is
// not answered, and a peer that is silent is not taken for dead. Writing goes on,
// and so does Close, which reads again.
//
// A pause takes effect at once in OnMessage, and otherwise soon.
func (c *Conn) PauseReading() {
	c.mu.Lock()
	c.flags |= pausing
	c.unlockAndPost()
}

// ResumeReading goes on where PauseReading has stopped.
func (c *Conn) ResumeReading() {
	c.mu.Lock()
	if c.flags&pausing == 0 {
		c.mu.Unlock()
		return
	}
	c.flags &^= pausing
	c.unlockAndPost()
}

// isPaused reports whether the application has stopped reading; mu is held.
func (c *Conn) isPaused() bool {
	return c.flags&pausing != 0 && c.proto.MayWrite() == nil // a closing handshake has to be read
}

// keepUndecoded keeps p, which was read and not decoded. What was kept already stays where
// it is, or many short messages would be moved as often as there are of them. mu is
// held.
func (c *Conn) keepUndecoded(p []byte) {
	x := c.needRare()
	if x.held == nil {
		x.held = &holding{}
	}
	h := x.held
	c.mode |= keepsInput
	h.long = h.long || c.flags&pausing != 0
	switch {
	case len(p) == 0:
	case h.rest != nil:
		h.from = len(h.rest.b) - len(p)
	default:
		h.rest, h.from = assemblies.Get().(*assembly), 0
		h.rest.b = append(h.rest.b, p...)
	}
}

// continueAfterPause does what the application wants of reading, and goes on with what was
// kept.
func (l *loop) continueAfterPause(c *Conn) {
	c.mu.Lock()
	kept := c.mode&keepsInput != 0
	if c.isPaused() {
		if !kept {
			c.keepUndecoded(nil)
		}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	if !kept || c.mode&(pausedReading|awaitsHandler) != 0 {
		return
	}
	h := c.held()
	long := h.long
	h.long = false
	c.mode &^= keepsInput
	var p []byte // there may be more to inflate also when nothing is held
	if h.rest != nil {
		p = h.rest.b[h.from:]
	}
	l.input(c, p)
	if c.mode&keepsInput != 0 || c.state != stateOpen {
		return
	}
	c.dropHeld()
	l.releaseInput(c)
	if long && c.fd >= 0 {
		// What may be there decides whether the peer is alive, and a timer may be due.
		l.read(c)
	}
}

// held is the input of c that waits, or that has waited once, or nil.
func (c *Conn) held() *holding {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.rareState(); r != nil {
		return r.held
	}
	return nil
}

// releaseInput ends keeping input: the poller watches for more.
func (l *loop) releaseInput(c *Conn) {
	c.mode &^= keepsInput
	if h := c.held(); h != nil {
		if h.unwatched {
			if err := l.poll.Add(c.fd, c.slot); err != nil {
				l.server.log().Error("engine: cannot watch a connection", "error", err)
			}
		}
		h.unread, h.unwatched = false, false
	}
	l.watch(c)
}

// dropHeld gives up what was kept.
func (c *Conn) dropHeld() {
	if h := c.held(); h != nil && h.rest != nil {
		h.rest.recycle()
		h.rest = nil
	}
}

// holdUnread is called when the poller says that there is something to read, and
// it has to stay where it is.
func (l *loop) holdUnread(c *Conn) {
	if c.state != stateOpen {
		l.checkHangUp(c)
		return
	}
	c.mu.Lock()
	paused := c.isPaused()
	c.mu.Unlock()
	h := c.held()
	switch {
	case !paused: // it goes on in this turn
	case !h.unread:
		h.unread = true
		l.watch(c)
	default:
		// A peer that has gone is reported whatever is watched.
		h.unwatched = true
		l.poll.Remove(c.fd)
	}
}
