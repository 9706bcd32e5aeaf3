package deflate

import (
	"errors"
	"testing"

	"github.com/godwit-io/godwit/ws/wire"
)

// Each error says how to fail the connection, in words that fit a close frame.
func TestErrors(t *testing.T) {
	for err, code := range map[error]wire.CloseCode{
		ErrCorrupt:  wire.CloseInvalidPayload,
		ErrDistance: wire.CloseInvalidPayload,
		ErrEnd:      wire.CloseInvalidPayload,
		ErrTooBig:   wire.CloseMessageTooBig,
		ErrRatio:    wire.CloseMessageTooBig,
	} {
		var e *Error
		if !errors.As(err, &e) || e.Code != code || e.Error() != "deflate: "+e.Reason {
			t.Errorf("%v: %+v, want %d", err, e, code)
		}
		if n := len(e.Reason); n == 0 || n > wire.ControlPayloadBytesMax-2 {
			t.Errorf("%v: %d bytes do not fit a close frame", err, n)
		}
	}
}
