package tracecontext

import "encoding/hex"

// Field is the name of the header field.
const Field = "Traceparent"

// Parent is the span that a request was made in.
type Parent struct {
	Trace   [16]byte // not zero
	Span    [8]byte  // not zero
	Sampled bool     // the client of the request records the trace
}

// length is that of version 00:
//
//	00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//	 │  trace                           span             flags
//	 version
const length = 55

// Parse reads the value of a traceparent. A value that is not as W3C Trace Context §3.2
// says is no parent: its receiver begins a trace of its own. Parse does not allocate, and
// keeps nothing of s.
func Parse(s string) (p Parent, ok bool) {
	if len(s) < length || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return Parent{}, false
	}
	var version, flags [1]byte
	if !decode(version[:], s[:2]) || version[0] == 0xff || !decode(p.Trace[:], s[3:35]) || !decode(p.Span[:], s[36:52]) || !decode(flags[:], s[53:length]) {
		return Parent{}, false
	}
	// §4.3: later versions may say more behind what this one says.
	if len(s) > length && (version[0] == 0 || s[length] != '-') {
		return Parent{}, false
	}
	if p.Trace == [16]byte{} || p.Span == [8]byte{} {
		return Parent{}, false
	}
	p.Sampled = flags[0]&1 != 0
	return p, true
}

// decode decodes lower-case hexadecimal digits, twice as many as dst is long.
func decode(dst []byte, s string) bool {
	for i := range dst {
		high, low := digit(s[2*i]), digit(s[2*i+1])
		if high < 0 || low < 0 {
			return false
		}
		dst[i] = byte(high<<4 | low)
	}
	return true
}

func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

// Append appends p as version 00 has it.
func (p Parent) Append(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, p.Trace[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, p.Span[:])
	if p.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}

// String is p as Append has it.
func (p Parent) String() string { return string(p.Append(make([]byte, 0, length))) }
