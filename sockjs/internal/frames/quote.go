package frames

import "unicode/utf8"

const hex = "0123456789abcdef"

// escapes are the short forms of JSON.
var escapes = [utf8.RuneSelf]byte{'\b': 'b', '\t': 't', '\n': 'n', '\f': 'f', '\r': 'r', '"': '"', '\\': '\\'}

// AppendString appends s as a JSON string, with the escapes that SockJS wants: those of
// JSON.stringify, and lower-case \uxxxx for the characters that browsers or proxies are
// known to mangle: U+200C–200F, U+2028–202F, U+2060–206F and U+FFF0–FFFF. Everything else
// stays as it is.
//
// s is to be valid UTF-8. Bytes that are not become U+FFFD, so that the result is.
func AppendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	start := 0 // of the bytes not yet copied
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			if short := escapes[c]; short != 0 {
				dst = append(dst, '\\', short)
			} else {
				dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError || isMangled(r) {
			dst = append(dst, s[start:i]...)
			dst = append(dst, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			start = i + size
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// isMangled reports whether r does not arrive everywhere as it was sent.
func isMangled(r rune) bool {
	switch {
	case r < 0x200C || r > 0xFFFF:
		return false
	case r <= 0x200F, 0x2028 <= r && r <= 0x202F, 0x2060 <= r && r <= 0x206F, 0xFFF0 <= r:
		return true
	}
	return false
}
