package engine

import (
	"github.com/godwit-io/godwit/ws/handshake"
)

// pending is an opening handshake that waits for the application.
type pending struct {
	accepted handshake.Accepted
	agreed   agreement
}

func (l *loop) upgrades(c *Conn, e *exchange) {}

func (x Exchange) Accept(a Admission) error { return ErrNotAHandshake }
