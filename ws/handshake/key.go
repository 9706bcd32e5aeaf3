package handshake

import (
	"crypto/sha1"
	"encoding/base64"
)

// keyGUID is the constant of RFC 6455 §1.3 that only a WebSocket server would
// append to a key, which is what the accept value proves.
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

const (
	keyBytes    = 24 // base64 of 16 bytes
	acceptBytes = 28 // base64 of a SHA-1
)

// NewKey returns the Sec-WebSocket-Key of a client that drew random. RFC 6455
// §4.1 wants every connection to draw anew.
func NewKey(random [16]byte) string {
	return base64.StdEncoding.EncodeToString(random[:])
}

// AcceptKey returns the Sec-WebSocket-Accept value that answers key (RFC 6455
// §4.2.2). It does not judge the key; Check and AppendResponse do.
func AcceptKey(key string) string {
	var b [acceptBytes]byte
	return string(AppendAcceptKey(b[:0], key))
}

// AppendAcceptKey appends AcceptKey(key), 28 bytes, to dst. It does not allocate
// if dst has room and key is of the usual length.
func AppendAcceptKey(dst []byte, key string) []byte {
	var b [keyBytes + len(keyGUID)]byte
	sum := sha1.Sum(append(append(b[:0], key...), keyGUID...))
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// validKey reports whether key is what encoding 16 bytes as base64 gives
// (RFC 6455 §4.2.1 item 5). A decoder would let more pass: encoding/base64 skips
// line ends, and many ignore the four spare bits of the last digit.
//
//	xxxx xxxx xxxx xxxx xxxx x?==     ? has 2 bits of data, so it is A, Q, g or w
func validKey(key string) bool {
	if len(key) != keyBytes || key[22:] != "==" {
		return false
	}
	for i := range 22 {
		c := key[i]
		if !('A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '+' || c == '/') {
			return false
		}
	}
	switch key[21] {
	case 'A', 'Q', 'g', 'w':
		return true
	}
	return false
}
