package engine

import (
	"errors"
	"fmt"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of misuse. They change nothing: the connection goes on.
var (
	ErrMessageType = wsproto.ErrOpcode
	ErrCloseCode   = wsproto.ErrCloseCode
	ErrNotUTF8     = errors.New("websocket: a text message must be valid UTF-8; send a binary message instead")
)

// ErrClosing is returned by writes between a close frame and the end of the
// connection.
var ErrClosing = wsproto.ErrClosing

// ErrQueueFull is returned by writes when the peer does not keep up. Nothing was
// written then, and the connection goes on.
var ErrQueueFull = errors.New("websocket: the queue of messages to send is full")

// ErrWriteTimeout is in the chain of a CloseError when the peer did not read.
var ErrWriteTimeout = errors.New("websocket: the peer did not read within the write timeout")

// ErrServerClosed is returned by Serve after Shutdown or Close, and by
// everything else that a server can no longer do then.
var ErrServerClosed = errors.New("engine: the server is closed")

// ErrConnsMax is returned by Upgrade and Adopt when there are Server.ConnsMax
// connections already. The one that was to be taken over is closed.
var ErrConnsMax = errors.New("engine: there are as many connections as ConnsMax allows")

// CloseError says how a connection ended.
type CloseError struct {
	// Code and Reason are the peer's. Code is wire.CloseNoStatus when its close
	// frame had none, and wire.CloseAbnormal when there was no close frame. The
	// reason is text of the peer: quote it before showing it to anyone.
	Code   StatusCode
	Reason string

	// Sent is the code of this side's close frame, 0 if there was none.
	Sent StatusCode

	// Err is what ended a connection that was not closed in good order: a fault
	// of the peer, an error of the network, a timeout. Nil after an orderly close.
	Err error
}

func (e *CloseError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf("websocket: connection ended: %v", e.Err)
	case e.Reason != "":
		return fmt.Sprintf("websocket: closed with %s: %.123q", e.Code, e.Reason)
	}
	return fmt.Sprintf("websocket: closed with %s", e.Code)
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }

// abnormal is the end without a close frame of the peer (RFC 6455 §7.1.5).
func abnormal(err error) *CloseError { return &CloseError{Code: wire.CloseAbnormal, Err: err} }
