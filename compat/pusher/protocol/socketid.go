package protocol

import (
	"math/bits"
	"strconv"
	"strings"
)

// A socket ID is two numbers of decimal digits. Client libraries check that, and send it
// to the application, which may exclude the socket from a publication by it. It is made
// of the ID of the hub's session so that it can be turned back anywhere, without a table.
//
//	session    26 digits of base 32, a–z and 2–7
//	           └── 13, 65 bits ──┘└── 13, 65 bits ──┘
//	socket ID       decimal      .      decimal
const (
	sessionDigits  = "abcdefghijklmnopqrstuvwxyz234567"
	sessionIDBytes = 26
	halfBytes      = sessionIDBytes / 2

	// 65 bits are one more than a word: such a number is cut by ten decimal digits.
	lowDigits = 10
	lowRange  = 10_000_000_000
)

// SocketID is the socket ID of a session of the hub. ok is false for a text that is
// no ID of a session.
func SocketID(session string) (id string, ok bool) {
	if len(session) != sessionIDBytes {
		return "", false
	}
	dst := make([]byte, 0, 2*20+1)
	for i := range 2 {
		var high, low uint64
		for _, c := range []byte(session[i*halfBytes : (i+1)*halfBytes]) {
			digit := strings.IndexByte(sessionDigits, c)
			if digit < 0 {
				return "", false
			}
			high, low = high<<5|low>>59, low<<5|uint64(digit)
		}
		if i > 0 {
			dst = append(dst, '.')
		}
		upper, lower := bits.Div64(high, low, lowRange)
		if upper == 0 {
			dst = strconv.AppendUint(dst, lower, 10)
			continue
		}
		dst = strconv.AppendUint(dst, upper, 10)
		at := len(dst)
		dst = strconv.AppendUint(dst, lowRange+lower, 10) // with its leading zeros, and a 1 before them
		dst = append(dst[:at], dst[at+1:]...)
	}
	return string(dst), true
}

// ParseSocketID returns the ID of the session that a socket ID was made of. ok is false
// for what no session has, although it may look like a socket ID.
func ParseSocketID(id string) (session string, ok bool) {
	first, second, found := strings.Cut(id, ".")
	if !found {
		return "", false
	}
	dst := make([]byte, 0, sessionIDBytes)
	for _, text := range [...]string{first, second} {
		upper, lower := "0", text
		if len(text) > lowDigits {
			upper, lower = text[:len(text)-lowDigits], text[len(text)-lowDigits:]
		}
		u, ok := parseDecimal(upper)
		l, alsoOK := parseDecimal(lower)
		if !ok || !alsoOK || u > 1<<32 || len(text) > 1 && text[0] == '0' {
			return "", false
		}
		high, low := bits.Mul64(u, lowRange)
		low, carry := bits.Add64(low, l, 0)
		if high += carry; high > 1 {
			return "", false
		}
		var half [halfBytes]byte
		for i := halfBytes - 1; i >= 0; i-- {
			half[i] = sessionDigits[low&31]
			high, low = high>>5, high<<59|low>>5
		}
		dst = append(dst, half[:]...)
	}
	return string(dst), true
}

// LooksLikeSocketID reports whether id has the form that libraries ask for: two numbers
// with a dot between them. Such an ID may be of no socket here.
func LooksLikeSocketID(id string) bool {
	first, second, found := strings.Cut(id, ".")
	return found && len(id) <= socketIDBytesMax && isDigits(first) && isDigits(second)
}

// socketIDBytesMax is more than any server's socket ID has.
const socketIDBytesMax = 64

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// parseDecimal is ParseUint without signs and underscores, which it has none of anyway.
func parseDecimal(s string) (n uint64, ok bool) {
	if !isDigits(s) || len(s) > 19 {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}
