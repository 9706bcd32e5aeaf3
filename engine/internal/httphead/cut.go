package httphead

import (
	"bytes"
	"errors"

	"github.com/godwit-io/godwit/internal/httpsyntax"
)

const (
	// BytesMax is how long a head may be where nothing else is said, and FieldsMax the
	// most fields in it. A request past either is answered with 431.
	BytesMax  = 16 << 10
	FieldsMax = 100
)

// Errors in a head. The texts are fit for a peer to read.
var (
	ErrLineEnd  = errors.New("every line of the head must end with CR LF")
	ErrStart    = errors.New("an HTTP request is expected")
	ErrRequest  = errors.New("the request line must be a method, a target and HTTP/1.1, with single spaces between")
	ErrName     = errors.New("a field must begin with its name, a token, and a colon right behind it")
	ErrValue    = errors.New("a field's value must not hold control characters")
	ErrHost     = errors.New("Host must be given once")
	ErrTooLarge = errors.New("the head of the request is larger than the limit")
)

// Cut looks for the end of a head that arrives in parts. What was looked at is
// not looked at again, so it takes linear time however small the parts are. The
// zero value begins a request.
type Cut struct {
	Start int // where the head begins: RFC 9112 §2.2 has an empty line before it ignored
	line  int // where the line under way begins
	seen  int // how far was looked
	lines int // that ended
}

// Seen returns how many bytes have been looked at.
func (h *Cut) Seen() int { return h.seen }

// Next returns where the head at the front of b ends, 0 when it has not ended
// yet. It begins at Start. b must begin with what it began with before. A head may be
// bytesMax long.
func (h *Cut) Next(b []byte, bytesMax int) (n int, err error) {
	if len(b) > h.Start && h.lines == 0 && !httpsyntax.IsTokenByte(b[h.Start]) && (h.Start > 0 || b[0] != '\r') {
		return 0, ErrStart // TLS, perhaps
	}
	for h.seen < len(b) {
		i := bytes.IndexByte(b[h.seen:], '\n')
		if i < 0 {
			h.seen = len(b)
			break
		}
		end := h.seen + i
		if end == h.line || b[end-1] != '\r' {
			return 0, ErrLineEnd
		}
		h.seen = end + 1
		switch {
		case end-1 > h.line:
		case h.lines == 0 && h.Start == 0:
			h.Start, h.line = h.seen, h.seen
			return h.Next(b, bytesMax)
		case h.lines == 0:
			return 0, ErrStart
		default:
			if h.seen > bytesMax {
				return 0, ErrTooLarge
			}
			return h.seen, nil
		}
		h.line = h.seen
		if h.lines++; h.lines > FieldsMax+1 {
			return 0, ErrTooLarge
		}
	}
	if len(b) > bytesMax {
		return 0, ErrTooLarge
	}
	return 0, nil
}
