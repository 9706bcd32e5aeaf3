package engineio

// Reason is why a session has ended.
type Reason uint8

// The reasons. Where the reference server has one, its word for it is the same.
const (
	// ReasonTransportClose is an end by the client, or the end of its connection: a
	// close packet, a close frame, a poll that was given up.
	ReasonTransportClose Reason = iota + 1

	// ReasonTransportError is a connection that broke, or a request that did not arrive
	// in time.
	ReasonTransportError

	ReasonPingTimeout  // the client did not answer a ping in time; or in version 3 sent none
	ReasonParseError   // the client sent what the protocol does not allow
	ReasonTooLarge     // the client sent more than Options.MaxPayload at once
	ReasonQueueFull    // the client did not fetch its messages
	ReasonForcedClose  // Socket.Close was called
	ReasonShuttingDown // Server.Shutdown or Server.Close was called
	ReasonPanic        // a call of the Handler panicked

	reasons // their number, and one
)

var reasonTexts = [reasons]string{
	"none", "transport close", "transport error", "ping timeout", "parse error", "payload too large",
	"queue full", "forced close", "server shutting down", "handler panicked",
}

// String returns a few words in lower case, "ping timeout" for example.
func (r Reason) String() string {
	if r >= reasons {
		r = 0
	}
	return reasonTexts[r]
}
