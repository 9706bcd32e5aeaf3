package httpsyntax

// tokenBytes holds the tchar of RFC 9110 §5.6.2. RFC 2616, which RFC 6455 was
// written against, has the same set.
var tokenBytes = func() (t [256]bool) {
	for c := byte('0'); c <= '9'; c++ {
		t[c] = true
	}
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = true, true
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		t[c] = true
	}
	return t
}()

// IsTokenByte reports whether a token may hold c.
func IsTokenByte(c byte) bool { return tokenBytes[c] }

// IsToken reports whether v is a token, which is not empty.
func IsToken(v string) bool {
	for i := range len(v) {
		if !tokenBytes[v[i]] {
			return false
		}
	}
	return v != ""
}

// IsFieldValue allows what RFC 9110 §5.5 does, bytes past ASCII included; of the
// control characters only the tab.
func IsFieldValue(v string) bool {
	for i := range len(v) {
		if c := v[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// IsVisible reports whether v is not empty and all of it is visible ASCII.
func IsVisible(v string) bool {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return false
		}
	}
	return v != ""
}

// EqualFold compares in any case of ASCII. strings.EqualFold would take a long s
// or a Kelvin sign for the s and the k of websocket.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
