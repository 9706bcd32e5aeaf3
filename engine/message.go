package engine

import "github.com/godwit-io/godwit/ws/wire"

// MessageType says what a message is. The values are those on the wire.
type MessageType uint8

const (
	MessageText   = MessageType(wire.Text)   // valid UTF-8
	MessageBinary = MessageType(wire.Binary) // any bytes
)

func (t MessageType) String() string { return wire.Opcode(t).String() }

// Message is one of several that are written together, see Conn.WriteBatch.
type Message struct {
	Type MessageType
	Data []byte
}

// StatusCode is the code of a close frame; package wire names them all. These
// are the ones that an application says itself.
type StatusCode = wire.CloseCode

const (
	StatusNormal          = wire.CloseNormal
	StatusGoingAway       = wire.CloseGoingAway
	StatusUnsupportedData = wire.CloseUnsupportedData
	StatusPolicyViolation = wire.ClosePolicyViolation
	StatusMessageTooBig   = wire.CloseMessageTooBig
	StatusInternalError   = wire.CloseInternalError
	StatusServiceRestart  = wire.CloseServiceRestart
	StatusTryAgainLater   = wire.CloseTryAgainLater
)
