package sockjs

import "fmt"

// Code is the code of a close frame. Those from 3000 to 4999 are the application's; the
// client shows code and reason to its page as they are.
type Code uint16

// The codes that this package closes with.
const (
	CloseNormal          Code = 1000
	CloseGoingAway       Code = 1001 // the Server ends
	CloseInterrupted     Code = 1002 // a receiver's connection broke, so messages may be lost
	CloseSlow            Code = 1008 // Options.QueueBytesMax or QueueMessagesMax
	CloseTooBig          Code = 1009 // Options.MessageBytesMax
	CloseInternal        Code = 1011 // a callback has panicked, or there is no Handler
	CloseTryAgainLater   Code = 1013 // Options.SessionsMax, or nobody has decided in time
	CloseAnotherReceiver Code = 2010 // said to a receiver while there is another one
	CloseBroken          Code = 3000 // input of a WebSocket was not JSON
)

// The reasons that go with codes of the protocol. Clients may compare them.
const (
	reasonAnother     = "Another connection still open"
	reasonInterrupted = "Connection interrupted"
	reasonBroken      = "Broken framing."
)

// CloseError says how a session ended.
type CloseError struct {
	// Code and Reason are the ones that the client was told, or would have been told
	// if it had asked. A client that closes says neither on most transports: the Code
	// is CloseNormal then, with IsRemote.
	Code   Code
	Reason string

	// IsRemote says that it was not this side that ended the session: the client closed
	// its WebSocket, did not come back within DisconnectDelay, or its connection broke.
	IsRemote bool

	// Err is what broke, if something did: an error of the connection.
	Err error
}

// Error says code, reason and cause.
func (e *CloseError) Error() string {
	side := "closed by this side"
	if e.IsRemote {
		side = "the client has gone"
	}
	text := fmt.Sprintf("sockjs: %s with %d", side, e.Code)
	if e.Reason != "" {
		text += fmt.Sprintf(" %.123q", e.Reason)
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *CloseError) Unwrap() error { return e.Err }
