package packet

import "bytes"

// depthMax is how deep JSON may be nested.
const depthMax = 1000

// finder notes the objects in JSON that have a member of a certain name. Of nested ones
// it keeps the outermost.
type finder struct {
	key, second string // second: a member whose value is noted too
	is          func(b []byte, o object) bool
	found       []object
}

// span is b[start:end].
type span struct{ start, end int }

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// object is where an object and its members of interest are.
type object struct {
	span
	value, second span
	members       int
}

func (f *finder) note(b []byte, o object) {
	if o.value.end == 0 || !f.is(b, o) {
		return
	}
	n := len(f.found)
	for n > 0 && f.found[n-1].start > o.start {
		n--
	}
	f.found = append(f.found[:n], o)
}

// isKey reports whether the JSON string s, with its quotes, is name.
func isKey(s []byte, name string) bool {
	if bytes.IndexByte(s, '\\') < 0 {
		return string(s[1:len(s)-1]) == name
	}
	text, ok := unquote(s)
	return ok && text == name
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipValue returns where the JSON value at b[i] ends (RFC 8259), or -1 if there is none.
// f may be nil.
func skipValue(b []byte, i, depth int, f *finder) int {
	if i >= len(b) {
		return -1
	}
	switch c := b[i]; {
	case c == '"':
		return skipString(b, i)
	case c == '{':
		return skipObject(b, i, depth, f)
	case c == '[':
		return skipArray(b, i, depth, f)
	case c == '-' || isDigit(c):
		return skipNumber(b, i)
	case c == 't':
		return skipWord(b, i, "true")
	case c == 'f':
		return skipWord(b, i, "false")
	case c == 'n':
		return skipWord(b, i, "null")
	}
	return -1
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipArray(b []byte, i, depth int, f *finder) int {
	if depth == depthMax {
		return -1
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = skipValue(b, i, depth+1, f); i < 0 {
			return -1
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		if b[i] == ']' {
			return i + 1
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
}

func skipObject(b []byte, i, depth int, f *finder) int {
	if depth == depthMax {
		return -1
	}
	o := object{span: span{start: i}}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		key := span{start: i}
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		if i = skipString(b, i); i < 0 {
			return -1
		}
		key.end = i
		if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		i = skipSpace(b, i+1)
		value := span{start: i}
		if i = skipValue(b, i, depth+1, f); i < 0 {
			return -1
		}
		value.end = i
		if f != nil {
			o.members++
			switch k := key.of(b); {
			case isKey(k, f.key):
				o.value = value
			case f.second != "" && isKey(k, f.second):
				o.second = value
			}
		}
		if i = skipSpace(b, i); i >= len(b) {
			return -1
		}
		if b[i] == '}' {
			o.end = i + 1
			if f != nil {
				f.note(b, o)
			}
			return o.end
		}
		if b[i] != ',' {
			return -1
		}
		i = skipSpace(b, i+1)
	}
}

func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c < ' ':
			return -1
		case c == '\\':
			if i++; i >= len(b) {
				return -1
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if len(b)-i < 5 {
					return -1
				}
				for _, h := range b[i+1 : i+5] {
					if !isHex(h) {
						return -1
					}
				}
				i += 4
			default:
				return -1
			}
		}
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	switch {
	case i >= len(b) || !isDigit(b[i]):
		return -1
	case b[i] == '0':
		i++
	default:
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i] == '.' {
		start := i + 1
		if i = skipDigits(b, start); i == start {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		start := i
		if i = skipDigits(b, start); i == start {
			return -1
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}
