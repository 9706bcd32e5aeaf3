package natsbroker

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// metaHeader is the header field with what a message in the stream is besides its
// payload.
const metaHeader = "Godwit"

// metaVersion is the first word of it. What a newer node adds goes into fields that older
// ones ignore; what they must not ignore needs a new version.
const metaVersion = "1"

// meta is what a message in the stream is, besides its payload.
//
//	1 j 1000 600000 e=score u=ann
//	│ │ │    │      └ attributes, each a letter, "=" and a text that is escaped
//	│ │ │    └ how long it is kept, in milliseconds
//	│ │ └ how many are kept
//	│ └ the kind: text, binary, JSON; or c: everything up to the number that follows was cleared
//	└ version
type meta struct {
	kind       hub.Kind
	count      int
	age        time.Duration
	publisher  string
	attributes *hub.Attributes

	isMark bool   // this is no publication: it says that the history was cleared
	top    uint64 // and which publication was the newest then
}

const kindLetters = "tbj"

// appendMeta appends the value of the header field.
func appendMeta(dst []byte, m *meta) []byte {
	dst = append(dst, metaVersion+" "...)
	if m.isMark {
		return strconv.AppendUint(append(dst, "c "...), m.top, 10)
	}
	dst = append(dst, kindLetters[m.kind], ' ')
	dst = strconv.AppendInt(dst, int64(m.count), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, m.age.Milliseconds(), 10)
	dst = appendField(dst, 'p', m.publisher)
	if a := m.attributes; a != nil {
		dst = appendField(dst, 'e', a.Event)
		dst = appendField(dst, 'u', a.User)
		dst = appendField(dst, 'k', a.Key)
		dst = appendField(dst, 'x', a.Exclude)
		dst = appendField(dst, 't', a.Trace)
		if !a.Expires.IsZero() {
			dst = strconv.AppendInt(append(dst, " d="...), a.Expires.UnixNano(), 10)
		}
		if a.Shape != 0 {
			dst = strconv.AppendUint(append(dst, " s="...), uint64(a.Shape), 10)
		}
	}
	return dst
}

func appendField(dst []byte, name byte, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ' ', name, '=')
	for i := range len(value) {
		if c := value[i]; c <= ' ' || c == '%' || c == 0x7f {
			dst = append(dst, '%', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

var errMeta = errors.New("natsbroker: a message in the stream is of a version that this program does not know, or of another program")

// ParseMeta reads the value of the header field. Fields that it does not know are ignored.
func ParseMeta(value string) (meta, error) {
	var m meta
	version, rest, _ := strings.Cut(value, " ")
	kind, rest, _ := strings.Cut(rest, " ")
	first, rest, more := strings.Cut(rest, " ")
	if version != metaVersion || len(kind) != 1 {
		return m, errMeta
	}
	if kind == "c" {
		top, err := strconv.ParseUint(first, 10, 64)
		if err != nil {
			return m, errMeta
		}
		return meta{isMark: true, top: top}, nil
	}
	letter := strings.IndexByte(kindLetters, kind[0])
	count, err := strconv.ParseUint(first, 10, 31)
	if letter < 0 || err != nil || !more {
		return m, errMeta
	}
	second, rest, more := strings.Cut(rest, " ")
	age, err := strconv.ParseUint(second, 10, 63)
	if err != nil || age > math.MaxInt64/uint64(time.Millisecond) {
		return m, errMeta
	}
	m.kind, m.count, m.age = hub.Kind(letter), int(count), time.Duration(age)*time.Millisecond
	if more {
		err = m.parseFields(rest)
	}
	return m, err
}

func (m *meta) parseFields(rest string) error {
	var a hub.Attributes
	for field := range strings.SplitSeq(rest, " ") {
		name, text, ok := strings.Cut(field, "=")
		if !ok {
			return errMeta
		}
		value, ok := unescape(text)
		if !ok {
			return errMeta
		}
		switch name {
		case "p":
			m.publisher = value
		case "e":
			a.Event = value
		case "u":
			a.User = value
		case "k":
			a.Key = value
		case "x":
			a.Exclude = value
		case "t":
			a.Trace = value
		case "d":
			nanos, err := strconv.ParseInt(value, 10, 64)
			if err != nil {
				return errMeta
			}
			a.Expires = time.Unix(0, nanos).UTC()
		case "s":
			shape, err := strconv.ParseUint(value, 10, 8)
			if err != nil {
				return errMeta
			}
			a.Shape = hub.Shape(shape)
		}
	}
	if a != (hub.Attributes{}) {
		m.attributes = &a
	}
	return nil
}

func unescape(text string) (string, bool) {
	if strings.IndexByte(text, '%') < 0 {
		return text, true
	}
	b := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '%' {
			b = append(b, text[i])
			continue
		}
		if i+2 >= len(text) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, text[i+1]), strings.IndexByte(hexDigits, text[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b = append(b, byte(high<<4|low))
		i += 2
	}
	return string(b), true
}
