package engine

import (
	"errors"

	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of misuse. They change nothing: the connection goes on. They are those of
// package ws.
var (
	ErrMessageType = driver.ErrMessageType
	ErrCloseCode   = driver.ErrCloseCode
	ErrNotUTF8     = driver.ErrNotUTF8
)

// ErrClosing is returned by writes between a close frame and the end of the
// connection.
var ErrClosing = driver.ErrClosing

// ErrQueueFull is returned by writes when the peer does not keep up. Nothing was
// written then, and the connection goes on.
var ErrQueueFull = driver.ErrQueueFull

// ErrWriteTimeout is in the chain of a CloseError when the peer did not read.
var ErrWriteTimeout = driver.ErrWriteTimeout

// ErrServerClosed is returned by Serve after Shutdown or Close, and by
// everything else that a server can no longer do then.
var ErrServerClosed = errors.New("engine: the server is closed")

// ErrConnsMax is returned by Upgrade and Adopt when there are Server.ConnsMax
// connections already. The connection that was to be taken over is closed.
var ErrConnsMax = errors.New("engine: there are as many connections as ConnsMax allows")

// CloseError says how a connection ended, and is that of package ws. Code and
// Reason are those of the peer's close frame: Code is wire.CloseNoStatus when it had
// none, and wire.CloseAbnormal when there was no close frame. Sent is the code of
// this side's, 0 if there was none. Err is what ended a connection that was not
// closed in good order. Errors.Is and errors.As look into it.
type CloseError = driver.CloseError

// CloseStatus returns the code that the peer closed with, if err is or wraps a
// *CloseError, and 0 otherwise.
func CloseStatus(err error) StatusCode { return driver.CloseStatus(err) }

// abnormal is the end without a close frame of the peer (RFC 6455 §7.1.5).
func abnormal(err error) *CloseError { return &CloseError{Code: wire.CloseAbnormal, Err: err} }
