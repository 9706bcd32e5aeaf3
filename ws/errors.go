package ws

import (
	"errors"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of misuse. They change nothing: the connection goes on.
var (
	ErrMessageType = driver.ErrMessageType
	ErrCloseCode   = driver.ErrCloseCode
	ErrNotUTF8     = driver.ErrNotUTF8
	ErrServerOnly  = errors.New("websocket: whole frames can be sent by a server only, as a client masks each afresh")
)

// ErrClosing is returned by writes between a close frame and the end of the
// connection.
var ErrClosing = driver.ErrClosing

// ErrWriteTimeout is in the chain of a CloseError when the peer did not read.
var ErrWriteTimeout = driver.ErrWriteTimeout

// ErrQueueFull is returned by Enqueue when the peer does not keep up.
var ErrQueueFull = driver.ErrQueueFull

// CloseError says how a connection ended. It is shared by all calls and must not
// be modified. It is that of package engine, too, and has a LogValue for log/slog.
//
// Its fields Code and Reason are the peer's: Code is wire.CloseNoStatus when its
// close frame had none, and wire.CloseAbnormal when there was no close frame; the
// reason is text of the peer, so quote it before showing it to anyone. Sent is the
// code of this side's close frame, 0 if there was none. Err is what ended a
// connection that was not closed in good order: a fault of the peer, an error of
// the network, a timeout. Errors.Is and errors.As look into it.
type CloseError = driver.CloseError

// CloseStatus returns the code that the peer closed with, if err is or wraps a
// *CloseError, and 0 otherwise.
func CloseStatus(err error) StatusCode { return driver.CloseStatus(err) }

// abnormal is the end without a close frame of the peer (RFC 6455 §7.1.5).
func abnormal(err error) *CloseError { return &CloseError{Code: wire.CloseAbnormal, Err: err} }
