package dialect

import (
	"errors"
	"strconv"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// Close codes of our own, which say why a client is refused or has been ended. They
// are those of HTTP with 4000 added, and the same on every carrier.
const (
	CloseUnauthorized = 4401 // no token, a bad one, or one that has expired
	CloseForbidden    = 4403 // a grant is missing
	CloseTooSlow      = 4408 // the client took publications too slowly, see hub.Disconnect
	CloseTooMany      = 4429 // too often, or too many at once

	closeTryAgainLater = 1013
)

// ending is the end of a conversation, or a refusal, as a client is told.
type ending struct {
	code      uint16
	reason    string
	reconnect bool // the client may come back as it is
}

// endingOf returns what a client is told of err. ok is false for an error that is
// neither a refusal nor an end that somebody wanted.
func endingOf(err error) (e ending, ok bool) {
	var refusal *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.Is(err, hub.ErrSlow):
		return ending{CloseTooSlow, "too slow", true}, true
	case errors.As(err, &ended):
		return ending{ended.Code, cut(ended.Reason), ended.Reconnect}, true
	case !errors.As(err, &refusal):
		return ending{}, false
	}
	e.reason = cut(refusal.Reason)
	switch refusal.Cause {
	case access.Denied:
		e.code = CloseForbidden
	case access.TooMany:
		e.code, e.reconnect = CloseTooMany, true
	case access.Unavailable:
		e.code, e.reconnect = closeTryAgainLater, true
	default:
		e.code = CloseUnauthorized
	}
	return e, true
}

// reasonBytesMax is what a close frame has room for (RFC 6455 §5.5).
const reasonBytesMax = 123

func cut(reason string) string {
	if len(reason) <= reasonBytesMax {
		return reason
	}
	end := reasonBytesMax - len("…")
	for end > 0 && reason[end]&0xC0 == 0x80 { // inside a character
		end--
	}
	return reason[:end] + "…"
}

// closing is e where the client is told by a close frame.
func (e *ending) closing() *Closing {
	end := EndRefused
	if e.code == CloseTooSlow {
		end = EndSlow
	}
	return &Closing{end, e.code, e.reason}
}

// appendTo appends {"code":4401,"reason":"token expired","reconnect":false}.
func (e *ending) appendTo(dst []byte) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendUint(dst, uint64(e.code), 10)
	dst = append(dst, `,"reason":`...)
	dst = jsontext.AppendString(dst, e.reason)
	dst = append(dst, `,"reconnect":`...)
	dst = strconv.AppendBool(dst, e.reconnect)
	return append(dst, '}')
}

// appendError appends {"error":…}, for a command that was refused in a conversation
// that goes on.
func (e *ending) appendError(dst []byte) []byte {
	dst = append(dst, `{"error":`...)
	return append(e.appendTo(dst), '}')
}
