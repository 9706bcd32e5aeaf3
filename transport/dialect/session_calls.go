package dialect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// call tells of a call that the session is to answer, or that needs no answer any more:
//
//	{"call":{"id":7,"method":"sum","user":"ann","session":"…","timeout_ms":9998,"data":[1,2]}}
//	{"call_over":{"id":7,"reason":"canceled"}}
func (s *Session) call(now time.Time, p *hub.CallPush, out *Effects) {
	s.sendObject(out, func(dst []byte) []byte {
		c := p.Incoming
		if c == nil {
			dst = append(dst, `{"call_over":{"id":`...)
			dst = appendUint(dst, p.ID)
			dst = append(dst, `,"reason":`...)
			dst = jsontext.AppendString(dst, overReason(p.Over))
			return append(dst, "}}"...)
		}
		dst = append(dst, `{"call":{"id":`...)
		dst = appendUint(dst, c.ID)
		dst = append(dst, `,"method":`...)
		dst = jsontext.AppendString(dst, c.Method)
		dst = append(dst, ',')
		dst = appendAttribute(dst, "user", c.User)
		if c.Info != "" {
			dst = append(dst, `"info":`...)
			dst = jsontext.AppendCompact(dst, []byte(c.Info))
			dst = append(dst, ',')
		}
		dst = appendAttribute(dst, "session", c.Session)
		dst = appendAttribute(dst, "trace", c.Trace)
		dst = appendMillis(dst, "timeout_ms", c.Deadline.Sub(now))
		if c.Data != nil {
			dst = append(dst, ',')
			dst = appendData(dst, c.Kind, c.Data)
		}
		return append(dst, "}}"...)
	})
}

// overReason is why a call needs no answer.
func overReason(err error) string {
	switch {
	case errors.Is(err, hub.ErrCanceled):
		return "canceled"
	case errors.Is(err, hub.ErrCallTimeout):
		return "timeout"
	case errors.Is(err, hub.ErrCallerGone):
		return "caller-gone"
	}
	return "closed"
}

// DigestMax is how many publications a digest is of at most.
const DigestMax = 256

// appendDigest appends the digest of a page (docs/protocol.md §9): a subscriber that has
// the same publications computes the same.
//
// It is SHA-256 over each publication, the oldest first: its position, a zero byte, the
// length of its payload in decimal, a zero byte, and its payload.
func appendDigest(dst []byte, page *hub.Page) []byte {
	h := sha256.New()
	var head []byte
	for _, p := range page.Publications {
		head = p.Position.AppendTo(head[:0])
		head = append(head, 0)
		head = strconv.AppendInt(head, int64(len(p.Data)), 10)
		head = append(head, 0)
		h.Write(head)
		h.Write(p.Data)
	}
	dst = append(dst, `"count":`...)
	dst = strconv.AppendInt(dst, int64(len(page.Publications)), 10)
	dst = append(dst, `,"from":`...)
	from := page.Position
	if len(page.Publications) > 0 {
		from = page.Publications[0].Position
	}
	dst = AppendPosition(dst, from)
	dst = append(dst, `,"position":`...)
	dst = AppendPosition(dst, page.Position)
	dst = append(dst, `,"sha256":"`...)
	dst = hex.AppendEncode(dst, h.Sum(nil))
	return append(dst, '"')
}
