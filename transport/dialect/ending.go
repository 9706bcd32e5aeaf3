package dialect

import (
	"errors"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// ending is the end of a conversation, or a refusal, as a client is told.
type ending struct {
	code      uint16
	reason    string
	reconnect bool // the client may come back as it is
}

// endingOf returns the ending that tells a client of err. ok is false for an error
// that is neither a refusal nor an end that somebody wanted.
func endingOf(err error) (e ending, ok bool) {
	var refusal *access.Refusal
	var ended *hub.Ended
	switch {
	case errors.Is(err, hub.ErrSlow):
		return ending{clientproto.CloseTooSlow, "too slow", clientproto.FindCode(clientproto.CloseTooSlow).Reconnect.CanReturn()}, true
	case errors.As(err, &ended):
		return ending{ended.Code, cut(ended.Reason), ended.Reconnect}, true
	case !errors.As(err, &refusal):
		return ending{}, false
	}
	e.reason = cut(refusal.Reason)
	switch refusal.Cause {
	case access.Denied:
		e.code = clientproto.CloseForbidden
	case access.TooMany:
		e.code = clientproto.CloseTooMany
	case access.Unavailable:
		e.code = clientproto.CloseTryAgainLater
	default:
		e.code = clientproto.CloseUnauthorized
	}
	e.reconnect = clientproto.FindCode(e.code).Reconnect.CanReturn()
	return e, true
}

// ClosingOf is how a conversation ends for err: a refusal, or what End is given.
func ClosingOf(err error) *Closing {
	if e, ok := endingOf(err); ok {
		return e.closing()
	}
	if errors.Is(err, hub.ErrShutdown) || errors.Is(err, hub.ErrClosed) {
		return &Closing{End: EndShutdown, Code: clientproto.CloseGoingAway, Reason: "going away"}
	}
	if errors.Is(err, hub.ErrTooManyCommands) {
		return &Closing{End: EndFailure, Code: clientproto.CloseInternalError, Reason: "too many commands"}
	}
	return &Closing{End: EndFailure, Code: clientproto.CloseInternalError, Reason: "internal error"}
}

// reasonBytesMax is the room of a close frame for a reason (RFC 6455 §5.5).
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
	if e.code == clientproto.CloseTooSlow {
		end = EndSlow
	}
	return &Closing{End: end, Code: e.code, Reason: e.reason}
}

// appendTo appends {"code":4401,"reason":"token expired","reconnect":false}.
func (e *ending) appendTo(dst []byte) []byte {
	w := writer{b: dst}
	w.ending(e)
	return w.b
}

// ending writes what appendTo describes.
func (w *writer) ending(e *ending) {
	outer := w.begin()
	w.uint(clientproto.KeyCode, uint64(e.code))
	w.text(clientproto.KeyReason, e.reason)
	w.bool(clientproto.KeyReconnect, e.reconnect)
	w.end(outer)
}

// appendError appends {"error":…}, for a command that was refused in a conversation
// that goes on.
func (e *ending) appendError(dst []byte) []byte {
	dst = append(dst, `{"error":`...)
	return append(e.appendTo(dst), '}')
}
