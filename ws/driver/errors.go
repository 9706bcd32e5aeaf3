package driver

import "errors"

// Errors of misuse. They change nothing: the connection goes on.
var (
	// ErrMessageType says that a message is neither text nor binary.
	ErrMessageType = errors.New("websocket: a message is text or binary")

	// ErrNotUTF8 says that a text message is not valid UTF-8 (RFC 6455 §5.6).
	ErrNotUTF8 = errors.New("websocket: a text message must be valid UTF-8; send a binary message instead")

	// ErrCloseCode says that a code may not appear in a close frame
	// (RFC 6455 §7.4), see wire.CloseCode.OnWire.
	ErrCloseCode = errors.New("websocket: close code that may not be sent; use 1000 to 1003, 1007 to 1014 or 3000 to 4999")
)

// ErrClosing is returned by writes between a close frame and the end of the
// connection.
var ErrClosing = errors.New("websocket: the connection is closing")

// ErrQueueFull is returned by what queues a message when the peer does not keep
// up and the queue has no room.
var ErrQueueFull = errors.New("websocket: the queue of messages to send is full")

// ErrWriteTimeout is in the chain of a CloseError when the peer did not read.
var ErrWriteTimeout = errors.New("websocket: the peer did not read within the write timeout")
