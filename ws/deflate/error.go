package deflate

import "github.com/godwit-io/godwit/ws/wire"

// Error is a compressed message that a peer should not have sent. There is one
// value for each reason, so errors.Is tells them apart.
type Error struct {
	Code   wire.CloseCode // what to fail the connection with
	Reason string         // short enough for a close frame
}

func (e *Error) Error() string { return "deflate: " + e.Reason }

// The errors of an Inflater.
//
// RFC 7692 gives no close code for data that cannot be inflated. The frames
// were in order and what they carry is not, which is what 1007 says
// (RFC 6455 §7.4.1).
var (
	ErrCorrupt  error = &Error{wire.CloseInvalidPayload, "compressed message is corrupt"}
	ErrDistance error = &Error{wire.CloseInvalidPayload, "compressed message refers back past its window"}
	ErrEnd      error = &Error{wire.CloseInvalidPayload, "compressed message ends inside a block"}
	ErrTooBig   error = &Error{wire.CloseMessageTooBig, "inflated message longer than the limit"}
	ErrRatio    error = &Error{wire.CloseMessageTooBig, "message inflates by more than the limit"}
)
