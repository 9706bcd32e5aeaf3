package hub

// Ended is a reason for Session.End that a client is told.
type Ended struct {
	Code      uint16 // a close code of WebSocket, from 4000 to 4999 (RFC 6455 §7.4.2)
	Reason    string // at most 123 bytes are told
	Reconnect bool   // the client is to come back
}

// Error is the reason.
func (e *Ended) Error() string { return "hub: ended: " + e.Reason }
