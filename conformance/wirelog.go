package conformance

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/ws/wire"
)

// Entry is one line of a wire log.
type Entry struct {
	At   time.Duration `json:"at_ns"` // since the case began
	From string        `json:"from"`  // "suite", "peer", or "" for a remark of the suite

	// Frame is set for a frame. Otherwise Text says what happened.
	Frame *FrameEntry `json:"frame,omitempty"`
	Text  string      `json:"text,omitempty"`
}

// FrameEntry is a frame as it stood on the wire.
type FrameEntry struct {
	Fin     bool   `json:"fin"`
	RSV     uint8  `json:"rsv"`    // the three reserved bits, RSV1 is 4
	Opcode  string `json:"opcode"` // its name
	Masked  bool   `json:"masked"`
	Mask    string `json:"mask,omitempty"` // in hexadecimal
	Length  uint64 `json:"length"`         // as announced
	Header  string `json:"header"`         // its bytes in hexadecimal
	Payload string `json:"payload"`        // unmasked and truncated: quoted if it is text, else in hexadecimal
	Meaning string `json:"meaning,omitempty"`
}

// What a log keeps of a long dialogue, and of a long payload.
const (
	entriesHeadMax  = 80
	entriesTailMax  = 80
	payloadBytesMax = 64
)

// recorder collects a wire log. It is safe for concurrent use.
type recorder struct {
	start   time.Time
	secrets *strings.Replacer // hides the secrets in what is sent; nil for nothing

	mu      sync.Mutex // guards the fields below
	head    []Entry
	tail    []Entry // a ring, once it is full
	next    int     // the oldest in tail
	dropped int
}

func newRecorder(secrets *strings.Replacer) *recorder {
	return &recorder{start: time.Now(), secrets: secrets}
}

func (r *recorder) add(e Entry) {
	e.At = time.Since(r.start)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(r.head) < entriesHeadMax:
		r.head = append(r.head, e)
	case len(r.tail) < entriesTailMax:
		r.tail = append(r.tail, e)
	default:
		r.tail[r.next] = e
		r.next = (r.next + 1) % entriesTailMax
		r.dropped++
	}
}

func (r *recorder) sent(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.secrets != nil {
		text = r.secrets.Replace(text)
	}
	r.add(Entry{From: "suite", Text: text})
}

func (r *recorder) got(format string, args ...any) {
	r.add(Entry{From: "peer", Text: fmt.Sprintf(format, args...)})
}

func (r *recorder) remark(format string, args ...any) {
	r.add(Entry{Text: fmt.Sprintf(format, args...)})
}

// entries returns the log so far, with a remark where something was left out.
func (r *recorder) entries() []Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := append([]Entry(nil), r.head...)
	if r.dropped > 0 {
		list = append(list, Entry{At: r.tail[r.next].At, Text: fmt.Sprintf("(%d more left out)", r.dropped)})
	}
	list = append(list, r.tail[r.next:]...)
	return append(list, r.tail[:r.next]...)
}

// describeFrame is the log's form of a frame. payload is not masked.
func describeFrame(h wire.Header, length uint64, header, payload []byte) *FrameEntry {
	f := &FrameEntry{
		Fin:     h.Fin,
		RSV:     h.RSV,
		Opcode:  h.Opcode.String(),
		Masked:  h.Masked,
		Length:  length,
		Header:  fmt.Sprintf("% x", header),
		Payload: showPayload(payload),
	}
	if h.Masked {
		f.Mask = hex.EncodeToString(h.Mask[:])
	}
	if h.Opcode == wire.Close {
		switch {
		case len(payload) == 0:
			f.Meaning = "no code"
		case len(payload) >= 2:
			f.Meaning = wire.CloseCode(uint16(payload[0])<<8 | uint16(payload[1])).String()
			if len(payload) > 2 {
				f.Meaning += " " + showPayload(payload[2:])
			}
		}
	}
	return f
}

// showPayload shows the beginning of b: quoted if it is text without control
// characters, else in hexadecimal.
func showPayload(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	shown, more := b, ""
	if len(b) > payloadBytesMax {
		shown = b[:payloadBytesMax]
		more = fmt.Sprintf(" … (%d bytes)", len(b))
		for i := 1; i < utf8.UTFMax && !utf8.Valid(shown); i++ {
			shown = b[:payloadBytesMax-i] // not through a character
		}
	}
	if !isText(shown) {
		return fmt.Sprintf("% x", b[:min(len(b), payloadBytesMax)]) + more
	}
	return strconv.QuoteToASCII(string(shown)) + more
}

func isText(b []byte) bool {
	for _, r := range string(b) {
		if r == utf8.RuneError || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
	}
	return true
}

// quoted shows text of the peer.
func quoted(s string) string {
	if len(s) > payloadBytesMax {
		return strconv.QuoteToASCII(s[:payloadBytesMax]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
