package socketio

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/godwit-io/godwit/socketio/packet"
	"github.com/godwit-io/godwit/ws/driver"
)

// Errors. Those of Emit and the like are of misuse, or say that the Socket has ended; the
// connection of another client is never worse for them.
var (
	ErrClosed       = errors.New("socketio: the socket has ended")
	ErrNotConnected = errors.New("socketio: OnConnect has not let the client in yet")
	ErrAcked        = errors.New("socketio: the event has been acknowledged, or its client does not ask for it")
	ErrTooManyAcks  = errors.New("socketio: too many acknowledgements are awaited from this client")
	ErrTooManyRooms = errors.New("socketio: the socket is in too many rooms")

	ErrEventName   = errors.New("socketio: an event cannot have this name, which clients have a meaning for")
	ErrAttachments = fmt.Errorf("socketio: more than %d byte slices in a packet, which clients refuse", packet.AttachmentsMax)
	ErrPlaceholder = errors.New("socketio: an argument looks like the place of an attachment and is none")

	// ErrTryLater, returned by OnConnect, closes the connection of the client, which comes
	// back by itself after some seconds. Any other error is final for clients.
	ErrTryLater = errors.New("socketio: the client shall try again later")
)

// OptionError says that an option cannot be as it is: a mistake of the program.
type OptionError = driver.OptionError

// NoLimit, as the value of an option that is a limit or a time, means that there is none.
const NoLimit = driver.NoLimit

// Refusal is an error for OnConnect to return: the client is told of it. The client gets
// an Error as its event connect_error, and does not try again by itself.
type Refusal struct {
	Message string
	Data    any // becomes JSON; nil for none
}

// Error returns the message.
func (r *Refusal) Error() string { return "socketio: connection refused: " + r.Message }

// refusal returns what a client is told of err. Errors that were not made for it may
// hold internal details.
func refusal(err error) (message string, data []byte, told bool) {
	var r *Refusal
	if !errors.As(err, &r) {
		return "Refused", nil, false
	}
	if r.Data == nil {
		return r.Message, nil, true
	}
	data, err = json.Marshal(r.Data)
	return r.Message, data, err == nil
}

// ArgumentError says which argument of an event is not what the program expects.
type ArgumentError struct {
	Index int // of the argument, from 0
	Err   error
}

// Error describes the mistake.
func (e *ArgumentError) Error() string {
	return fmt.Sprintf("socketio: argument %d: %v", e.Index, e.Err)
}

// Unwrap returns the cause.
func (e *ArgumentError) Unwrap() error { return e.Err }

var errMissing = errors.New("it is missing")
