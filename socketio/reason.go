package socketio

import "github.com/godwit-io/godwit/engineio"

// Reason is why a Socket has ended. The words are those of the reference server, where it
// has one.
type Reason string

// The reasons. After all but the first two, clients come back by themselves.
const (
	ReasonClientDisconnect Reason = "client namespace disconnect" // the client left
	ReasonServerDisconnect Reason = "server namespace disconnect" // Socket.Disconnect was called
	ReasonServerClose      Reason = "forced server close"         // Socket.Close was called
	ReasonTransportClose   Reason = "transport close"             // the connection was closed, for example with the page
	ReasonTransportError   Reason = "transport error"             // the connection broke
	ReasonPingTimeout      Reason = "ping timeout"                // the client fell silent
	ReasonParseError       Reason = "parse error"                 // the client sent what the protocol does not allow
	ReasonTooLarge         Reason = "payload too large"           // the client sent too much at once
	ReasonQueueFull        Reason = "queue full"                  // the client did not fetch its messages
	ReasonShuttingDown     Reason = "server shutting down"        // Server.Shutdown or Server.Close was called
	ReasonPanic            Reason = "handler panicked"            // a handler panicked
	ReasonTaken            Reason = "recovered elsewhere"         // the client has recovered on another connection
)

// isRecoverable reports whether a client may go on later as if nothing had happened.
func (r Reason) isRecoverable() bool {
	switch r {
	case ReasonTransportClose, ReasonTransportError, ReasonPingTimeout, ReasonServerClose, ReasonTaken:
		return true
	}
	return false
}

func reasonOf(r engineio.Reason) Reason {
	switch r {
	case engineio.ReasonTransportClose:
		return ReasonTransportClose
	case engineio.ReasonPingTimeout:
		return ReasonPingTimeout
	case engineio.ReasonParseError:
		return ReasonParseError
	case engineio.ReasonTooLarge:
		return ReasonTooLarge
	case engineio.ReasonQueueFull:
		return ReasonQueueFull
	case engineio.ReasonForcedClose:
		return ReasonServerClose
	case engineio.ReasonShuttingDown:
		return ReasonShuttingDown
	case engineio.ReasonPanic:
		return ReasonPanic
	}
	return ReasonTransportError
}
