package dialect

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsontext"
)

// writer appends the objects of a session in JSON, or in CBOR (docs/protocol.md §10).
// What an object says is written once, for both.
//
// In CBOR the head of a map counts its members as they come, in the one byte that it has
// for maps of less than 24: no object has more.
type writer struct {
	b      []byte
	isCBOR bool
	head   int // of CBOR: where the map stands whose members come
}

// The major types of CBOR (RFC 8949 §3.1), and simple values.
const (
	cborUint  = 0 << 5
	cborBytes = 2 << 5
	cborText  = 3 << 5
	cborArray = 4 << 5
	cborMap   = 5 << 5
	cborTag   = 6 << 5

	cborFalse = 0xF4
	cborTrue  = 0xF5
	cborNull  = 0xF6
)

// begin begins an object, and returns what its end wants.
func (w *writer) begin() (outer int) {
	if !w.isCBOR {
		w.b = append(w.b, '{')
		return 0
	}
	outer, w.head = w.head, len(w.b)
	w.b = append(w.b, cborMap)
	return outer
}

// object begins an object that is a member.
func (w *writer) object(k clientproto.Key) (outer int) {
	w.name(k)
	return w.begin()
}

// end ends the object.
func (w *writer) end(outer int) {
	if !w.isCBOR {
		w.b = append(w.b, '}')
		return
	}
	w.head = outer
}

// list begins an array of n items that is a member. Each begins with item.
func (w *writer) list(k clientproto.Key, n int) {
	w.name(k)
	w.array(n)
}

func (w *writer) array(n int) {
	if w.isCBOR {
		w.b = appendHead(w.b, cborArray, uint64(n))
	} else {
		w.b = append(w.b, '[')
	}
}

func (w *writer) item() {
	if !w.isCBOR && w.b[len(w.b)-1] != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *writer) endList() {
	if !w.isCBOR {
		w.b = append(w.b, ']')
	}
}

// name begins a member.
func (w *writer) name(k clientproto.Key) {
	if w.isCBOR {
		w.b[w.head]++
		w.b = appendHead(w.b, cborUint, uint64(k))
		return
	}
	if w.b[len(w.b)-1] != '{' { // no value ends with one
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, k.Member()...)
}

func (w *writer) text(k clientproto.Key, s string) {
	w.name(k)
	if !w.isCBOR {
		w.b = jsontext.AppendString(w.b, s)
		return
	}
	if !utf8.ValidString(s) { // as in JSON
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	w.b = append(appendHead(w.b, cborText, uint64(len(s))), s...)
}

// textIfAny writes nothing for "".
func (w *writer) textIfAny(k clientproto.Key, s string) {
	if s != "" {
		w.text(k, s)
	}
}

func (w *writer) uint(k clientproto.Key, n uint64) {
	w.name(k)
	if w.isCBOR {
		w.b = appendHead(w.b, cborUint, n)
	} else {
		w.b = strconv.AppendUint(w.b, n, 10)
	}
}

// int writes a number that is not negative.
func (w *writer) int(k clientproto.Key, n int) { w.uint(k, uint64(max(0, n))) }

// intIfAny writes nothing for 0.
func (w *writer) intIfAny(k clientproto.Key, n int) {
	if n > 0 {
		w.int(k, n)
	}
}

func (w *writer) millis(k clientproto.Key, d time.Duration) {
	w.uint(k, uint64(max(0, d.Milliseconds())))
}

func (w *writer) bool(k clientproto.Key, is bool) {
	w.name(k)
	switch {
	case !w.isCBOR:
		w.b = strconv.AppendBool(w.b, is)
	case is:
		w.b = append(w.b, cborTrue)
	default:
		w.b = append(w.b, cborFalse)
	}
}

// time writes a time: in CBOR as microseconds of Unix time, which a number of JavaScript
// holds.
func (w *writer) time(k clientproto.Key, t time.Time) {
	w.name(k)
	if w.isCBOR {
		w.b = appendHead(w.b, cborUint, uint64(max(0, t.UnixMicro())))
		return
	}
	w.b = append(w.b, '"')
	w.b = t.UTC().AppendFormat(w.b, time.RFC3339Nano)
	w.b = append(w.b, '"')
}

// position writes a position, null if there is none or it cannot be read.
func (w *writer) position(k clientproto.Key, p hub.Position) {
	w.name(k)
	if p.Epoch == LostEpoch {
		p = hub.Position{}
	}
	switch {
	case !w.isCBOR:
		w.b = AppendPosition(w.b, p)
	case p.IsZero():
		w.b = append(w.b, cborNull)
	default:
		at := len(w.b)
		w.b = p.AppendTo(append(w.b, 0, 0)) // most are longer than a head of one byte has
		n := len(w.b) - at - 2
		switch {
		case n < 24:
			w.b[at] = cborText | byte(n)
			w.b = append(w.b[:at+1], w.b[at+2:]...)
		case n <= 0xFF:
			w.b[at], w.b[at+1] = cborText|24, byte(n)
		default: // an epoch is not that long
			w.b = append(appendHead(w.b[:at], cborText, uint64(n)), p.String()...)
		}
	}
}

// json writes a value that is the text of JSON.
func (w *writer) json(k clientproto.Key, value []byte) {
	w.name(k)
	if w.isCBOR {
		w.b = appendHead(w.b, cborTag, clientproto.TagJSON)
		w.b = append(appendHead(w.b, cborBytes, uint64(len(value))), value...)
	} else {
		w.b = jsontext.AppendCompact(w.b, value)
	}
}

// data writes a payload, as data, or in JSON as data_base64 if it is bytes.
func (w *writer) data(kind hub.Kind, data []byte) {
	switch {
	case kind == hub.JSON:
		w.json(clientproto.KeyData, data)
	case kind == hub.Binary:
		w.bytes(clientproto.KeyData, data)
	case w.isCBOR:
		w.name(clientproto.KeyData)
		w.b = append(appendHead(w.b, cborText, uint64(len(data))), data...)
	default:
		w.name(clientproto.KeyData)
		w.b = jsontext.AppendString(w.b, data)
	}
}

// bytes writes bytes, in JSON in Base64 under a name that says so.
func (w *writer) bytes(k clientproto.Key, data []byte) {
	w.name(k)
	if w.isCBOR {
		w.b = append(appendHead(w.b, cborBytes, uint64(len(data))), data...)
		return
	}
	w.b = append(w.b[:len(w.b)-len(`":`)], `_base64":"`...)
	w.b = base64.StdEncoding.AppendEncode(w.b, data)
	w.b = append(w.b, '"')
}

// appendHead appends the head of an item of CBOR, as short as can be.
func appendHead(dst []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= 0xFF:
		return append(dst, major|24, byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= 0xFFFFFFFF:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}
