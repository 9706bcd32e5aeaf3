package driver

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/godwit-io/godwit/ws/wire"
)

// StatusCode is the code of a close frame (RFC 6455 §7.4); package wire names
// them all. The constants here are the ones that an application says itself.
type StatusCode = wire.CloseCode

// The codes that an application says.
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

// Error returns one line. The peer's reason is quoted in it.
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

// LogValue implements slog.LogValuer: the code, and the reason, the code that was
// sent and the error where there are any.
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

// CloseStatus returns the code that the peer closed with, if err is or wraps a
// *CloseError, and 0 otherwise.
func CloseStatus(err error) StatusCode {
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code
	}
	return 0
}
