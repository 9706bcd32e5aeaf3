package engine

import "github.com/godwit-io/godwit/ws/driver"

// MessageType says what a message is. The values are those on the wire.
type MessageType = driver.MessageType

const (
	MessageText   = driver.MessageText   // valid UTF-8
	MessageBinary = driver.MessageBinary // any bytes
)

// StatusCode is the code of a close frame; package wire names them all. These
// are the ones that an application says itself.
type StatusCode = driver.StatusCode

const (
	StatusNormal          = driver.StatusNormal
	StatusGoingAway       = driver.StatusGoingAway
	StatusUnsupportedData = driver.StatusUnsupportedData
	StatusPolicyViolation = driver.StatusPolicyViolation
	StatusMessageTooBig   = driver.StatusMessageTooBig
	StatusInternalError   = driver.StatusInternalError
	StatusServiceRestart  = driver.StatusServiceRestart
	StatusTryAgainLater   = driver.StatusTryAgainLater
)

// Prepared is a message that is sent to many connections: it is framed once, and
// compressed once for each window size that clients have agreed on. Its memory
// is shared by the queues of all of them, those of package ws included. It never
// changes and is safe for concurrent use. Type, Len and Payload say what it is;
// package driver has the rest.
type Prepared = driver.Prepared

// Prepare returns the message p. It copies p. It returns ErrMessageType or
// ErrNotUTF8.
func Prepare(typ MessageType, p []byte) (*Prepared, error) { return driver.Prepare(typ, p) }
