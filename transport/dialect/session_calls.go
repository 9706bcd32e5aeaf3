package dialect

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// call tells of a call that the session is to answer, or that needs no answer any more:
//
//	{"call":{"id":7,"method":"sum","user":"ann","session":"…","timeout_ms":9998,"data":[1,2]}}
//	{"call_over":{"id":7,"reason":"canceled"}}
func (s *Session) call(now time.Time, p *hub.CallPush, out *Effects) {
	s.sendObject(out, func(w writer) writer {
		c := p.Incoming
		if c == nil {
			over := w.object(clientproto.KeyCallOver)
			w.uint(clientproto.KeyID, p.ID)
			w.text(clientproto.KeyReason, overReason(p.Over))
			w.end(over)
			return w
		}
		call := w.object(clientproto.KeyCall)
		w.uint(clientproto.KeyID, c.ID)
		w.text(clientproto.KeyMethod, c.Method)
		w.textIfAny(clientproto.KeyUser, c.User)
		if c.Info != "" {
			w.json(clientproto.KeyInfo, []byte(c.Info))
		}
		w.textIfAny(clientproto.KeySession, c.Session)
		w.textIfAny(clientproto.KeyTrace, c.Trace)
		w.millis(clientproto.KeyTimeoutMs, c.Deadline.Sub(now))
		if c.Data != nil {
			w.data(c.Kind, c.Data)
		}
		w.end(call)
		return w
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

// digest writes the digest of a page (docs/protocol.md §9): a subscriber that has
// the same publications computes the same.
//
// It is SHA-256 over each publication, the oldest first: its position, a zero byte, the
// length of its payload in decimal, a zero byte, and its payload.
func (w *writer) digest(page *hub.Page) {
	h := sha256.New()
	var head []byte
	for _, p := range page.Publications {
		data := p.Data
		if p.Kind == hub.JSON { // as it stands in an envelope
			data = jsontext.AppendCompact(nil, data)
		}
		head = p.Position.AppendTo(head[:0])
		head = append(head, 0)
		head = strconv.AppendInt(head, int64(len(data)), 10)
		head = append(head, 0)
		h.Write(head)
		h.Write(data)
	}
	w.int(clientproto.KeyCount, len(page.Publications))
	from := page.Position
	if len(page.Publications) > 0 {
		from = page.Publications[0].Position
	}
	w.position(clientproto.KeyFrom, from)
	w.position(clientproto.KeyPosition, page.Position)
	w.text(clientproto.KeySHA256, hex.EncodeToString(h.Sum(nil)))
}
