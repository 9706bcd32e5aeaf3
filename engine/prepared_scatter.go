package engine

import "github.com/godwit-io/godwit/engine/internal/socket"

// canScatter reports whether c's frames can be sent from where they are, and need
// not be in one piece; mu is held.
func (c *Conn) canScatter() bool {
	r := c.rareState()
	return c.fd >= 0 && (r == nil || r.stream == nil && r.link == nil) // TLS wants to encrypt
}

// scatter writes what can be written of parts at once. They are those of an
// outbox that has references, so c is a bare descriptor.
func (l *loop) scatter(c *Conn, parts [][]byte) (int, error) {
	if socket.CanSendParts && l.system == &socket.System && len(parts) > 1 {
		sent, err := socket.SendParts(c.fd, parts)
		if sent > 0 {
			return sent, nil // an error comes again
		}
		return 0, err
	}
	sent := 0
	for _, p := range parts {
		n, err := l.send(c, p)
		sent += n
		switch {
		case err != nil && sent > 0:
			return sent, nil
		case err != nil || n < len(p):
			return sent, err
		}
	}
	return sent, nil
}
