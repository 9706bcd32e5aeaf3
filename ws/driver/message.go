package driver

import "github.com/godwit-io/godwit/ws/wire"

// MessageType says what a message is. The values are those on the wire.
type MessageType uint8

// The types of messages (RFC 6455 §5.6).
const (
	MessageText   = MessageType(wire.Text)   // valid UTF-8
	MessageBinary = MessageType(wire.Binary) // any bytes
)

// String returns "text" or "binary".
func (t MessageType) String() string { return wire.Opcode(t).String() }

// Message is a message in memory. Its source or destination says who owns Data.
type Message struct {
	Type MessageType
	Data []byte
}

// check says why a message cannot be sent: ErrMessageType, ErrNotUTF8 or nil.
func check(typ MessageType, p []byte) error {
	switch typ {
	case MessageBinary:
		return nil
	case MessageText:
		var u wire.UTF8
		if u.Write(p) && u.Done() {
			return nil
		}
		return ErrNotUTF8
	}
	return ErrMessageType
}
