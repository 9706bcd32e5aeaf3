package ws

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/wire"
)

// Errors of misuse. They change nothing: the connection goes on.
var (
	ErrMessageType = wsproto.ErrOpcode
	ErrCloseCode   = wsproto.ErrCloseCode
	ErrNotUTF8     = errors.New("websocket: a text message must be valid UTF-8; send a binary message instead")
	ErrServerOnly  = errors.New("websocket: whole frames can be sent by a server only, as a client masks each afresh")
)

// ErrClosing is returned by writes between a close frame and the end of the
// connection.
var ErrClosing = wsproto.ErrClosing

// ErrWriteTimeout is in the chain of a CloseError when the peer did not read.
var ErrWriteTimeout = errors.New("websocket: the peer did not read within the write timeout")

// ErrQueueFull is returned by Enqueue when the peer does not keep up.
var ErrQueueFull = errors.New("websocket: the queue of messages to send is full")

// CloseError says how a connection ended. It is shared by all calls and must not
// be modified.
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

// LogValue implements slog.LogValuer: code, reason and error, each if there is
// one.
func (e *CloseError) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 4)
	attrs = append(attrs, slog.Int("code", int(e.Code)))
	if e.Reason != "" {
		attrs = append(attrs, slog.String("reason", e.Reason))
	}
	if e.Sent != 0 {
		attrs = append(attrs, slog.Int("sent", int(e.Sent)))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }

// CloseStatus returns the code that the peer closed with, if err is or wraps a
// *CloseError, and 0 otherwise.
func CloseStatus(err error) StatusCode {
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code
	}
	return 0
}

// abnormal is the end without a close frame of the peer (RFC 6455 §7.1.5).
func abnormal(err error) *CloseError {
	return &CloseError{Code: wire.CloseAbnormal, Err: err}
}
