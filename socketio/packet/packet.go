package packet

import (
	"errors"
	"fmt"
)

// Type is the type of a packet.
type Type uint8

// The types of packets. An event or acknowledgement with attachments is BINARY_EVENT or
// BINARY_ACK on the wire, and Event or Ack with Attachments here.
const (
	Connect      Type = 0 // join a namespace; and the answer
	Disconnect   Type = 1 // leave a namespace
	Event        Type = 2
	Ack          Type = 3
	ConnectError Type = 4 // the namespace cannot be joined
)

// On the wire only.
const (
	binaryEvent Type = 5
	binaryAck   Type = 6
)

// String is the name that the protocol gives the type.
func (t Type) String() string {
	names := [...]string{"CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// Main is the namespace that every client knows, and that is left out of packets.
const Main = "/"

// AttachmentsMax is the most attachments that a packet may have: clients refuse more, so
// what has more sends its bytes as text.
const AttachmentsMax = 10

// Packet is one packet. Which fields are used depends on its type.
type Packet struct {
	Type      Type
	Namespace string // begins with a slash; "" is read as Main by what encodes

	// ID is the acknowledgement that an Event with HasID asks for, or that an Ack is.
	ID    uint64
	HasID bool

	// Event is the name of an Event. A name that came as a number is its digits.
	Event string

	// Args are the arguments of an Event, without its name, or of an Ack: any number of
	// JSON values with commas between them. See Args.
	Args Args

	// Data is the data of a Connect or ConnectError: a JSON value, or nil.
	Data []byte

	// Attachments are the bytes that the placeholders in Args stand for, by their number.
	Attachments [][]byte
}

// The faults of packets. What wraps them ends the connection: both sides would no longer
// agree on what follows.
var (
	ErrType             = errors.New("packet: unknown type")
	ErrNamespace        = errors.New("packet: namespace is too long")
	ErrAttachments      = errors.New("packet: number of attachments is missing, 0, or too large")
	ErrID               = errors.New("packet: acknowledgement id is no number of 64 bits, or not expected")
	ErrData             = errors.New("packet: JSON is invalid, or not what the type has")
	ErrEventName        = errors.New("packet: name of the event is missing or reserved")
	ErrPlaceholder      = errors.New("packet: placeholder stands for no attachment, or for one that another stands for")
	ErrUnexpectedText   = errors.New("packet: text where an attachment was announced")
	ErrUnexpectedBinary = errors.New("packet: binary message that no packet announced")
	ErrTooLarge         = errors.New("packet: packet and attachments are too large together")
	ErrOrder            = errors.New("packet: not for a namespace in this state")
	ErrConnectTimeout   = errors.New("packet: no namespace was joined in time")
)

// IsReserved reports whether an event cannot have this name: clients tell the program of
// other things by these.
func IsReserved(event string) bool {
	switch event {
	case "connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener":
		return true
	}
	return false
}
