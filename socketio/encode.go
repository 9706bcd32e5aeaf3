package socketio

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/godwit-io/godwit/internal/jsontext"
	"github.com/godwit-io/godwit/socketio/packet"
)

// Binary is bytes inside the arguments of an event, at any depth: clients in browsers get
// an ArrayBuffer there, others what they have for bytes. An argument that is a []byte is
// sent the same way without it. A []byte deeper inside is base64 in a string, as in
// encoding/json.
//
// Its JSON is only for this package.
type Binary []byte

// binaryKey is the member of the objects that Binary is while arguments are encoded. Nobody
// outside the process can make one.
var binaryKey = sync.OnceValue(func() string { return "binary " + randomID() })

// MarshalJSON returns a form that Emit knows again.
func (b Binary) MarshalJSON() ([]byte, error) {
	return packet.AppendBase64Object(binaryKey())(nil, b), nil
}

// UnmarshalJSON reads bytes that came in an event, or base64 in a string.
func (b *Binary) UnmarshalJSON(text []byte) error { return json.Unmarshal(text, (*[]byte)(b)) }

// randomID returns 20 characters of 15 random bytes.
func randomID() string {
	var b [15]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// encoder builds the arguments of packets.
type encoder struct {
	args        packet.Args
	attachments [][]byte
	buffer      bytes.Buffer

	frame []byte    // of a packet for one receiver,
	list  [1][]byte // and as a list
}

// frames returns the frames of p, which are e's if there is only one.
func (e *encoder) frames(p *packet.Packet) [][]byte {
	if len(p.Attachments) > 0 {
		return p.Frames()
	}
	e.frame = p.AppendFrame(e.frame[:0])
	e.list[0] = e.frame
	return e.list[:]
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// encodeBytesKept is how long the buffers of an encoder in the pool may be.
const encodeBytesKept = 64 << 10

func (e *encoder) release() {
	clear(e.attachments)
	e.args, e.attachments = e.args[:0], e.attachments[:0]
	if cap(e.args) <= encodeBytesKept && cap(e.frame) <= encodeBytesKept && e.buffer.Cap() <= encodeBytesKept {
		encoders.Put(e)
	}
}

// append appends values as arguments. The error is encoding/json's, or ErrAttachments
// or ErrPlaceholder.
func (e *encoder) append(values []any) error {
	for _, v := range values {
		if err := e.appendValue(v); err != nil {
			return err
		}
	}
	if len(e.attachments) > packet.AttachmentsMax {
		return ErrAttachments
	}
	// An object like a placeholder is data without attachments, and with them it would have
	// the receivers close their connections.
	if n := len(e.attachments); n > 0 && packet.CheckPlaceholders(e.args, n) != nil {
		return ErrPlaceholder
	}
	return nil
}

func (e *encoder) appendValue(v any) error {
	if all, ok := v.(Arguments); ok {
		return e.appendArguments(&all)
	}
	if len(e.args) > 0 {
		e.args = append(e.args, ',')
	}
	switch v := v.(type) {
	case nil:
		e.args = append(e.args, "null"...)
	case string:
		e.args = jsontext.AppendString(e.args, v)
	case bool:
		e.args = strconv.AppendBool(e.args, v)
	case int:
		e.args = strconv.AppendInt(e.args, int64(v), 10)
	case int64:
		e.args = strconv.AppendInt(e.args, v, 10)
	case uint64:
		e.args = strconv.AppendUint(e.args, v, 10)
	case []byte:
		e.appendAttachment(v)
	case Binary:
		e.appendAttachment(v)
	case json.RawMessage:
		if !json.Valid(v) || !utf8.Valid(v) {
			return errors.New("socketio: an argument is no valid JSON")
		}
		e.args = append(e.args, v...)
	default:
		return e.appendJSON(v)
	}
	return nil
}

// appendArguments appends all values of a, whose attachments get new numbers.
func (e *encoder) appendArguments(a *Arguments) (err error) {
	if len(a.args) == 0 {
		return nil
	}
	if len(e.args) > 0 {
		e.args = append(e.args, ',')
	}
	e.args, err = packet.AppendExpanded(e.args, a.args, a.attachments, func(dst, attachment []byte) []byte {
		e.attachments = append(e.attachments, attachment)
		return packet.AppendPlaceholder(dst, len(e.attachments)-1)
	})
	return err
}

func (e *encoder) appendAttachment(b []byte) {
	e.args = packet.AppendPlaceholder(e.args, len(e.attachments))
	e.attachments = append(e.attachments, b)
}

func (e *encoder) appendJSON(v any) error {
	e.buffer.Reset()
	encoder := json.NewEncoder(&e.buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	text := bytes.TrimSuffix(e.buffer.Bytes(), []byte{'\n'})
	if !bytes.Contains(text, []byte(binaryKey())) {
		e.args = append(e.args, text...)
		return nil
	}
	before := len(e.attachments)
	e.args, e.attachments = packet.AppendCollected(e.args, text, binaryKey(), e.attachments)
	if len(e.attachments) == before {
		return ErrAttachments
	}
	return nil
}
