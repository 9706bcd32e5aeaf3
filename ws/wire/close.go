package wire

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// CloseCode is the status code of a close frame (RFC 6455 §7.4).
type CloseCode uint16

// The registered close codes. NoStatus, Abnormal and TLSHandshake only report
// how a connection ended; they never appear in a frame (RFC 6455 §7.4.1).
const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005
	CloseAbnormal           CloseCode = 1006
	CloseInvalidPayload     CloseCode = 1007
	ClosePolicyViolation    CloseCode = 1008
	CloseMessageTooBig      CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
	CloseTLSHandshake       CloseCode = 1015
)

// closeNames are the registry's names in lower case. 1012 to 1014 came after
// RFC 6455 through the IANA registry.
var closeNames = [...]string{
	0:  "normal closure",
	1:  "going away",
	2:  "protocol error",
	3:  "unsupported data",
	4:  "reserved",
	5:  "no status received",
	6:  "abnormal closure",
	7:  "invalid frame payload data",
	8:  "policy violation",
	9:  "message too big",
	10: "mandatory extension",
	11: "internal error",
	12: "service restart",
	13: "try again later",
	14: "bad gateway",
	15: "TLS handshake",
}

// Name returns the registered name of c in lower case, "private use" for 4000
// to 4999, and "" for a code without a name.
func (c CloseCode) Name() string {
	switch {
	case c >= 1000 && int(c-1000) < len(closeNames):
		return closeNames[c-1000]
	case c >= 4000 && c <= 4999:
		return "private use"
	}
	return ""
}

// String returns the code with its name: "1002 protocol error".
func (c CloseCode) String() string {
	s := strconv.Itoa(int(c))
	if name := c.Name(); name != "" {
		s += " " + name
	}
	return s
}

// OnWire reports whether c may appear in a close frame: the codes that the
// registry allows there, 3000 to 3999 for libraries and frameworks, and 4000 to
// 4999 for applications. 1016 to 2999 are reserved for the protocol itself
// (RFC 6455 §7.4.2).
func (c CloseCode) OnWire() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014, c >= 3000 && c <= 4999:
		return true
	}
	return false
}

// CloseReasonBytesMax is what a close frame has room for beside the code.
const CloseReasonBytesMax = ControlPayloadBytesMax - 2

// Errors of ParseClose. ErrCloseReason asks for close code 1007, the others
// for 1002.
var (
	ErrCloseLength = errors.New("wire: close frame with a payload of one byte")
	ErrCloseCode   = errors.New("wire: close code that may not appear in a frame")
	ErrCloseReason = errors.New("wire: close reason is not valid UTF-8")
)

// ParseClose decodes the payload of a close frame. An empty payload is
// CloseNoStatus. reason aliases b. With ErrCloseCode the code is returned too,
// so that a message can name it.
func ParseClose(b []byte) (code CloseCode, reason []byte, err error) {
	switch len(b) {
	case 0:
		return CloseNoStatus, nil, nil
	case 1:
		return CloseProtocolError, nil, ErrCloseLength
	}
	code = CloseCode(binary.BigEndian.Uint16(b))
	if !code.OnWire() {
		return code, nil, ErrCloseCode
	}
	if !utf8.Valid(b[2:]) {
		return code, nil, ErrCloseReason
	}
	return code, b[2:], nil
}

// AppendClose appends the payload of a close frame to dst. CloseNoStatus is
// the empty payload. A reason longer than CloseReasonBytesMax is cut at the
// last whole character that fits, and bytes that are not UTF-8 become U+FFFD, so
// that the frame stays valid. Whether the code may be sent is for CloseCode.OnWire
// to say.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	return append(dst, truncate(reason, CloseReasonBytesMax)...)
}

// truncate cuts s to at most n bytes without splitting a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
