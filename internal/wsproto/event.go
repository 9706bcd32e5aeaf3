package wsproto

import (
	"fmt"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// Kind says what an Event is.
type Kind uint8

const (
	None  Kind = iota // all bytes were used; more are needed
	Data              // a part of a message, often the whole of it
	Ping              // the peer asked; the pong is queued
	Pong              // the peer answered, or sent a pong unasked
	Close             // the peer's close frame; the echo is queued if it is owed
	Fail              // the connection is over; the close frame is queued if one is owed
)

func (k Kind) String() string {
	return [...]string{"none", "data", "ping", "pong", "close", "fail"}[k]
}

// Event is something that happened. Payload aliases the bytes given to Next, or
// memory of the Conn, and is valid until the next call of Next.
type Event struct {
	Kind Kind

	// Data.
	Op    wire.Opcode // wire.Text or wire.Binary, on every part of the message
	First bool        // the message begins with this part
	Last  bool        // the message ends with this part

	// The payload of Data, Ping and Pong, and the reason of Close.
	Payload []byte

	// Close: the peer's code, wire.CloseNoStatus when it gave none.
	// Fail: the code this side answers with.
	Code wire.CloseCode

	// Pong: the time since the keepalive ping it answers, 0 for any other pong.
	RTT time.Duration

	// Fail: what the peer did wrong, always a *Fault.
	Err error
}

// Fault is a violation of the protocol or of a limit by the peer.
type Fault struct {
	Code wire.CloseCode // goes on the wire
	Text string         // goes on the wire as the reason, too
}

func (f *Fault) Error() string { return fmt.Sprintf("websocket: %s (%s)", f.Text, f.Code) }

// What a peer can do wrong. The texts are short enough for a close frame.
var (
	faultReservedBits   = &Fault{wire.CloseProtocolError, "reserved bits set without an extension"}
	faultReservedOpcode = &Fault{wire.CloseProtocolError, "reserved opcode"}
	faultNotMasked      = &Fault{wire.CloseProtocolError, "frame from a client is not masked"}
	faultMasked         = &Fault{wire.CloseProtocolError, "frame from a server is masked"}
	faultControlFragm   = &Fault{wire.CloseProtocolError, "fragmented control frame"}
	faultControlLength  = &Fault{wire.CloseProtocolError, "control frame longer than 125 bytes"}
	faultNotMinimal     = &Fault{wire.CloseProtocolError, "frame length is not in its shortest form"}
	faultLengthOverflow = &Fault{wire.CloseProtocolError, "most significant bit of the frame length is set"}
	faultContinuation   = &Fault{wire.CloseProtocolError, "continuation without a message to continue"}
	faultInterleaved    = &Fault{wire.CloseProtocolError, "new message before the last one ended"}
	faultCloseLength    = &Fault{wire.CloseProtocolError, "close frame with a payload of one byte"}
	faultCloseCode      = &Fault{wire.CloseProtocolError, "close code that may not be sent"}
	faultCloseReason    = &Fault{wire.CloseInvalidPayload, "close reason is not valid UTF-8"}
	faultUTF8           = &Fault{wire.CloseInvalidPayload, "text message is not valid UTF-8"}
	faultMessageBytes   = &Fault{wire.CloseMessageTooBig, "message longer than the limit"}
	faultFragments      = &Fault{wire.CloseMessageTooBig, "message of more fragments than the limit"}
	faultPingTimeout    = &Fault{wire.CloseInternalError, "keepalive ping timeout"}
	faultIdle           = &Fault{wire.CloseGoingAway, "no message for longer than the idle timeout"}
	faultCloseTimeout   = &Fault{wire.CloseAbnormal, "no close frame came back in time"}
)
